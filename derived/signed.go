// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"cfgsrv/configfiles"
)

// openSigned makes NAME.sgn of the file NAME (FORMATS 3): the header, which is
// made once and kept, and after it the file itself, which never is.
func (s *Source) openSigned(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	base, err := s.openBase(ctx, req)
	if err != nil {
		return nil, err
	}
	header, err := s.fromFile(ctx, "signed\x00"+req.Name.Asked, req, base, s.signFile)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signing: %w", err), base.Content.Close())
	}
	return &configfiles.File{
		Size: int64(len(header.data)) + base.Size, ModTime: later(header.made, base.ModTime), As: configfiles.Signed,
		Content: &joined{head: header.data, body: base},
	}, nil
}

// openBase opens the plain file that an artefact is made from.
func (s *Source) openBase(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	req.As = configfiles.Plain
	return s.conf.Files.Open(ctx, req)
}

// fromFile is the artefact of key that belongs to the content of base. To build
// one the file is opened again: base may be closed while others still wait for
// it.
func (s *Source) fromFile(ctx context.Context, key string, req configfiles.Request, base *configfiles.File,
	build func(configfiles.Request, *reader) ([]byte, error)) (artefact, error) {
	now := stateOf(base)
	if a, ok := s.kept.inState(key, now); ok {
		return a, nil
	}
	from, err := contentOf(ctx, base)
	if err != nil {
		return artefact{}, err
	}
	return s.kept.get(key, from, now, func() (data []byte, err error) {
		f, err := s.openBase(context.WithoutCancel(ctx), req)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Content.Close()) }()
		r := newReader(context.WithoutCancel(ctx), f)
		if data, err = build(req, r); err == nil && r.content() != from {
			return nil, errChanged
		}
		return data, err
	})
}

// signFile makes the header of a signed file while it reads it.
func (s *Source) signFile(req configfiles.Request, r *reader) ([]byte, error) {
	return s.sign(req.Name.Asked, r)
}

func (s *Source) sign(name string, body io.Reader) ([]byte, error) {
	header, err := s.signer.Sign(name, signingTime(), body)
	if err != nil {
		return nil, err
	}
	s.made(configfiles.Signed)
	return header, nil
}

// signed is bytes of ours with a header, kept whole.
func (s *Source) signed(key, name string, body []byte) (artefact, error) {
	a, err := s.kept.get(key, sha256.Sum256(body), state{}, func() ([]byte, error) {
		header, err := s.sign(name, bytes.NewReader(body))
		return append(header, body...), err
	})
	if err != nil {
		return artefact{}, fmt.Errorf("signing: %w", err)
	}
	return a, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
