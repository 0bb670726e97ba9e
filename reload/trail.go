// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// lookout is a folder to keep an eye on.
type lookout struct {
	dir  string // no part of it is a link
	name string // the entry in dir that matters; empty if all do
	// owner is the folder or file, as the caller named it, on whose account dir
	// matters.
	owner string
}

// trail is the way that a path leads, through whatever links are on it.
type trail struct {
	passed []string // the links on the way, and where it breaks off
	end    string   // no part of it is a link
	kind   kind     // of end
}

type kind uint8

const (
	missing kind = iota // also a loop of links, and what may not be looked at
	file
	folder
)

// maxLinks is where Linux, too, gives a path up as a loop (path_resolution(7)).
const maxLinks = 40

// tracer follows paths, and remembers where they led.
type tracer struct{ known map[string]trail }

func newTracer() *tracer { return &tracer{known: make(map[string]trail)} }

// follow returns the trail of a clean path.
func (t *tracer) follow(path string) trail {
	tr, ok := t.known[path]
	if ok {
		return tr
	}
	if parent := filepath.Dir(path); parent == path {
		tr = trail{end: path, kind: folder}
	} else {
		tr = t.follow(parent).step(filepath.Base(path))
	}
	t.known[path] = tr
	return tr
}

// step goes on to the entry name of the folder at the end, and if that is a
// link, to where it leads.
func (tr trail) step(name string) trail {
	switch {
	case tr.kind == missing, name == ".", name == "":
		return tr
	case tr.kind == file:
		return tr.breakOff(tr.end)
	case name == "..":
		tr.end = filepath.Dir(tr.end)
		return tr
	}
	path := filepath.Join(tr.end, name)
	info, err := os.Lstat(path)
	if err != nil {
		return tr.breakOff(path)
	}
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		return tr.through(path)
	case fs.ModeDir:
		tr.kind = folder
	default:
		tr.kind = file
	}
	tr.end = path
	return tr
}

// through goes on through a link in the folder at the end.
func (tr trail) through(link string) trail {
	target, err := os.Readlink(link)
	if err != nil || len(tr.passed) == maxLinks {
		return tr.breakOff(link)
	}
	tr.passed = append(slices.Clip(tr.passed), link)
	if filepath.IsAbs(target) {
		tr.end = "/"
	}
	for name := range strings.SplitSeq(target, "/") {
		tr = tr.step(name)
	}
	return tr
}

func (tr trail) breakOff(path string) trail {
	tr.passed = append(slices.Clip(tr.passed), path)
	tr.kind = missing
	return tr
}

// folders lists what to keep an eye on to notice every change in the folders at
// the paths, and of the way there. If one does not exist, that is the nearest
// folder in which its way would go on.
func (t *tracer) folders(paths []string) []lookout {
	all := make([]lookout, 0, len(paths))
	for _, path := range paths {
		tr := t.follow(filepath.Clean(path))
		if tr.kind != folder {
			all = append(all, t.file(path)...)
			continue
		}
		all = append(all, tr.lookouts(path)...)
		all = append(all, lookout{dir: tr.end, owner: path})
	}
	return all
}

// file is like folders, for the file at path.
func (t *tracer) file(path string) []lookout {
	tr := t.follow(filepath.Clean(path))
	if tr.kind == missing {
		return tr.lookouts(path)
	}
	return append(tr.lookouts(path), entry(tr.end, path))
}

// targets lists what to keep an eye on to notice every change in what links in
// the folder at path lead to.
func (t *tracer) targets(path string) []lookout {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil // to notice the end of that is for folders
	}
	var all []lookout
	for _, e := range entries {
		if e.Type() == fs.ModeSymlink {
			all = append(all, t.file(filepath.Join(path, e.Name()))...)
		}
	}
	return all
}

func (tr trail) lookouts(owner string) []lookout {
	all := make([]lookout, 0, len(tr.passed)+1)
	for _, path := range tr.passed {
		all = append(all, entry(path, owner))
	}
	return all
}

// entry is the lookout for one entry of a folder.
func entry(path, owner string) lookout {
	return lookout{filepath.Dir(path), filepath.Base(path), owner}
}
