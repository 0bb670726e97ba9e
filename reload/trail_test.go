// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// brief writes lookouts as DIR or DIR:NAME, relative to root.
func brief(root string, all []lookout) []string {
	var texts []string
	for _, l := range all {
		dir, err := filepath.Rel(root, l.dir)
		if err != nil {
			dir = l.dir
		}
		if l.name != "" {
			dir += ":" + l.name
		}
		texts = append(texts, dir)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func TestTracer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		make   func(t *testing.T, root string)
		folder string // followed with its targets
		file   string
		want   []string
	}{
		{
			name:   "plain folder",
			make:   func(t *testing.T, root string) { mkdir(t, root, "certs/sub"); write(t, "", root, "certs/a.pem") },
			folder: "certs",
			want:   []string{"certs"},
		}, {
			name:   "missing folder",
			make:   func(t *testing.T, root string) {},
			folder: "certs",
			want:   []string{".:certs"},
		}, {
			name:   "missing folder below missing ones",
			make:   func(t *testing.T, root string) { mkdir(t, root, "a") },
			folder: "a/b/c/d",
			want:   []string{"a:b"},
		}, {
			name:   "file where a folder should be",
			make:   func(t *testing.T, root string) { write(t, "", root, "certs") },
			folder: "certs",
			want:   []string{".:certs"},
		}, {
			name:   "file on the way to a folder",
			make:   func(t *testing.T, root string) { write(t, "", root, "data") },
			folder: "data/certs",
			want:   []string{".:data"},
		}, {
			name: "plain file",
			make: func(t *testing.T, root string) { write(t, "", root, "cfgsrv.toml") },
			file: "cfgsrv.toml",
			want: []string{".:cfgsrv.toml"},
		}, {
			name: "missing file",
			make: func(t *testing.T, root string) {},
			file: "cfgsrv.toml",
			want: []string{".:cfgsrv.toml"},
		}, {
			name: "folder where a file should be",
			make: func(t *testing.T, root string) { mkdir(t, root, "cfgsrv.toml") },
			file: "cfgsrv.toml",
			want: []string{".:cfgsrv.toml"},
		}, {
			name: "folder by way of two links",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "v1/certs")
				mkdir(t, root, "srv")
				link(t, "../v1", root, "srv/current")
				link(t, "srv/current", root, "data")
			},
			folder: "data/certs",
			want:   []string{".:data", "srv:current", "v1/certs"},
		}, {
			name: "link to a missing folder",
			make: func(t *testing.T, root string) { link(t, "v1/certs", root, "certs") },

			folder: "certs",
			want:   []string{".:certs", ".:v1"},
		}, {
			name: "absolute link",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "v1")
				link(t, filepath.Join(root, "v1"), root, "certs")
			},
			folder: "certs",
			want:   []string{".:certs", "v1"},
		}, {
			name:   "link to itself",
			make:   func(t *testing.T, root string) { link(t, "certs", root, "certs") },
			folder: "certs",
			want:   []string{".:certs"},
		}, {
			name: "up from behind a link is up from where it leads",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "far/away")
				write(t, "", root, "far/x.pem")
				link(t, "far/away", root, "near")
				mkdir(t, root, "certs")
				link(t, "../near/../x.pem", root, "certs/x.pem")
			},
			folder: "certs",
			want:   []string{".:near", "certs", "certs:x.pem", "far:x.pem"},
		}, {
			name: "links as certbot makes them",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "certs")
				mkdir(t, root, "letsencrypt/live/ucm1")
				mkdir(t, root, "letsencrypt/archive/ucm1")
				write(t, "", root, "letsencrypt/archive/ucm1/fullchain1.pem")
				link(t, "../../archive/ucm1/fullchain1.pem", root, "letsencrypt/live/ucm1/fullchain.pem")
				link(t, "../letsencrypt/live/ucm1/fullchain.pem", root, "certs/tomcat.pem")
			},
			folder: "certs",
			want: []string{
				"certs", "certs:tomcat.pem", "letsencrypt/archive/ucm1:fullchain1.pem", "letsencrypt/live/ucm1:fullchain.pem",
			},
		}, {
			name: "links as Kubernetes makes them",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "certs/..2024_1")
				write(t, "", root, "certs/..2024_1/tomcat.pem")
				link(t, "..2024_1", root, "certs/..data")
				link(t, "..data/tomcat.pem", root, "certs/tomcat.pem")
			},
			folder: "certs",
			want:   []string{"certs", "certs/..2024_1:tomcat.pem", "certs:..2024_1", "certs:..data", "certs:tomcat.pem"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tempDir(t)
			tt.make(t, root)
			tr := newTracer()
			var got []lookout
			if tt.folder != "" {
				path := filepath.Join(root, tt.folder)
				got = append(tr.folders([]string{path}), tr.targets(path)...)
			} else {
				got = tr.file(filepath.Join(root, tt.file))
			}
			if diff := cmp.Diff(tt.want, brief(root, got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTracerAtTheRoot(t *testing.T) {
	got := newTracer().folders([]string{"/", "/.."})
	want := []lookout{{dir: "/", owner: "/"}, {dir: "/", owner: "/.."}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(lookout{})); diff != "" {
		t.Error(diff)
	}
}

func TestTracerGivesUpOnTooManyLinks(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "end")
	previous := "end"
	for i := range maxLinks + 1 {
		next := strings.Repeat("l", i+1)
		link(t, previous, root, next)
		previous = next
	}
	tr := newTracer()
	if got := tr.follow(filepath.Join(root, previous[1:])); got.kind != folder {
		t.Errorf("%d links are not followed", maxLinks)
	}
	if got := tr.follow(filepath.Join(root, previous)); got.kind != missing {
		t.Errorf("%d links are followed", maxLinks+1)
	}
}
