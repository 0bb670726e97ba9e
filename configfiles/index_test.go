// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cfgsrv/configfiles"
)

// TestIndex changes a folder at random and compares each lookup with what a
// walk over the disk finds.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		parent, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		w := &world{dir: filepath.Join(parent, "files")}
		if err := os.Mkdir(w.dir, 0o700); err != nil {
			r.Fatal(err)
		}
		d, err := configfiles.OpenDirectory(w.dir, nil)
		if err != nil {
			r.Fatal(err)
		}
		defer d.Close()
		r.Repeat(map[string]func(*rapid.T){
			"":       func(r *rapid.T) { w.compare(t, r, d) },
			"write":  w.write,
			"link":   w.link,
			"remove": w.remove,
			"move":   w.move,
		})
	})
}

var (
	baseNames = rapid.SampledFrom([]string{"x", "X", "y.xml", "Y.xml", ".h"})
	dirNames  = rapid.SampledFrom([]string{"", "d", "D", "d/e", "d/E/f", ".d"})
)

// world is a folder that changes; every file written has its own content.
type world struct {
	dir     string
	written int
}

func (w *world) path(r *rapid.T, what string) string {
	return filepath.Join(w.dir, dirNames.Draw(r, what+" dir"), baseNames.Draw(r, what))
}

func (w *world) write(r *rapid.T) {
	path := w.path(r, "file")
	w.written++
	// Where the path is taken by a folder or a dangling link, nothing happens.
	os.MkdirAll(filepath.Dir(path), 0o700)
	os.WriteFile(path, []byte(strconv.Itoa(w.written)), 0o600)
}

func (w *world) link(r *rapid.T) {
	path := w.path(r, "link")
	target, err := filepath.Rel(filepath.Dir(path), w.path(r, "target"))
	if err != nil {
		r.Fatal(err)
	}
	os.MkdirAll(filepath.Dir(path), 0o700)
	os.Symlink(target, path)
}

func (w *world) remove(r *rapid.T) {
	if path := w.path(r, "removed"); rapid.Bool().Draw(r, "folder") && filepath.Dir(path) != w.dir {
		os.RemoveAll(filepath.Dir(path))
	} else {
		os.Remove(path)
	}
}

func (w *world) move(r *rapid.T) {
	from, to := w.path(r, "from"), w.path(r, "to")
	if rapid.Bool().Draw(r, "folder") {
		from, to = filepath.Dir(from), filepath.Dir(to)
	}
	if from != w.dir && to != w.dir {
		os.Rename(from, to)
	}
}

func (w *world) compare(t *testing.T, r *rapid.T, d *configfiles.Directory) {
	name := filepath.Join(dirNames.Draw(r, "asked dir"), baseNames.Draw(r, "asked"))
	want := w.find(r, name)
	if got := ask(t, d, name, overTFTP); got != want {
		r.Fatalf("%s: got %q, want %q", name, got, want)
	}
}

// find is the rules of lookup in plain words.
func (w *world) find(r *rapid.T, name string) string {
	if content, ok := w.read(filepath.Join(w.dir, name)); ok {
		return content
	}
	spelled, named := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == w.dir {
			return err
		}
		if strings.HasPrefix(e.Name(), ".") {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		content, ok := w.read(path)
		if !ok {
			return nil
		}
		below, err := filepath.Rel(w.dir, path)
		if strings.EqualFold(below, name) {
			spelled[content] = true
		}
		if strings.EqualFold(e.Name(), name) {
			named[content] = true
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	for _, bearers := range []map[string]bool{spelled, named} {
		if len(bearers) > 1 {
			return "not found"
		}
		for content := range bearers {
			return content
		}
	}
	return "not found"
}

// read does not read what a link leads to outside.
func (w *world) read(path string) (content string, ok bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil || !strings.HasPrefix(real, w.dir+"/") {
		return "", false
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	b, err := os.ReadFile(real)
	return string(b), err == nil
}
