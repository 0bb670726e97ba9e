// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// strayLinks tells the links in files/ that are not served because they lead
// out of it or nowhere. Nothing else does: the index leaves them out, as it
// leaves out names that begin with a dot.
func strayLinks(ctx context.Context, files string) []error {
	files, err := filepath.EvalSymlinks(files)
	if err != nil {
		return nil // opening the folder tells it
	}
	root, err := os.OpenRoot(files)
	if err != nil {
		return nil
	}
	defer root.Close()
	var all []error
	_ = filepath.WalkDir(files, func(path string, e fs.DirEntry, err error) error {
		hidden := path != files && strings.HasPrefix(filepath.Base(path), ".")
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // a folder that cannot be listed, which Directory.Faults tells
			return nil
		case hidden && e.IsDir():
			return fs.SkipDir
		case hidden || e.Type()&fs.ModeSymlink == 0:
			return nil
		}
		if err := checkLink(root, path); err != nil {
			all = append(all, err)
		}
		return nil
	})
	return all
}

// checkLink says why a link below root is not served.
func checkLink(root *os.Root, path string) error {
	name, err := filepath.Rel(root.Name(), path)
	if err != nil {
		return err
	}
	if _, err = root.Stat(name); err == nil {
		return nil
	}
	target, err := os.Readlink(path)
	if err != nil {
		return nil // it is gone
	}
	_, err = os.Stat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%s is a link to %s and not served: links must lead, by a relative path, to what is in files/ too; "+
			"put a copy here instead", name, target)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is a link to %s, where nothing is; put the file back, or remove the link", name, target)
	}
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s is a link to %s that cannot be followed: %w", name, target, err)
}
