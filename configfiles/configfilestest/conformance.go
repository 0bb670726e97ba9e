// SPDX-License-Identifier: Apache-2.0

package configfilestest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"
	"testing"

	"cfgsrv/configfiles"
)

// Want is a request and the content that it is to get.
type Want struct {
	Request configfiles.Request
	Content string
	As      configfiles.Form
}

// TestSource tests what every Source promises: answers are whole, have their
// size, can be sought in and read side by side; missing is fs.ErrNotExist; an
// answer and an error never come together. The source must not have the file
// that missing asks for.
func TestSource(t *testing.T, s configfiles.Source, missing configfiles.Request, wants ...Want) {
	t.Helper()
	for _, w := range wants {
		t.Run(w.Request.Name.Asked, func(t *testing.T) { w.test(t, s) })
	}
	t.Run("missing", func(t *testing.T) {
		f, err := s.Open(t.Context(), missing)
		if f != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q) = %v, %v, want nil and fs.ErrNotExist", missing.Name.Asked, f, err)
		}
	})
	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, w := range wants {
			f, err := s.Open(ctx, w.Request)
			if (f == nil) == (err == nil) {
				t.Errorf("Open(%q) = %v, %v, want one of them", w.Request.Name.Asked, f, err)
			}
			if f != nil {
				f.Content.Close()
			}
		}
	})
}

func (w Want) test(t *testing.T, s configfiles.Source) {
	first, second := w.open(t, s), w.open(t, s)
	if first == nil || second == nil {
		return
	}
	var group sync.WaitGroup
	for _, f := range []*configfiles.File{first, second} {
		group.Go(func() { w.read(t, f) })
	}
	group.Wait()
}

func (w Want) open(t *testing.T, s configfiles.Source) *configfiles.File {
	f, err := s.Open(t.Context(), w.Request)
	if err != nil || f == nil {
		t.Errorf("Open(%q) = %v, %v", w.Request.Name.Asked, f, err)
		return nil
	}
	if f.Size != int64(len(w.Content)) {
		t.Errorf("Size = %d, want %d", f.Size, len(w.Content))
	}
	if f.As != w.As {
		t.Errorf("As = %v, want %v", f.As, w.As)
	}
	return f
}

// read reads f from its beginning, from its middle and from its end.
func (w Want) read(t *testing.T, f *configfiles.File) {
	for _, offset := range []int64{-1, f.Size / 2, f.Size, 0} {
		if offset < 0 {
			offset = 0 // as it was opened
		} else if got, err := f.Content.Seek(offset, io.SeekStart); err != nil || got != offset {
			t.Errorf("Seek(%d) = %d, %v", offset, got, err)
		}
		got, err := io.ReadAll(f.Content)
		if err != nil || string(got) != w.Content[offset:] {
			t.Errorf("reading from %d = %q, %v, want %q", offset, got, err, w.Content[offset:])
		}
	}
	if got, err := f.Content.Seek(0, io.SeekEnd); err != nil || got != f.Size {
		t.Errorf("Seek to the end = %d, %v, want %d", got, err, f.Size)
	}
	if err := f.Content.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
