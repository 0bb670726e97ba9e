// SPDX-License-Identifier: Apache-2.0

// Package configfiles says which bytes a requester gets for a name, or why not.
package configfiles

import (
	"bytes"
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
	// Data is all of the content where it is in memory, else nil. Others use the
	// same bytes: nobody may modify them. They stay when Content is closed.
	Data []byte
	// State is the one on disk that has this content; of a file that is not in
	// memory the one it was opened in.
	State State
	// As is the form that this answer has.
	As Form
}

// InMemory is a file that needs no closing. Data must not be modified any more.
func InMemory(data []byte, modified time.Time, as Form) *File {
	return &File{Size: int64(len(data)), ModTime: modified, Content: inMemory{bytes.NewReader(data)}, Data: data, As: as}
}

// inMemory is bytes as a file's content.
type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }

// Unchanged says whether an open file still has the size and the time of
// modification that it was opened with. Being renamed or replaced by another is
// no change.
func (f *File) Unchanged() bool {
	open, ok := f.Content.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return true
	}
	info, err := open.Stat()
	return err != nil || info.Size() == f.Size && info.ModTime().Equal(f.ModTime)
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
