// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"cfgsrv/configfiles"
)

// joined is a header in memory followed by an open file, as one content.
type joined struct {
	head []byte
	body *configfiles.File
	pos  int64
}

func (j *joined) size() int64 { return int64(len(j.head)) + j.body.Size }

// Read reads across the seam as if there were none.
func (j *joined) Read(p []byte) (int, error) {
	if j.pos < int64(len(j.head)) {
		n := copy(p, j.head[j.pos:])
		j.pos += int64(n)
		return n, nil
	}
	if left := j.size() - j.pos; int64(len(p)) > left {
		p = p[:left] // what was appended since belongs to no signature
	}
	if len(p) == 0 {
		return 0, io.EOF
	}
	n, err := j.body.Content.Read(p)
	j.pos += int64(n)
	if errors.Is(err, io.EOF) && j.pos < j.size() {
		err = errChanged
	}
	return n, err
}

// Seek moves to an offset of the whole.
func (j *joined) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += j.pos
	case io.SeekEnd:
		offset += j.size()
	}
	if offset < 0 {
		return 0, fmt.Errorf("seeking to %d", offset)
	}
	if _, err := j.body.Content.Seek(max(0, offset-int64(len(j.head))), io.SeekStart); err != nil {
		return 0, err
	}
	j.pos = offset
	return offset, nil
}

// Close closes the file.
func (j *joined) Close() error { return j.body.Content.Close() }

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func bytesReader(b []byte) io.Reader { return bytes.NewReader(b) }
