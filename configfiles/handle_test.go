// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestOpenError(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause error
		fault bool
	}{
		{"missing", syscall.ENOENT, false},
		{"file as a folder", syscall.ENOTDIR, false},
		{"links in a circle", syscall.ELOOP, false},
		{"name too long", syscall.ENAMETOOLONG, false},
		{"socket", syscall.ENXIO, false},
		{"out of the root", errors.New("path escapes from parent"), false},
		{"not permitted", syscall.EACCES, true},
		{"no descriptors left", syscall.EMFILE, true},
		{"broken disk", syscall.EIO, true},
		{"closed", os.ErrClosed, true},
	} {
		err := openError("a/b", &fs.PathError{Op: "openat", Path: "a/b", Err: c.cause})
		if errors.Is(err, fs.ErrNotExist) == c.fault {
			t.Errorf("%s: %v, want a fault: %v", c.name, err, c.fault)
		}
		if c.fault && !errors.Is(err, c.cause) {
			t.Errorf("%s: %v does not wrap %v", c.name, err, c.cause)
		}
	}
}
