// SPDX-License-Identifier: Apache-2.0

package device

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Why a certificate proves nothing. Each is one plain clause that the client
// may read.
var (
	errNotPresented = errors.New("no certificate was presented")
	errNotYetValid  = errors.New("the certificate presented is not valid yet")
	errExpired      = errors.New("the certificate presented has expired")
	errCritical     = errors.New("the certificate presented has a critical extension that is not understood")
	errWeak         = errors.New("the certificate presented is signed with SHA-1 or MD5, which is not accepted")
	errUntrusted    = errors.New("the certificate presented does not chain to a CA that is trusted here")
	errNamesNobody  = errors.New("the certificate presented names no device")
	errRevoked      = errors.New("the certificate presented has been replaced or deleted")
)

// Judge says which device a client certificate proves. It may be used by many
// goroutines at once and is not to be changed after its first use.
type Judge struct {
	// Roots is the listener's trust store; nil trusts nobody.
	Roots *x509.CertPool
	// Known is lsc/.
	Known *Certificates
	// Revoked tells by SHA-256 of the DER whether a certificate was deleted or
	// replaced; nil: none was.
	Revoked func(fingerprint [sha256.Size]byte) bool

	verified verified
}

// Prove returns the device that chain, leaf first as the client presented it,
// proves at the time now. That the client holds the key is for the TLS
// handshake to see to. The error is one plain clause that says why the chain
// proves nothing.
func (j *Judge) Prove(chain []*x509.Certificate, now time.Time) (Name, error) {
	if len(chain) == 0 {
		return "", errNotPresented
	}
	leaf := chain[0]
	if err := j.verify(chain, now); err != nil {
		return "", err
	}
	n, ok := FromSubject(leaf)
	if !ok {
		return "", errNamesNobody
	}
	fingerprint := sha256.Sum256(leaf.Raw)
	if j.Revoked != nil && j.Revoked(fingerprint) {
		return "", errRevoked
	}
	known, ok := j.Known.Get(n)
	switch {
	case ok && known.Kind == Unreadable:
		return "", fmt.Errorf("the certificate known for %s cannot be read", n)
	case ok && known.Fingerprint != fingerprint:
		return "", fmt.Errorf("the certificate presented is not the one known for %s", n)
	}
	return n, nil
}

func (j *Judge) verify(chain []*x509.Certificate, now time.Time) error {
	leaf := chain[0]
	switch {
	case now.Before(leaf.NotBefore):
		return errNotYetValid
	case now.After(leaf.NotAfter):
		return errExpired
	case len(leaf.UnhandledCriticalExtensions) > 0:
		return errCritical
	}
	k := key(chain)
	if j.verified.at(k, now) {
		return nil
	}
	options := x509.VerifyOptions{
		Roots:         j.Roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		// The usages in genuine device certificates follow no rule (FORMATS 6.7).
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	if options.Roots == nil {
		// To x509 nil means the system's roots.
		options.Roots = x509.NewCertPool()
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	ways, err := leaf.Verify(options)
	if err != nil {
		return untrusted(chain)
	}
	j.verified.add(k, ways)
	return nil
}

// untrusted tells the one cause that x509 hides: it refuses SHA-1, with which
// old manufacturing CAs signed.
func untrusted(chain []*x509.Certificate) error {
	for _, c := range chain {
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			continue // nobody checks how a root is signed
		}
		switch c.SignatureAlgorithm {
		case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
			return errWeak
		}
	}
	return errUntrusted
}
