// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// handle is a regular file of files/ in one state: open, or with its content in
// memory. The zero handle is none.
type handle struct {
	*content
	path string    // below files/
	file *os.File  // nil if all is in memory
	kept *contents // where load keeps the content; nil: nowhere
}

func (h *handle) exists() bool   { return h.content != nil }
func (h *handle) inMemory() bool { return h.exists() && h.data != nil }

func (h *handle) close() {
	if h.file != nil {
		h.file.Close()
		h.file = nil
	}
}

// take makes the answer of h, and the receiver of the answer the one to close.
func (h *handle) take() *File {
	h.load()
	f := InMemory(h.data, time.Unix(0, h.stamp.modified), Plain)
	f.State = h.stamp.stateAt(h.opened)
	if h.file != nil {
		f.Size, f.Content = h.stamp.size, h.file
		h.file = nil
	}
	return f
}

// load reads a small file whole and closes it. One that is written to at the
// same time, or cannot be read, stays open: whoever reads it will find out.
func (h *handle) load() {
	if h.file == nil || h.stamp.size > maxContent {
		return
	}
	data := make([]byte, h.stamp.size)
	if _, err := h.file.ReadAt(data, 0); err != nil || !h.unwritten() {
		return
	}
	h.data = data
	if h.kept != nil && h.stamp.stateAt(h.opened) != (State{}) && h.kept.askedBefore(h.path) && tellsChanges(h.file) {
		h.kept.put(h.path, h.content)
	}
	h.close()
}

// unwritten says whether an open file still is in the state of h.
func (h *handle) unwritten() bool {
	info, err := h.file.Stat()
	return err == nil && stampOf(info) == h.stamp
}

// openIn opens the regular file at path below root. It never waits, not even
// for the writer of a named pipe.
func openIn(root *os.Root, path string) (handle, error) {
	now := time.Now()
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
	return handle{path: path, file: f, content: &content{stamp: stampOf(info), opened: now}}, nil
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
