// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxCompared is up to how many folders are compared with the disk before
	// each answer that follows from the index alone. More of them are compared
	// once in comparePause, or when changed was called.
	maxCompared  = 64
	comparePause = time.Second

	// maxScans is how often in a row the folders are listed while they change.
	maxScans = 3

	// maxFolderDepth bounds how deep files are looked for. Deeper ones are
	// found by their exact name.
	maxFolderDepth = 32
)

// tree is one root folder, and the index of it.
type tree struct {
	path  string
	root  *os.Root
	place place

	// contents are the tree's own: under another root the same path is another
	// file.
	contents *contents

	scanning sync.Mutex
	index    atomic.Pointer[index]
	told     atomic.Bool // something has changed since the last scan began
}

func openTree(path string) (*tree, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	return &tree{path: path, root: root, place: stampOf(info).place(), contents: newContents()}, nil
}

// open opens the regular file at path. A content that is kept costs one system
// call: the stamp that the file has now must be the one it was read under. It
// holds everything that decides who may read the file but for its folders'
// permissions, and those are asked for on the way.
func (t *tree) open(path string) (handle, error) {
	if c, ok := t.contents.get(path); ok {
		if info, err := t.root.Stat(path); err == nil && stampOf(info) == c.stamp {
			return handle{path: path, content: c}, nil
		}
		t.contents.drop(path, c.stamp)
	}
	h, err := openIn(t.root, path)
	h.kept = t.contents
	return h, err
}

// upToDate returns an index that holds every change made before the call, or
// before the root folder had the stamp root, if that is not zero.
func (t *tree) upToDate(ctx context.Context, root stamp) (*index, error) {
	before := t.index.Load()
	if before != nil && t.holds(before, root) {
		return before, nil
	}
	t.scanning.Lock()
	defer t.scanning.Unlock()
	if x := t.index.Load(); x != before && t.holds(x, stamp{}) {
		return x, nil
	}
	t.told.Store(false)
	x, err := t.scan(ctx, t.index.Load())
	if err != nil {
		t.told.Store(true)
		return nil, err
	}
	t.index.Store(x)
	return x, nil
}

// scan makes the index that follows last, which may be last itself.
func (t *tree) scan(ctx context.Context, last *index) (*index, error) {
	for tries := 1; ; tries++ {
		x, err := t.scanOnce(ctx, last)
		if err != nil {
			return nil, fmt.Errorf("listing the folder of files: %w", err)
		}
		if x == last {
			return x, nil
		}
		if x.torn = t.moved(x); !x.torn || tries == maxScans {
			return x, nil
		}
		last = x
	}
}

// moved says whether a folder has changed since it was listed: a file that was
// moved from a folder not yet listed to one that already was is in neither.
func (t *tree) moved(x *index) bool {
	return slices.ContainsFunc(x.folders, func(f *folder) bool {
		s, err := stampAt(t.onDisk(f))
		return err != nil || s != f.stamp
	})
}

// holds says whether x is still what the disk holds, as far as that is looked
// into (maxCompared).
func (t *tree) holds(x *index, root stamp) bool {
	if x.torn || t.told.Load() {
		return false
	}
	if len(x.folders) > maxCompared {
		return time.Now().UnixNano()-x.checked.Load() < int64(comparePause)
	}
	for _, f := range x.folders {
		if f.path == "" && root != (stamp{}) {
			if !f.settled || root != f.stamp {
				return false
			}
		} else if !t.unchanged(f) {
			return false
		}
	}
	return true
}

// unchanged costs one system call. That it follows links anywhere does no
// harm: whatever they lead to, it is the same as before or another.
func (t *tree) unchanged(f *folder) bool {
	if !f.settled {
		return false
	}
	s, err := stampAt(t.onDisk(f))
	return err == nil && s == f.stamp
}

func (t *tree) onDisk(f *folder) string {
	if f.path == "" {
		return t.path
	}
	return t.path + "/" + f.path
}

// scanOnce goes over all folders. Those that have not changed since last are not
// read again.
func (t *tree) scanOnce(ctx context.Context, last *index) (*index, error) {
	s := scan{tree: t, last: map[string]*folder{}, seen: map[place]bool{}, buffer: make([]byte, 32<<10)}
	if last != nil {
		for _, f := range last.folders {
			s.last[f.path] = f
		}
	}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	if last != nil && !last.torn && s.fresh == 0 && len(s.folders) == len(last.folders) {
		last.checked.Store(time.Now().UnixNano())
		return last, nil
	}
	return newIndex(s.folders), nil
}
