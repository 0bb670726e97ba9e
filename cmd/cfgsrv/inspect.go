// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"cfgsrv/certs"
	"cfgsrv/configfiles"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// inspect looks through all of files/ for what will disappoint somebody. The
// complaints are what keeps a file or a device from being served as expected,
// the warnings are links that are not served, and ready-made files that phones
// will not take. It reads every master and every ready-made file, which takes a
// while with thousands of them.
func (g *generation) inspect(ctx context.Context) findings {
	f := findings{complaints: g.directory.Faults(ctx), warnings: strayLinks(ctx, g.settings.Files)}
	paths, err := g.directory.Files(ctx)
	if err != nil {
		return f // which Faults has told
	}
	r := readyMade{generation: g}
	lists, signed := sortReadyMade(paths)
	for _, kind := range []struct {
		names []configfiles.Name
		check func(context.Context, configfiles.Name) error
	}{{lists, r.checkList}, {signed, r.checkSigned}} {
		for _, n := range kind.names {
			if ctx.Err() != nil {
				return f
			}
			if err := kind.check(ctx, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
				f.warnings = append(f.warnings, fmt.Errorf("%s is ready-made, and phones will not take it: %w", n.Asked, err))
			}
		}
	}
	return f
}

// sortReadyMade picks the files that are served as they are under the name of
// what could be made, trust lists apart, in the order of their names.
func sortReadyMade(paths iter.Seq[string]) (lists, signed []configfiles.Name) {
	for p := range paths {
		name, err := configfiles.ParseName(p)
		switch {
		case err != nil:
		case name.Form == configfiles.TrustList:
			lists = append(lists, name)
		case name.Form == configfiles.Signed, name.Form == configfiles.Encrypted:
			signed = append(signed, name)
		}
	}
	for _, names := range [][]configfiles.Name{lists, signed} {
		slices.SortFunc(names, func(a, b configfiles.Name) int { return strings.Compare(a.Asked, b.Asked) })
	}
	return lists, signed
}

// readyMade checks what the administrator has put into files/ under the very
// name that is asked for, and that is served as it is.
type readyMade struct {
	*generation
	// signers are those that phones find in ready-made lists.
	signers []*x509.Certificate
}

// checkList says what is wrong with a ready-made trust list. Phones with a sound
// one know its signers.
func (r *readyMade) checkList(ctx context.Context, name configfiles.Name) error {
	b, err := r.read(ctx, name.Asked)
	if err != nil {
		return err
	}
	list, err := trustlist.Parse(b)
	if err != nil {
		return err
	}
	kind := trustlist.ITL
	if name.List == configfiles.CTL {
		kind = trustlist.CTL
	}
	if list.FileName() != kind.FileName() {
		return fmt.Errorf("it calls itself %q, not %q", list.FileName(), kind.FileName())
	}
	if err := list.Verify(); err != nil {
		return err
	}
	r.signers = append(r.signers, fileSigners(list)...)
	return nil
}

// fileSigners are the certificates of a list that may sign files. Phones check
// RSA signatures only.
func fileSigners(l *trustlist.List) []*x509.Certificate {
	var all []*x509.Certificate
	for _, rec := range l.Records() {
		if !slices.Contains(fileRoles, rec.Role()) {
			continue
		}
		if c, err := rec.Certificate(); err == nil && c.PublicKeyAlgorithm == x509.RSA {
			all = append(all, c)
		}
	}
	return all
}

func (r *readyMade) read(ctx context.Context, p string) (b []byte, err error) {
	f, err := r.directory.Open(ctx, configfiles.Request{Path: p})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Content.Close()) }()
	return io.ReadAll(io.LimitReader(f.Content, trustlist.MaxSize+1))
}

// checkSigned says what is wrong with a ready-made .sgn or .enc.sgn; nil for
// firmware, whose parts Cisco has signed.
func (r *readyMade) checkSigned(ctx context.Context, name configfiles.Name) (err error) {
	p := name.Asked
	f, err := r.directory.Open(ctx, configfiles.Request{Path: p})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Content.Close()) }()
	h, err := signedfile.ReadHeader(f.Content)
	if err != nil {
		return err
	}
	if h.Firmware() {
		return nil
	}
	// Phones ask for their own spelling, which the file need not have.
	if !strings.EqualFold(h.FileName(), p) && !strings.EqualFold(h.FileName(), path.Base(p)) {
		return fmt.Errorf("it calls itself %q", h.FileName())
	}
	_, err = h.Verify(f.Content, r.candidates()...)
	return err
}

func (r *readyMade) candidates() []*x509.Certificate {
	own, _ := r.certs.Pair(certs.CallManager)
	return append([]*x509.Certificate{own.Leaf()}, r.signers...)
}
