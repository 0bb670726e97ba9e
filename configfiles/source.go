// SPDX-License-Identifier: Apache-2.0

// Package configfiles says which bytes a requester gets for a name, or why not.
package configfiles

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"
)

// File is an open answer. The receiver closes Content.
type File struct {
	// Size is exact before the first byte is read.
	Size    int64
	ModTime time.Time
	Content io.ReadSeekCloser
	// As is the form that this answer has.
	As Form
}

// Source opens files. Open returns an error that is fs.ErrNotExist for what the
// source does not have, and one that is ErrDenied for what it has but not for
// this requester; any other error is a fault of ours.
type Source interface {
	Open(ctx context.Context, req Request) (*File, error)
}

// ErrDenied is what every *DeniedError is.
var ErrDenied = errors.New("not for this requester")

// DeniedError refuses a file.
type DeniedError struct {
	// Reason is one plain sentence for the device and the log. It names no
	// path and no secret.
	Reason string
}

func (e *DeniedError) Error() string        { return e.Reason }
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }

// NotFoundError is fs.ErrNotExist with a reason for the log alone, such as two
// files that bear the name.
type NotFoundError struct {
	Reason string

	twice bool // two files bear the name
}

func (e *NotFoundError) Error() string        { return e.Reason }
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// Chain asks each source in turn until one has the file.
type Chain []Source

// Open returns the first answer that is not fs.ErrNotExist.
func (c Chain) Open(ctx context.Context, req Request) (*File, error) {
	var missing error = fs.ErrNotExist
	for _, s := range c {
		f, err := s.Open(ctx, req)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		missing = err
	}
	return nil, missing
}
