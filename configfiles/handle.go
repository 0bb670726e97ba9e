// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// handle is an open regular file of files/. The zero handle is none.
type handle struct {
	path string // below files/
	file *os.File
	info fs.FileInfo
}

func (h *handle) close() {
	if h.file != nil {
		h.file.Close()
		h.file = nil
	}
}

// take makes the answer of h, and the receiver of the answer the one to close.
func (h *handle) take() *File {
	f := &File{Size: h.info.Size(), ModTime: h.info.ModTime(), Content: h.file, As: Plain}
	h.file = nil
	return f
}

// openIn opens the regular file at path below root. It never waits, not even
// for the writer of a named pipe.
func openIn(root *os.Root, path string) (handle, error) {
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return handle{}, openError(path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return handle{}, fmt.Errorf("opening %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return handle{}, &NotFoundError{Reason: path + " is not a regular file"}
	}
	return handle{path, f, info}, nil
}

// openError sorts out what is "not found" to everybody and what is a fault.
func openError(path string, err error) error {
	var cause syscall.Errno
	if !errors.As(err, &cause) {
		if errors.Is(err, os.ErrClosed) {
			return err
		}
		// os.Root's own refusal; it has no name to ask for.
		return &NotFoundError{Reason: path + " leads out of the folder"}
	}
	switch cause {
	case syscall.ENOENT, syscall.ENOTDIR:
		return fs.ErrNotExist
	case syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.ENXIO:
		return &NotFoundError{Reason: path + " cannot be opened: " + cause.Error()}
	}
	return fmt.Errorf("opening %s: %w", path, cause)
}
