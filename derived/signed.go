// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"cfgsrv/configfiles"
)

// maxWhole is up to which size a file is signed in memory and kept with its
// header. Larger ones are streamed, and only their header is kept.
const maxWhole = 256 << 10

// openSigned makes NAME.sgn of the file NAME (FORMATS 3).
func (s *Source) openSigned(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	base, err := s.openBase(ctx, req)
	if err != nil {
		return nil, err
	}
	if base.Size > maxWhole {
		return s.signStream(ctx, req.Name.Asked, base)
	}
	body, err := readWhole(base)
	if err != nil {
		return nil, fmt.Errorf("reading the file to sign: %w", err)
	}
	return s.sign(ctx, req.Name.Asked, body, configfiles.Signed)
}

// openBase opens the plain file that an artefact is made from.
func (s *Source) openBase(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	req.As = configfiles.Plain
	return s.conf.Files.Open(ctx, req)
}

// readWhole reads and closes a file.
func readWhole(f *configfiles.File) (body []byte, err error) {
	defer func() { err = errors.Join(err, f.Content.Close()) }()
	body = make([]byte, f.Size)
	if _, err := io.ReadFull(f.Content, body); err != nil {
		return nil, err
	}
	return body, nil
}

// sign signs bytes, or finds them signed already: by content, so that a change
// on disk can never be missed.
func (s *Source) sign(ctx context.Context, name string, body []byte, as configfiles.Form) (*configfiles.File, error) {
	sum := sha256.Sum256(body)
	key := as.String() + "\x00" + name + "\x00" + string(sum[:])
	a, err := s.kept.get(ctx, key, func(context.Context) ([]byte, error) { return s.signBytes(name, body) })
	if err != nil {
		return nil, err
	}
	return a.file(as), nil
}

func (s *Source) signBytes(name string, body []byte) ([]byte, error) {
	header, err := s.signer.Sign(name, signingTime(), bytesReader(body))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	s.made(configfiles.Signed)
	return append(header, body...), nil
}

// signStream signs a file without holding it: it is read once for the header,
// which then goes out before the file. The header is kept by the file's
// content, so this first reads it all for that.
func (s *Source) signStream(ctx context.Context, name string, base *configfiles.File) (_ *configfiles.File, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, base.Content.Close())
		}
	}()
	h := sha256.New()
	if err := readThrough(ctx, h, base); err != nil {
		return nil, fmt.Errorf("reading the file to sign: %w", err)
	}
	key := "header\x00" + name + "\x00" + string(h.Sum(nil))
	a, err := s.kept.get(ctx, key, func(ctx context.Context) ([]byte, error) {
		if _, err := base.Content.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		header, err := s.signer.Sign(name, signingTime(), io.LimitReader(base.Content, base.Size))
		if err == nil {
			s.made(configfiles.Signed)
		}
		return header, err
	})
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if _, err := base.Content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &configfiles.File{
		Size: int64(len(a.data)) + base.Size, ModTime: later(a.made, base.ModTime), As: configfiles.Signed,
		Content: &joined{head: a.data, body: base},
	}, nil
}

// readThrough copies the whole of f to w, and gives up when ctx ends.
func readThrough(ctx context.Context, w io.Writer, f *configfiles.File) error {
	n, err := io.Copy(w, contextReader{ctx, io.LimitReader(f.Content, f.Size)})
	if err != nil {
		return err
	}
	if n != f.Size {
		return errChanged
	}
	return nil
}

// signingTime is the TIMESTAMP of a new signature: whole seconds.
func signingTime() time.Time { return time.Now().Truncate(time.Second) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
