// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"cfgsrv/capf/internal/wire"
)

// session is one conversation with a device (FORMATS 6.4).
type session struct {
	peer
	gen       Generation
	registrar *registrar
	guesses   *guesses
	keyLimit  time.Duration // for an RSA key, whatever the device says meanwhile
	now       func() time.Time

	claim     claim
	operation Operation // what is being done
	step      string    // for the log, completes "while …"
	issued    bool
}

// maxProgress bounds how often a device may say that it is still at work.
const maxProgress = 1000

// run talks until it is clear how the session ends. An error that is an *ending
// says so too; any other is the connection's or a fault of ours.
func (s *session) run(ctx context.Context) (ending, error) {
	s.step = "saying who it is"
	if err := s.greet(); err != nil {
		return ending{}, err
	}
	e, err := s.registrar.entry(ctx, s.claim.device)
	if errors.Is(err, ErrUnknownDevice) {
		return ending{NotFound, wire.Unknown, "nothing was ever ordered for it"}, nil
	}
	if err != nil {
		return ending{}, err
	}
	if !e.Pending(s.now()) {
		return ending{Served, wire.Nothing, "nothing is to be done"}, nil
	}
	s.operation = e.Operation
	if err := s.authenticate(e); err != nil {
		return ending{}, err
	}
	switch e.Operation {
	case Install:
		return s.install(ctx, e)
	case Delete:
		return s.delete(ctx, e)
	}
	return s.fetch(ctx)
}

// greet asks the device who it is.
func (s *session) greet() error {
	err := s.send(wire.AuthRequest, wire.Byte(wire.Version, maxVersion), wire.Byte(wire.AuthType, 0))
	if err != nil {
		return err
	}
	m, err := s.expect(wire.AuthResponse)
	if err != nil {
		return err
	}
	s.claim, err = parseClaim(m)
	return err
}

func (s *session) install(ctx context.Context, e Entry) (ending, error) {
	lsc, err := s.certificate(ctx, e)
	if errors.Is(err, ErrOffline) {
		return ending{Served, wire.Nothing, "its key waits for the external issuer"}, nil
	}
	if err != nil {
		return ending{}, err
	}
	s.issued = true
	s.step = "storing its certificate"
	if err := s.deliver(ctx, lsc); err != nil {
		return ending{}, err
	}
	spec := specOf(lsc.PublicKey)
	reason := fmt.Sprintf("it stored an LSC for %v, good until %s", spec, lsc.NotAfter.Format(time.DateOnly))
	if spec.small() {
		reason += "; such a key is too small to be safe"
	}
	return ending{Served, wire.Done, reason}, s.registrar.confirm(ctx, s.claim.device, lsc, reason)
}

// certificate is what the device is to store. ErrOffline means that it has to
// come again.
func (s *session) certificate(ctx context.Context, e Entry) (*x509.Certificate, error) {
	if e.Enrolment != nil && e.Enrolment.Imported {
		return s.registrar.imported(ctx, s.claim.device)
	}
	if e.Enrolment != nil && e.Enrolment.PublicKey != nil {
		return nil, ErrOffline
	}
	s.step = "making its key"
	key, err := s.askKey(e.Order)
	if err != nil {
		return nil, err
	}
	return s.registrar.issue(ctx, s.claim.device, key, s.gen.Authority)
}

// askKey asks for each kind of key in turn until the device has made one.
func (s *session) askKey(o Order) (crypto.PublicKey, error) {
	specs, err := keySpecs(o, s.gen.Settings, s.claim.version)
	if err != nil {
		return nil, err
	}
	for _, spec := range specs {
		m, err := s.askKeyOf(spec)
		if err != nil {
			return nil, err
		}
		der := m.Value(wire.PublicKey)
		if der == nil {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, refuse("the key that it sent cannot be read")
		}
		return key, spec.check(key)
	}
	return nil, &ending{Aborted, wire.Declined, fmt.Sprintf("it did not make %v", specs[len(specs)-1])}
}

func (s *session) askKeyOf(spec keySpec) (wire.Message, error) {
	if err := s.send(wire.KeyRequest, spec.elements(s.claim.version)...); err != nil {
		return wire.Message{}, err
	}
	end := time.Now().Add(s.limit)
	if !spec.ec {
		end = time.Now().Add(s.keyLimit)
	}
	for range maxProgress {
		m, err := s.receiveUntil(end)
		if err != nil {
			return m, err
		}
		if m.Command != wire.RequestInProgress {
			return m, s.check(m, wire.KeyResponse)
		}
	}
	return wire.Message{}, refuse("it said over and over that it is making its key")
}

// deliver returns once the device has stored the certificate.
func (s *session) deliver(ctx context.Context, lsc *x509.Certificate) error {
	element, err := wire.MakeCertificate(wire.LSC, lsc.Raw)
	if err != nil {
		return err
	}
	if err := s.send(wire.StoreRequest, wire.Byte(wire.CertificateUse, wire.LSC), element); err != nil {
		return err
	}
	reason, err := s.answer(wire.StoreResponse)
	if err != nil || reason == wire.Done {
		return err
	}
	if err := s.registrar.abandon(ctx, s.claim.device, lsc); err != nil {
		return err
	}
	return &ending{Aborted, wire.Declined, fmt.Sprintf("it did not store its certificate, reason %d", reason)}
}

func (s *session) delete(ctx context.Context, e Entry) (ending, error) {
	s.step = "deleting its certificate"
	if err := s.registrar.deleting(ctx, s.claim.device, true); err != nil {
		return ending{}, err
	}
	if err := s.send(wire.DeleteRequest); err != nil {
		return ending{}, err
	}
	answer, err := s.answer(wire.DeleteResponse)
	if err != nil {
		return ending{}, err
	}
	reason := "it deleted its LSC"
	if answer != wire.Done {
		if left, err := s.left(ctx, e); left || err != nil {
			return ending{Aborted, wire.Done, fmt.Sprintf("it did not delete its LSC, reason %d", answer)}, err
		}
		reason = "it has no LSC"
	}
	return ending{Served, wire.Done, reason}, s.registrar.remove(ctx, s.claim.device, reason)
}

// left tells whether a device that did not delete its LSC has one: it has none
// if none is known, or if the answer of an earlier session was lost.
func (s *session) left(ctx context.Context, e Entry) (bool, error) {
	if e.Deleting {
		return false, nil
	}
	if _, err := s.registrar.folder.Read(s.claim.device); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, s.registrar.deleting(ctx, s.claim.device, false)
}

func (s *session) fetch(ctx context.Context) (ending, error) {
	s.step = "sending its certificate"
	if err := s.send(wire.FetchRequest); err != nil {
		return ending{}, err
	}
	m, err := s.expect(wire.FetchResponse)
	if err != nil {
		return ending{}, err
	}
	der, err := m.CertificateDER()
	if err != nil {
		return ending{}, err
	}
	if der == nil {
		return ending{Aborted, wire.Nothing, "it sent no certificate"}, nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return ending{}, refuse("the certificate that it sent cannot be read")
	}
	reason := fmt.Sprintf("it sent its certificate %.100s", c.Subject.String())
	return ending{Served, wire.Nothing, reason}, s.registrar.keep(ctx, s.claim.device, der, reason)
}

// answer reads a response that holds no more than a reason.
func (s *session) answer(c wire.Command) (wire.Reason, error) {
	m, err := s.expect(c)
	if err != nil {
		return 0, err
	}
	reason, err := m.Uint8(wire.ReasonTag, uint8(wire.Declined))
	return wire.Reason(reason), err
}
