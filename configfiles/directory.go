// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
)

// Directory is files/: plain files in any sub-folders, read only. It is a
// Source of what lies there, which asks nobody who may have it; Guard does.
//
// A name is looked up exactly, then without regard to case, then, if it has no
// folder, as the base name of exactly one file anywhere below. The first is
// answered by the disk. The others are answered by an index that is compared
// with the disk before each answer (up to 64 folders; more of them once in a
// second and when Changed was called). The index does not know names that
// begin with a dot, in files and folders, nor links out of the folder.
type Directory struct {
	path    string
	log     *slog.Logger
	tree    atomic.Pointer[tree]
	opening sync.Mutex
	wishes  wishes
}

// OpenDirectory opens the folder at path. The log tells of master files that
// cannot be read; nil discards it.
func OpenDirectory(path string, log *slog.Logger) (*Directory, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t, err := openTree(path)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of files: %w", err)
	}
	d := &Directory{path: path, log: log}
	d.tree.Store(t)
	return d, nil
}

// Close ends the use of the folder. Files that are open stay so.
func (d *Directory) Close() error { return d.tree.Load().root.Close() }

// Open opens the file at req.Path, or where that is empty the one that bears
// the name asked for. It has nothing in any form but Plain.
func (d *Directory) Open(ctx context.Context, req Request) (*File, error) {
	if req.As != Plain {
		return nil, fs.ErrNotExist
	}
	v := d.view()
	if h, ok := v.recall(cmp.Or(req.Path, req.Name.Asked)); ok {
		return h.take(), nil
	}
	err := v.settle()
	if err != nil {
		return nil, err
	}
	var h handle
	if req.Path != "" {
		h, err = v.tree.open(req.Path)
	} else {
		h, err = v.open(ctx, req.Name.Asked)
	}
	if err != nil {
		return nil, err
	}
	return h.take(), nil
}

// Changed says that something below the folder may have changed. It does no
// work and may be called at any rate.
func (d *Directory) Changed() { d.tree.Load().told.Store(true) }

// Refresh brings the index up to date, so that no request has to wait for it.
func (d *Directory) Refresh(ctx context.Context) error {
	d.Changed()
	_, _, err := d.index(ctx)
	return err
}

// Folders returns the folders to be watched for changes: the paths of the root
// and of all folders that the index knows.
func (d *Directory) Folders(ctx context.Context) ([]string, error) {
	t, x, err := d.index(ctx)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(x.folders))
	for i, f := range x.folders {
		paths[i] = t.onDisk(f)
	}
	return paths, nil
}

// Files yields the paths below the folder of all files that the index knows.
func (d *Directory) Files(ctx context.Context) (iter.Seq[string], error) {
	_, x, err := d.index(ctx)
	if err != nil {
		return nil, err
	}
	return x.paths(), nil
}

func (d *Directory) index(ctx context.Context) (*tree, *index, error) {
	v := d.view()
	if err := v.settle(); err != nil {
		return nil, nil, err
	}
	x, err := v.tree.upToDate(ctx, v.root)
	return v.tree, x, err
}

func (d *Directory) view() view { return view{directory: d, tree: d.tree.Load()} }

func (d *Directory) reopen(at place) (*tree, error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if t := d.tree.Load(); at == t.place {
		return t, nil
	}
	t, err := openTree(d.path)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of files anew: %w", err)
	}
	// Requests may still use the old root; its finalizer closes it.
	d.tree.Store(t)
	return t, nil
}
