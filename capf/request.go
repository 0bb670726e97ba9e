// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"cfgsrv/device"
)

// Request is a key that waits for an external issuer. It is no PKCS#10 request:
// a phone sends its bare public key, and only the phone could sign more (FORMATS
// 6.4). OpenSSL issues from it with "openssl x509 -new -force_pubkey".
type Request struct {
	Device    device.Name
	PublicKey []byte // DER SubjectPublicKeyInfo
	Since     time.Time
}

// PEM is the public key as a PEM file.
func (r Request) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: r.PublicKey})
}

// ErrNoRequest is returned for a certificate that answers no request.
var ErrNoRequest = errors.New("no request waits for this certificate")

// Requests returns the keys that wait for an external issuer, in the order of
// their devices' names.
func (s *Store) Requests(ctx context.Context) (all []Request, err error) {
	err = s.view(ctx, func(t *transaction) error {
		return t.each(func(e Entry) {
			if e.Enrolment != nil && e.Enrolment.PublicKey != nil {
				all = append(all, Request{e.Device, e.Enrolment.PublicKey, e.Enrolment.Since})
			}
		})
	})
	return all, err
}

// Answer takes the certificate that an external issuer made for a request. The
// device gets it at its next connection. The error is ErrNoRequest if the
// device that it names has no request, or one for another key; a certificate
// that roots do not vouch for is an error too, as it would open nothing.
func (s *Store) Answer(ctx context.Context, c *x509.Certificate, roots *x509.CertPool) (device.Name, error) {
	j := device.Judge{Roots: roots, Revoked: s.Revoked}
	n, err := j.Prove([]*x509.Certificate{c}, time.Now())
	if err != nil {
		return "", fmt.Errorf("importing an LSC: %w", err)
	}
	return n, s.update(ctx, func(t *transaction) error {
		e, err := t.entry(n)
		if err != nil && !errors.Is(err, ErrUnknownDevice) {
			return err
		}
		if e.Enrolment == nil || !bytes.Equal(e.Enrolment.PublicKey, c.RawSubjectPublicKeyInfo) {
			return fmt.Errorf("importing the LSC of %s: %w", n, ErrNoRequest)
		}
		e.succeed(Enrolment{Certificate: c.Raw, Imported: true})
		return t.put(e)
	})
}
