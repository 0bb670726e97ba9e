// SPDX-License-Identifier: Apache-2.0

// Package derived turns one certificate snapshot into the files that follow
// from it, as a configfiles.Source: trust lists, signed files, encrypted
// configurations and the short form.
//
// What it makes is a function of the snapshot, the input and the time alone,
// made on first request, once however many ask at the same time, and kept with
// the Source by the content it was made from. A new generation has a new
// Source; nothing is ever invalidated.
package derived

import (
	"context"
	"crypto"
	"fmt"
	"io/fs"
	"time"

	"cfgsrv/certs"
	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// Devices says what is known about devices.
type Devices interface {
	Certificate(device.Name) (device.Certificate, bool)
	// Enrolment is the capfAuthMode of a pending enrolment (FORMATS 6.6).
	Enrolment(device.Name) (mode int, pending bool)
}

// Config is what a Source is made from. Certs, Files and Devices are required.
type Config struct {
	Certs *certs.Snapshot
	// Files opens what is to be signed or encrypted: it is asked for the Path
	// of a request with the form Plain.
	Files   configfiles.Source
	Devices Devices
	Lists   Lists
	// CAPFPort is where phones enrol, for a device whose file does not say.
	CAPFPort string
	// Digest of signatures on files and lists: SHA-1, also as zero, or SHA-512.
	Digest crypto.Hash
	// Time is when the generation was made: that of lists and of the first
	// signatures. Whole seconds.
	Time time.Time
	// NoCertHash leaves certHash empty, because MD5 is not allowed. Phones then
	// enrol again instead of fetching their encrypted configuration.
	NoCertHash bool
	// Healthy is asked before a key for an encrypted file is made; nil is
	// always healthy.
	Healthy func() error
	// Made is told of each artefact when it is made; nil: nobody.
	Made func(configfiles.Form)
}

// maxKept bounds the bytes of the artefacts that a generation keeps. Some 80,000
// headers of signed files fit, or 4,000 configurations with theirs or encrypted.
const maxKept = 64 << 20

// Source makes the derived files of one generation.
type Source struct {
	conf   Config
	signer *signedfile.Signer
	itl    []byte
	ctl    []byte // nil in a non-secure cluster
	kept   *store
}

// New makes a Source. It fails if a list cannot be built or files cannot be
// signed, and says what to change.
func New(conf Config) (*Source, error) {
	pair, ok := conf.Certs.Pair(certs.CallManager)
	if !ok {
		return nil, fmt.Errorf("signing files: there is no certificate of %s", certs.CallManager)
	}
	signer, err := signedfile.NewSigner(pair.Leaf(), pair.Key, conf.Digest)
	if err != nil {
		return nil, fmt.Errorf("signing files with %s: %w", certs.CallManager, err)
	}
	s := &Source{conf: conf, signer: signer, kept: newStore(maxKept)}
	if s.itl, err = conf.buildITL(); err != nil {
		return nil, fmt.Errorf("building the ITL: %w", err)
	}
	if conf.Lists.Mixed {
		if s.ctl, err = conf.buildCTL(); err != nil {
			return nil, fmt.Errorf("building the CTL: %w", err)
		}
	}
	return s, nil
}

// List returns the bytes of a trust list that phones get, or nil if they get
// none. The caller must not modify them.
func (s *Source) List(k trustlist.Kind) []byte {
	if k == trustlist.CTL {
		return s.ctl
	}
	return s.itl
}

// Open makes what the guard has decided on. A plain file is not ours.
func (s *Source) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	switch req.As {
	case configfiles.TrustList:
		return s.openList(req)
	case configfiles.Signed:
		return s.openSigned(ctx, req)
	case configfiles.Encrypted:
		return s.openEncrypted(ctx, req)
	case configfiles.Short:
		return s.openShort(ctx, req)
	}
	return nil, fs.ErrNotExist
}

func (s *Source) openList(req configfiles.Request) (*configfiles.File, error) {
	kind := trustlist.ITL
	if req.Name.List == configfiles.CTL {
		kind = trustlist.CTL
	}
	list := s.List(kind)
	if list == nil {
		return nil, &configfiles.NotFoundError{Reason: "there is no CTL in a non-secure cluster"}
	}
	return artefact{data: list, made: s.conf.Time}.file(configfiles.TrustList), nil
}

func (s *Source) made(f configfiles.Form) {
	if s.conf.Made != nil {
		s.conf.Made(f)
	}
}
