// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// scan is one pass over the folders of a tree. A folder is taken once, under
// its real path before any link to it, so links neither loop nor give files a
// second name.
type scan struct {
	tree    *tree
	last    map[string]*folder
	seen    map[place]bool
	folders []*folder
	fresh   int      // how many folders were read, not taken from last
	todo    []string // real folders
	unsure  []string // links that may lead to folders
	buffer  []byte
}

func (s *scan) run(ctx context.Context) error {
	s.todo = []string{""}
	for len(s.todo)+len(s.unsure) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.todo) == 0 {
			s.follow()
			continue
		}
		path := s.todo[0]
		s.todo = s.todo[1:]
		f := s.folder(path)
		if path == "" && f.err != nil {
			return f.err
		}
		s.add(f)
	}
	return nil
}

// follow takes up the next link if it leads to a folder inside the root.
func (s *scan) follow() {
	path := s.unsure[0]
	s.unsure = s.unsure[1:]
	if info, err := s.tree.root.Stat(path); err == nil && info.IsDir() && !s.seen[stampOf(info).place()] {
		s.todo = append(s.todo, path)
	}
}

func (s *scan) add(f *folder) {
	if f.err != nil && errors.Is(f.err, fs.ErrNotExist) || s.seen[f.stamp.place()] {
		return
	}
	s.seen[f.stamp.place()] = true
	s.folders = append(s.folders, f)
	if strings.Count(f.path, "/") >= maxFolderDepth {
		return
	}
	for _, name := range f.folders {
		s.todo = append(s.todo, join(f.path, name))
	}
	for _, name := range f.unsure {
		s.unsure = append(s.unsure, join(f.path, name))
	}
}

func (s *scan) folder(path string) *folder {
	if f := s.last[path]; f != nil && s.tree.unchanged(f) {
		return f
	}
	s.fresh++
	return listFolder(s.tree.root, path, s.buffer)
}
