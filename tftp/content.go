// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"cfgsrv/configfiles"
)

// readAhead is how much of a file is read at once, in bytes: files up to it
// whole, so that a slow client holds no descriptor of theirs.
const readAhead = 64 << 10

// content is a file's bytes on their way out: exactly as many as its size says,
// or a *contentError.
type content struct {
	io.Closer
	r     io.Reader
	whole []byte // all of it, if it is small
	left  int64
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

// newContent takes over f's Content.
func newContent(f *configfiles.File) (*content, error) {
	if f.Size > readAhead {
		return &content{Closer: f.Content, r: bufio.NewReaderSize(f.Content, readAhead), left: f.Size}, nil
	}
	defer f.Content.Close()
	whole := make([]byte, f.Size)
	if n, err := io.ReadFull(f.Content, whole); err != nil {
		return nil, &contentError{f.Size - int64(n), err}
	}
	return &content{Closer: io.NopCloser(nil), r: bytes.NewReader(whole), whole: whole, left: f.Size}, nil
}

// Read hides io.ErrUnexpectedEOF in its own error, because the library takes it
// for the end of the file.
func (c *content) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil && c.left > 0 {
		return n, &contentError{c.left, err}
	}
	return n, nil
}

// netasciiSize is how many bytes the whole content has in netascii, where CR and
// LF become two each (RFC 764). It is zero, which the library leaves out of its
// answer, if a large file would have to be read for it.
func (c *content) netasciiSize() int64 {
	return int64(len(c.whole) + bytes.Count(c.whole, []byte{'\n'}) + bytes.Count(c.whole, []byte{'\r'}))
}
