// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

// startWatch watches root and all folders below it until the end of the test.
// Each call waits until the test receives its folder, relative to root.
func startWatch(t *testing.T, root string, period time.Duration) <-chan string {
	t.Helper()
	calls := make(chan string)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch(ctx, WatchConfig{
			Folders: func() []string { return folders(root) },
			Changed: func(folder string) {
				if folder != "" {
					folder, _ = filepath.Rel(root, folder)
				}
				select {
				case calls <- folder:
				case <-ctx.Done():
				}
			},
			Every: period,
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return calls
}

// folders lists root, which need not exist, and the folders below it.
func folders(root string) []string {
	all := []string{root}
	_ = filepath.WalkDir(root+"/", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && filepath.Clean(path) != root {
			all = append(all, path)
		}
		return nil // what has gone meanwhile is none
	})
	return all
}

func awaitCall(t *testing.T, calls <-chan string, want string) {
	t.Helper()
	for receive(t, calls) != want {
	}
}

func TestWatchTellsOfFolders(t *testing.T) {
	outside := tempDir(t)
	for _, tt := range []struct {
		name string
		make func(t *testing.T, root string)
		do   func(t *testing.T, root string)
		want string
	}{
		{"file made", nil, func(t *testing.T, root string) { write(t, "", root, "a/x") }, "a"},
		{"file in the root", nil, func(t *testing.T, root string) { write(t, "", root, "x") }, "."},
		{
			"file removed", func(t *testing.T, root string) { write(t, "", root, "a/x") },
			func(t *testing.T, root string) { remove(t, root, "a/x") }, "a",
		}, {
			"file renamed", func(t *testing.T, root string) { write(t, "", root, "a/x") },
			func(t *testing.T, root string) { rename(t, filepath.Join(root, "a/x"), filepath.Join(root, "a/y")) }, "a",
		}, {
			"file moved in", nil, func(t *testing.T, root string) {
				write(t, "", outside, "x")
				rename(t, filepath.Join(outside, "x"), filepath.Join(root, "a/x"))
			}, "a",
		}, {
			"link made", nil, func(t *testing.T, root string) { link(t, "nowhere", root, "a/x") }, "a",
		}, {
			"permissions", func(t *testing.T, root string) { write(t, "", root, "a/x") },
			func(t *testing.T, root string) {
				if err := os.Chmod(filepath.Join(root, "a/x"), 0); err != nil {
					t.Error(err)
				}
			}, "a",
		},
		{"new folder", nil, func(t *testing.T, root string) { mkdir(t, root, "a/b") }, "a"},
		{"within a new folder", nil, func(t *testing.T, root string) { mkdir(t, root, "a/b/c") }, "a/b/c"},
		{"folder removed", nil, func(t *testing.T, root string) { remove(t, root, "a") }, "."},
		{"root removed", nil, func(t *testing.T, root string) { remove(t, root) }, "."},
		{
			"root made", func(t *testing.T, root string) { remove(t, root) },
			func(t *testing.T, root string) { mkdir(t, root) }, ".",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := filepath.Join(tempDir(t), "files")
			mkdir(t, root, "a")
			if tt.make != nil {
				tt.make(t, root)
			}
			calls := startWatch(t, root, never)
			if got := receive(t, calls); got != "" {
				t.Errorf("the first call is for %q, want all", got)
			}
			tt.do(t, root)
			awaitCall(t, calls, tt.want)
		})
	}
}

func TestWatchFollowsFoldersThatMove(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "a/b")
	calls := startWatch(t, root, never)
	receive(t, calls)
	rename(t, filepath.Join(root, "a"), filepath.Join(root, "z"))
	awaitCall(t, calls, "z/b")
	mkdir(t, root, "a/b")
	awaitCall(t, calls, "a/b")
	for _, dir := range []string{"a/b", "z/b", "a", "z"} {
		write(t, "", root, dir, "x")
		awaitCall(t, calls, dir)
	}
}

func TestWatchFollowsALinkThatMoves(t *testing.T) {
	dir := tempDir(t)
	mkdir(t, dir, "v1")
	mkdir(t, dir, "v2")
	link(t, "v1", dir, "files")
	root := filepath.Join(dir, "files")
	calls := startWatch(t, root, never)
	receive(t, calls)
	link(t, "v2", dir, "new")
	rename(t, filepath.Join(dir, "new"), root)
	awaitCall(t, calls, ".")
	write(t, "", dir, "v2/x")
	awaitCall(t, calls, ".")
}

func TestWatchTellsOncePerFolder(t *testing.T) {
	root := tempDir(t)
	for _, dir := range []string{"a", "b", "last"} {
		mkdir(t, root, dir)
	}
	var calls []string
	tell := teller{
		cfg: WatchConfig{
			Folders: func() []string { return folders(root) },
			Changed: func(folder string) { calls = append(calls, filepath.Base(folder)) },
		},
		sight:  newSight(t, allOps, slog.New(slog.DiscardHandler)),
		tracer: newTracer(),
	}
	tell.follow()
	for i := range 100 {
		write(t, "", root, "a", fmt.Sprint(i))
		write(t, "", root, "b", fmt.Sprint(i))
	}
	write(t, "", root, "last/x")
	awaitSeen(t, tell.sight, filepath.Join(root, "last"))
	tell.tell(t.Context(), tell.sight.take())
	if diff := cmp.Diff([]string{"a", "b", "last"}, calls); diff != "" {
		t.Error(diff)
	}
}

// awaitSeen waits until s has seen something on account of owner, and takes
// nothing.
func awaitSeen(t *testing.T, s *sight, owner string) {
	t.Helper()
	for seen := false; !seen; {
		receive(t, s.woken)
		s.mu.Lock()
		seen = s.seen.owners[owner]
		s.mu.Unlock()
	}
}

func TestWatchIgnoresWrites(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "a")
	write(t, "", root, "a/x")
	calls := startWatch(t, root, never)
	receive(t, calls)
	write(t, "more", root, "a/x")
	write(t, "", root, "y")
	if got := receive(t, calls); got != "." {
		t.Errorf("a call for %q, want the one for the file made later", got)
	}
}

func TestWatchDoubtsAtTimes(t *testing.T) {
	calls := startWatch(t, tempDir(t), time.Millisecond)
	for range 3 {
		if got := receive(t, calls); got != "" {
			t.Errorf("a call for %q, want all", got)
		}
	}
}

// TestWatchAfterLostEvents loses those that tell of a new folder.
func TestWatchAfterLostEvents(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "new")
	var calls []string
	known := []string{root}
	cfg := WatchConfig{
		Folders: func() []string { return known },
		Changed: func(folder string) {
			calls = append(calls, folder)
			known = folders(root)
		},
	}
	s := newSight(t, allOps, slog.New(slog.DiscardHandler))
	tell := teller{cfg: cfg, sight: s, tracer: newTracer()}
	tell.follow()
	s.lose(fsnotify.ErrEventOverflow)
	tell.tell(t.Context(), s.take())
	want := []string{"", filepath.Join(root, "new")}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Error(diff)
	}
}
