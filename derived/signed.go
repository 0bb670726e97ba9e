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
// made once and kept, and after it the file itself. That is kept with the header
// only if it was in memory anyhow, and is asked for again.
func (s *Source) openSigned(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	base, err := s.openBase(ctx, req)
	if err != nil {
		return nil, err
	}
	sign := func(r *reader) ([]byte, error) { return s.sign(req.Name.Asked, r) }
	key := "signed\x00" + req.Name.Asked
	header, err := s.fromFile(ctx, recipe{key, req, sign}, base)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("signing: %w", err), base.Content.Close())
	}
	modified := later(header.made, base.ModTime)
	if base.Data != nil {
		return configfiles.InMemory(s.kept.whole(key, header, base.Data), modified, configfiles.Signed), nil
	}
	return &configfiles.File{
		Size: int64(len(header.data)) + base.Size, ModTime: modified, As: configfiles.Signed,
		Content: &joined{head: header.data, body: base},
	}, nil
}

// openBase is the plain file that an artefact is made from: that of the guard,
// or else it is opened.
func (s *Source) openBase(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	if req.Base != nil {
		return req.Base, nil
	}
	req.As = configfiles.Plain
	return s.conf.Files.Open(ctx, req)
}

// recipe is how an artefact is made from a file.
type recipe struct {
	key   string
	req   configfiles.Request
	build func(*reader) ([]byte, error) // reads all
}

// fromFile is the artefact that belongs to the content of base. To build one the
// file is opened again: base may be closed while others still wait for it.
func (s *Source) fromFile(ctx context.Context, r recipe, base *configfiles.File) (artefact, error) {
	o := origin{key: r.key, state: base.State}
	if a, ok := s.kept.inState(o.key, o.state); ok {
		return a, nil
	}
	var err error
	if o.content, err = contentOf(ctx, base); err != nil {
		return artefact{}, err
	}
	ctx = context.WithoutCancel(ctx)
	return s.kept.get(o, func() (data []byte, err error) {
		f, err := s.openBase(ctx, r.req)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Content.Close()) }()
		in := newReader(ctx, f)
		if data, err = r.build(in); err == nil && in.content() != o.content {
			return nil, errChanged
		}
		return data, err
	})
}

// sign makes the header of a signed file while it reads the file.
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
	a, err := s.kept.get(origin{key: key, content: sha256.Sum256(body)}, func() ([]byte, error) {
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
