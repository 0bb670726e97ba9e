// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/ecdsa"
	"crypto/fips140"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// Kind is what a device's certificate is good for.
type Kind uint8

const (
	// NoCertificate: none is known for the device.
	NoCertificate Kind = iota
	// RSA: a configuration can be encrypted for it (FORMATS 4).
	RSA
	// ECDSA: nothing can be encrypted for it; the device must present it.
	ECDSA
	// Unreadable: there is a file that cannot be used. The device is to be
	// treated as if it had an ECDSA certificate that nobody holds.
	Unreadable
)

// Certificate is what is kept of the certificate known for a device.
type Certificate struct {
	Device Name
	Kind   Kind
	// Fingerprint is the SHA-256 of the DER.
	Fingerprint [sha256.Size]byte
	// Hash is the certHash of configurations: the MD5 of the DER in lower-case
	// hex (FORMATS 5). Fingerprint and Hash are zero if Kind is Unreadable.
	Hash string

	key string // PKCS#1 of the RSA public key
}

// RSAKey returns the public key of a certificate of Kind RSA.
func (c Certificate) RSAKey() (*rsa.PublicKey, error) {
	key, err := x509.ParsePKCS1PublicKey([]byte(c.key))
	if err != nil {
		return nil, fmt.Errorf("reading the RSA key known for %s: %w", c.Device, err)
	}
	return key, nil
}

// FromSubject returns the device that c names: its common name is DEVICE or,
// for names with a MAC address, ends in -DEVICE as in CP-8861-SEP001122334455.
func FromSubject(c *x509.Certificate) (Name, bool) {
	cn := c.Subject.CommonName
	last := cn[strings.LastIndexByte(cn, '-')+1:]
	if len(last) == hardwareLen && hardwareAt(last, 0) {
		return Parse(last)
	}
	return Parse(cn)
}

// entry is a Certificate as Certificates keeps it: 10,000 of them are in
// memory all the time.
type entry struct {
	kind        Kind
	fingerprint [sha256.Size]byte
	md5         [md5.Size]byte
	key         string
}

func newEntry(c *x509.Certificate) (entry, error) {
	e := entry{fingerprint: sha256.Sum256(c.Raw)}
	// An identifier that the phones' format fixes, nothing that protects.
	fips140.WithoutEnforcement(func() { e.md5 = md5.Sum(c.Raw) })
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		e.kind, e.key = RSA, string(x509.MarshalPKCS1PublicKey(key))
	case *ecdsa.PublicKey:
		e.kind = ECDSA
	default:
		return entry{}, fmt.Errorf("its %s key is neither RSA nor ECDSA", c.PublicKeyAlgorithm)
	}
	return e, nil
}

func (e entry) certificate(n Name) Certificate {
	c := Certificate{Device: n, Kind: e.kind, Fingerprint: e.fingerprint, key: e.key}
	if e.kind != Unreadable {
		c.Hash = hex.EncodeToString(e.md5[:])
	}
	return c
}
