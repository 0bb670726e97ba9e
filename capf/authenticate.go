// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"

	"cfgsrv/device"
)

// authenticate checks that the device is the one it claims to be, in the way
// that was ordered.
func (s *session) authenticate(e Entry) error {
	switch e.Auth {
	case ByNullString:
		return nil
	case ByAuthString:
		return s.compare(e.AuthString)
	}
	return s.judge(e)
}

func (s *session) compare(want AuthString) error {
	switch {
	case s.claim.password == "":
		return refuse("it sent no authentication string")
	case !s.guesses.take(s.claim.device, s.now()):
		return refuse("too many wrong authentication strings were tried for it, the next counts in a minute")
	case subtle.ConstantTimeCompare([]byte(s.claim.password), []byte(want)) != 1:
		return refuse("it sent a wrong authentication string")
	}
	s.guesses.right(s.claim.device)
	return nil
}

// judge checks the certificates that the device proved to hold.
func (s *session) judge(e Entry) error {
	if s.claim.own == nil {
		return refuse("it sent no certificate with a proof of possession that can be checked")
	}
	j := device.Judge{Roots: s.gen.Trusted, Revoked: func(f [32]byte) bool {
		return s.registrar.store.Revoked(f) && !e.mayHold(f)
	}}
	if err := proves(&j, s.claim.own, s.claim.device, s.now()); err != nil {
		return err
	}
	if err := s.current(e); err != nil {
		return err
	}
	if sudi := s.claim.sudi; sudi != nil {
		// It only stands beside the one above, and many a phone in use is older
		// than the ten years of its own.
		return proves(&j, sudi, s.claim.device, within(sudi, s.now()))
	}
	return nil
}

func proves(j *device.Judge, c *x509.Certificate, n device.Name, now time.Time) error {
	switch proved, err := j.Prove([]*x509.Certificate{c}, now); {
	case err != nil:
		return refuse("%v", err)
	case proved != n:
		return refuse("the certificate presented is that of %s", proved)
	}
	return nil
}

// within is the moment of a certificate's validity that is nearest to t.
func within(c *x509.Certificate, t time.Time) time.Time {
	switch {
	case t.Before(c.NotBefore):
		return c.NotBefore
	case t.After(c.NotAfter):
		return c.NotAfter
	}
	return t
}

// current refuses a certificate beside which lsc/ holds another of the same
// issuer: that one is newer, whatever became of our record.
func (s *session) current(e Entry) error {
	known, err := s.registrar.folder.Read(s.claim.device)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, ErrNoCertificate):
		return refuse("the certificate known for %s cannot be read", s.claim.device)
	case err != nil:
		return err
	}
	own := s.claim.own
	if bytes.Equal(known.RawIssuer, own.RawIssuer) && !known.Equal(own) && !e.mayHold(fingerprint(own)) {
		return refuse("the certificate presented is not the one known for %s", s.claim.device)
	}
	return nil
}
