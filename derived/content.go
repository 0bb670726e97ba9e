// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"cfgsrv/configfiles"
)

// content identifies the bytes that an artefact is made from: their SHA-256.
type content [sha256.Size]byte

// errChanged means that a file was written to while it was read.
var errChanged = errors.New("the file changed while it was read")

// contentOf reads f through, and rewinds it.
func contentOf(ctx context.Context, f *configfiles.File) (content, error) {
	if f.Data != nil {
		return sha256.Sum256(f.Data), ctx.Err()
	}
	r := newReader(ctx, f)
	if _, err := io.Copy(io.Discard, r); err != nil {
		return content{}, err
	}
	if _, err := f.Content.Seek(0, io.SeekStart); err != nil {
		return content{}, err
	}
	return r.content(), nil
}

// reader reads an open file from where it stands to the size that it was opened
// with. It ends with its context, and with errChanged if the file is written
// to.
type reader struct {
	ctx  context.Context
	file *configfiles.File
	left int64
	sum  hash.Hash
}

func newReader(ctx context.Context, f *configfiles.File) *reader {
	return &reader{ctx: ctx, file: f, left: f.Size, sum: sha256.New()}
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		if !r.file.Unchanged() {
			return 0, errChanged
		}
		return 0, io.EOF
	}
	n, err := r.file.Content.Read(p[:min(int64(len(p)), r.left)])
	r.sum.Write(p[:n])
	if r.left -= int64(n); errors.Is(err, io.EOF) {
		err = nil
		if r.left > 0 {
			err = errChanged
		}
	}
	return n, err
}

// content is that of what was read.
func (r *reader) content() content { return content(r.sum.Sum(nil)) }
