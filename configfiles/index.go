// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"iter"
	"strings"
	"sync/atomic"
	"time"
)

// index holds the names of all files below files/ and finds them without
// regard to case. It never changes; the next one shares its folders. It is a
// hint: what it names may be gone or may lead out of the root.
//
// With 100,000 files every byte counts: a file costs its name and 21 bytes.
type index struct {
	folders []*folder
	entries []entry
	heads   []uint32 // by hash: 1 + the first entry; a power of two of them
	checked atomic.Int64
	torn    bool // folders changed while they were listed; a file may be missing
}

// entry is one file. The entries of one hash are a list.
type entry struct {
	folder, file uint32
	next         uint32 // 1 + the next entry, 0 at the end
}

func newIndex(folders []*folder) *index {
	n := 0
	for _, f := range folders {
		n += f.files.len()
	}
	size := 1
	for size < n {
		size *= 2
	}
	x := &index{folders: folders, entries: make([]entry, 0, n), heads: make([]uint32, size)}
	for i, f := range folders {
		for j := range f.files.len() {
			head := x.head(f.files.at(j))
			x.entries = append(x.entries, entry{uint32(i), uint32(j), *head})
			*head = uint32(len(x.entries))
		}
	}
	x.checked.Store(time.Now().UnixNano())
	return x
}

func (x *index) head(name string) *uint32 {
	return &x.heads[hashFold(name)&uint32(len(x.heads)-1)]
}

func (x *index) name(e entry) string { return x.folders[e.folder].files.at(int(e.file)) }

func (x *index) path(e entry) string { return join(x.folders[e.folder].path, x.name(e)) }

// named yields the paths of the files whose base name is name, in any case.
func (x *index) named(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := *x.head(name); i != 0; i = x.entries[i-1].next {
			if e := x.entries[i-1]; equalFold(x.name(e), name) && !yield(x.path(e)) {
				return
			}
		}
	}
}

func (x *index) has(name string) bool {
	for range x.named(name) {
		return true
	}
	return false
}

// complete says whether the root folder held no other names that requests can
// see when the index was compared with the disk.
func (x *index) complete() bool {
	return !x.torn && len(x.folders) <= maxCompared && x.folders[0].telling
}

// spelled yields the paths that are path, in any case.
func (x *index) spelled(path string) iter.Seq[string] {
	dir := strings.TrimSuffix(path[:strings.LastIndexByte(path, '/')+1], "/")
	name := lastElement(path)
	return func(yield func(string) bool) {
		for i := *x.head(name); i != 0; i = x.entries[i-1].next {
			e := x.entries[i-1]
			if equalFold(x.folders[e.folder].path, dir) && equalFold(x.name(e), name) && !yield(x.path(e)) {
				return
			}
		}
	}
}

// paths yields every file there is.
func (x *index) paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, e := range x.entries {
			if !yield(x.path(e)) {
				return
			}
		}
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
