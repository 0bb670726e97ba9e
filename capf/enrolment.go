// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"
)

// Enrolment is an installation between its first step and the phone's word
// that it has stored the certificate.
type Enrolment struct {
	// PublicKey is the key that an external issuer is to certify, as DER
	// SubjectPublicKeyInfo; nil if there is no such request.
	PublicKey []byte    `json:"publicKey,omitempty"`
	Since     time.Time `json:"since,omitzero"` // of the request
	// Certificate is what the phone is to store, DER; nil until it is issued.
	Certificate []byte `json:"certificate,omitempty"`
	// Imported is set if Certificate answers a request: the phone made its key
	// in an earlier session.
	Imported bool `json:"imported,omitempty"`
	// Replaced are the certificates that the phone may still hold, as it has not
	// confirmed a newer one. They are refused everywhere else, but authenticate
	// the retry.
	Replaced []Fingerprint `json:"replaced,omitempty"`
}

// maxReplaced bounds what a phone that always breaks off can pile up.
const maxReplaced = 8

// replace notes one more certificate that the phone may still hold.
func (e *Enrolment) replace(f Fingerprint) {
	if slices.Contains(e.Replaced, f) {
		return
	}
	e.Replaced = append(e.Replaced, f)
	e.Replaced = e.Replaced[max(0, len(e.Replaced)-maxReplaced):]
}

// issuedFor is the certificate of the enrolment under way, nil if there is none
// or if it is for another key.
func (e Entry) issuedFor(key crypto.PublicKey) *x509.Certificate {
	if e.Enrolment == nil || e.Enrolment.Certificate == nil {
		return nil
	}
	c, err := x509.ParseCertificate(e.Enrolment.Certificate)
	if err != nil || time.Now().After(c.NotAfter) {
		return nil
	}
	if !equalKeys(c.PublicKey, key) {
		return nil
	}
	return c
}

func equalKeys(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// mayHold tells whether the device may still hold a certificate that was
// replaced, as it has not confirmed a newer one.
func (e Entry) mayHold(f Fingerprint) bool {
	return e.Enrolment != nil && slices.Contains(e.Enrolment.Replaced, f)
}

// begin puts c under way. The device may hold what lsc/ holds until it confirms.
func (e *Entry) begin(c *x509.Certificate, holds *Fingerprint) {
	e.succeed(Enrolment{Certificate: c.Raw, Imported: e.underWay(c) && e.Enrolment.Imported})
	if holds != nil && *holds != fingerprint(c) {
		e.Enrolment.replace(*holds)
	}
}

// succeed goes over from the last enrolment to the next, which may be the same.
func (e *Entry) succeed(next Enrolment) {
	if last := e.Enrolment; last != nil {
		next.Replaced = last.Replaced
		if last.Certificate != nil && !bytes.Equal(last.Certificate, next.Certificate) {
			next.replace(sha256.Sum256(last.Certificate))
		}
	}
	e.Enrolment = &next
}

func (e *Entry) underWay(c *x509.Certificate) bool {
	return e.Enrolment != nil && bytes.Equal(e.Enrolment.Certificate, c.Raw)
}
