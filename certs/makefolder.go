// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder makes a folder and those above it that are missing. If root makes
// them, they belong to the owner of the folder that was there.
func makeFolder(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeFolder(parent, mode); err != nil {
			return err
		}
	}
	err := os.Mkdir(path, mode)
	if errors.Is(err, fs.ErrExist) { // by somebody else meanwhile, or it is no folder
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("making the folder %s: %w", path, explained(parent, err))
	}
	return giveFolderToOwnerOf(parent, path)
}

func giveFolderToOwnerOf(parent, path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(giveToOwnerOf(parent, d), d.Close())
}
