// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Template describes a certificate to be made for a unit.
type Template struct {
	Unit Unit
	// Host is the server's name or address: the common name follows from it,
	// and it is the first alternative name. A name too long for a common name
	// is shortened there.
	Host               string
	SANs               []string // more names and addresses
	Organization       string   // empty: "cfgsrv"
	OrganizationalUnit string   // empty: "phones"
	Days               int      // of validity; zero: 1825, ITLRecovery 7300
	Key                KeySpec  // see [Unit.KeySpec]; zero fields: the unit's defaults
}

const (
	defaultOrganization       = "cfgsrv"
	defaultOrganizationalUnit = "phones"
	defaultDays               = 5 * 365
	recoveryDays              = 20 * 365
	maxDays                   = 100 * 365
	// clockSkew is how far a client's clock may be behind ours.
	clockSkew = time.Hour
)

// SelfSigned makes a self-signed certificate for the key, which must be of the
// template's kind and size.
func (t Template) SelfSigned(key crypto.Signer) (Pair, error) {
	t, err := t.complete()
	if err != nil {
		return Pair{}, err
	}
	wanted := fmt.Sprintf("%s-%d", t.Unit.keyKind(), t.Key.Size)
	if got := keyName(key.Public()); got != wanted {
		return Pair{}, fmt.Errorf("%s: the key is %s, wanted is %s", t.Unit, got, wanted)
	}
	cert, err := t.certificate()
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return Pair{}, fmt.Errorf("signing the certificate of %s: %w", t.Unit, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Pair{}, fmt.Errorf("reading the new certificate of %s: %w", t.Unit, err)
	}
	return Pair{Unit: t.Unit, Chain: []*x509.Certificate{leaf}, Key: key}, nil
}

// complete checks the template and fills in the defaults.
func (t Template) complete() (Template, error) {
	if !t.Unit.Known() {
		return t, fmt.Errorf("%q is not a unit", t.Unit)
	}
	var err error
	if t.Key, err = t.Unit.KeySpec(t.Key.Size, t.Key.Hash); err != nil {
		return t, err
	}
	if t.Days == 0 {
		t.Days = defaultDays
		if t.Unit == ITLRecovery {
			t.Days = recoveryDays
		}
	}
	if t.Days < 1 || t.Days > maxDays {
		return t, &NotAllowedError{t.Unit, fmt.Sprintf("a validity of %d days", t.Days), fmt.Sprintf("1 to %d", maxDays)}
	}
	t.Organization = cmp.Or(t.Organization, defaultOrganization)
	t.OrganizationalUnit = cmp.Or(t.OrganizationalUnit, defaultOrganizationalUnit)
	for _, name := range []string{t.Organization, t.OrganizationalUnit} {
		if len([]rune(name)) > maxName {
			return t, &NotAllowedError{t.Unit, fmt.Sprintf("the name %q", name), fmt.Sprintf("up to %d characters", maxName)}
		}
	}
	return t, nil
}

// certificate is the complete template in the words of crypto/x509.
func (t Template) certificate() (*x509.Certificate, error) {
	h, err := parseHost(t.Host)
	if err != nil {
		return nil, fmt.Errorf("naming %s: %w", t.Unit, err)
	}
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: serial(),
		Subject: pkix.Name{
			CommonName:         commonName(t.Unit, h),
			Organization:       []string{t.Organization},
			OrganizationalUnit: []string{t.OrganizationalUnit},
		},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.AddDate(0, 0, t.Days),
		SignatureAlgorithm:    t.Unit.signatureAlgorithm(t.Key.Hash),
		BasicConstraintsValid: true,
	}
	for _, name := range append([]string{t.Host}, t.SANs...) {
		if err := addName(cert, name); err != nil {
			return nil, fmt.Errorf("naming %s: %w", t.Unit, err)
		}
	}
	setUse(cert, t.Unit)
	return cert, nil
}

func addName(cert *x509.Certificate, name string) error {
	h, err := parseHost(name)
	if err != nil {
		return err
	}
	if h.addr.IsValid() {
		cert.IPAddresses = append(cert.IPAddresses, net.IP(h.addr.AsSlice()))
	} else {
		cert.DNSNames = append(cert.DNSNames, h.name)
	}
	return nil
}

// setUse says what the certificate is for.
func setUse(cert *x509.Certificate, u Unit) {
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	if u == ITLRecovery {
		return // it signs trust lists, and serves nobody
	}
	if u == CAPF {
		// Exactly this, or phones refuse the enrolment (Cisco, 14SU2 and later).
		cert.IsCA, cert.MaxPathLenZero = true, true
		cert.KeyUsage |= x509.KeyUsageCertSign
		return
	}
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if !u.EC() {
		cert.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
}

// serial is positive and random, 128 bits with the highest always set, so that
// its length is always the same.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] |= 0x80
	return new(big.Int).SetBytes(b[:])
}
