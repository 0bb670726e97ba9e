// SPDX-License-Identifier: Apache-2.0

// Package configfilestest has small sources to test against, and the test that
// every source passes.
package configfilestest

import (
	"bytes"
	"context"
	"io/fs"
	"strings"
	"time"

	"cfgsrv/configfiles"
)

// Time is the ModTime of the files of Map.
var Time = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Map is a Source of files by the exact name asked for, in whatever form.
type Map map[string]string

// Open returns what m holds under req.Name.Asked.
func (m Map) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	content, ok := m[req.Name.Asked]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return NewFile(content, req.As), nil
}

// Denied is a Source that refuses names, each with its reason.
type Denied map[string]string

// Open refuses req.Name.Asked if d has a reason.
func (d Denied) Open(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
	if reason, ok := d[req.Name.Asked]; ok {
		return nil, &configfiles.DeniedError{Reason: reason}
	}
	return nil, fs.ErrNotExist
}

// NewFile is an open file with that content.
func NewFile(content string, as configfiles.Form) *configfiles.File {
	return &configfiles.File{
		Size:    int64(len(content)),
		ModTime: Time,
		Content: closer{bytes.NewReader([]byte(content))},
		As:      as,
	}
}

// Request asks for a name as a client without certificate does over TFTP. It
// panics if no file may have the name.
func Request(name string) configfiles.Request {
	n, err := configfiles.ParseName(name)
	if err != nil {
		panic("configfilestest: " + strings.ToValidUTF8(name, "?") + ": " + err.Error())
	}
	return configfiles.Request{Name: n}
}

type closer struct{ *bytes.Reader }

func (closer) Close() error { return nil }
