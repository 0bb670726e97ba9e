// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"fmt"
	"io"

	"cfgsrv/configfiles"
)

const (
	// smallFile is the size in bytes up to which files are read whole, so that a
	// slow client holds no descriptor of theirs.
	smallFile = 64 << 10
	// readAhead is how much is kept of a larger one: a window that is not
	// acknowledged, and as much again.
	readAhead = 2 * maxWindowBytes
)

// stream is a file's bytes on their way out: exactly as many as its size says.
// It keeps those that may have to be sent again.
type stream struct {
	content io.ReadCloser // nil when all is read
	size    int64
	offset  int64  // of what is kept
	kept    []byte // not ours, never written to, if content was never there
}

// contentError is why a file could not be read to its end.
type contentError struct {
	left int64 // bytes
	err  error
}

func (e *contentError) Unwrap() error { return e.err }
func (e *contentError) Error() string {
	return fmt.Sprintf("reading the file, %d bytes before its end: %v", e.left, e.err)
}

// newStream takes over f's Content, also when it fails.
func newStream(f *configfiles.File) (stream, error) {
	if f.Data != nil {
		return stream{size: int64(len(f.Data)), kept: f.Data}, f.Content.Close()
	}
	s := stream{content: f.Content, size: f.Size}
	s.kept = make([]byte, 0, min(f.Size, smallFile))
	if f.Size > smallFile {
		s.kept = make([]byte, 0, readAhead)
	}
	err := s.read(0)
	if err != nil {
		s.close()
	}
	return s, err
}

// holds says whether the bytes before end are there, up to the file's own.
func (s *stream) holds(end int64) bool {
	return min(end, s.size) <= s.offset+int64(len(s.kept))
}

// slice is the bytes of the file from begin to end, which must be kept.
func (s *stream) slice(begin, end int64) []byte {
	return s.kept[begin-s.offset : min(end, s.size)-s.offset]
}

// read forgets what is before from, and fills up. When all is there it does
// nothing.
func (s *stream) read(from int64) error {
	if s.content == nil {
		return nil
	}
	s.kept = s.kept[:copy(s.kept, s.kept[from-s.offset:])]
	s.offset = from
	have := len(s.kept)
	left := s.size - s.offset - int64(have)
	room := int(min(int64(cap(s.kept)-have), left))
	n, err := io.ReadFull(s.content, s.kept[have:have+room])
	s.kept = s.kept[:have+n]
	if err != nil {
		return &contentError{left - int64(n), err}
	}
	if int64(n) == left {
		s.close()
	}
	return nil
}

// close may be called more than once.
func (s *stream) close() {
	if s.content != nil {
		s.content.Close()
		s.content = nil
	}
}
