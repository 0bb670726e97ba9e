// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"errors"
	"fmt"
	"io"

	"cfgsrv/configfiles"
)

// joined is a header in memory followed by an open file, as one content. A
// reader never gets the last byte of a file that changed meanwhile: the header
// would not go with it.
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
	left := j.size() - j.pos
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := j.body.Content.Read(p[:min(int64(len(p)), left)])
	if errors.Is(err, io.EOF) {
		err = nil
		if int64(n) < left {
			return 0, errChanged
		}
	}
	if int64(n) == left && !j.body.Unchanged() {
		return 0, errChanged
	}
	j.pos += int64(n)
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
