// SPDX-License-Identifier: Apache-2.0

package certstest

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cfgsrv/certs"
)

// Identity is a certificate with its issuers (leaf first, without the root)
// and its key: a device or an authority.
type Identity struct {
	Chain []*x509.Certificate
	Key   crypto.Signer
}

// Cert returns the identity's own certificate.
func (i Identity) Cert() *x509.Certificate { return i.Chain[0] }

// TLS returns the identity as a client presents it.
func (i Identity) TLS() tls.Certificate {
	c := tls.Certificate{PrivateKey: i.Key, Leaf: i.Cert()}
	for _, cert := range i.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// NewCA makes a self-signed authority (P-256).
func NewCA(t testing.TB, name string) Identity {
	t.Helper()
	key := Key(t, P256)
	template := authority(name)
	return Identity{Chain: []*x509.Certificate{sign(t, template, template, key, key)}, Key: key}
}

// CAPF is our own CAPF as an authority.
func CAPF(t testing.TB) Identity {
	t.Helper()
	p := Pair(t, certs.CAPF)
	return Identity{Chain: p.Chain, Key: p.Key}
}

// Intermediate makes an authority below the authority (P-256).
func (i Identity) Intermediate(t testing.TB, name string) Identity {
	t.Helper()
	key := Key(t, P256)
	return i.issue(t, authority(name), key)
}

// Device is what a device certificate says. The zero value of each field but
// CN has a use.
type Device struct {
	CN        string // such as SEP001122334455
	Key       KeyKind
	NotBefore time.Time // zero: an hour ago
	NotAfter  time.Time // zero: in a day
}

// Issue makes a device certificate below the authority.
func (i Identity) Issue(t testing.TB, d Device) Identity {
	t.Helper()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: d.CN, Organization: []string{"example"}, OrganizationalUnit: []string{"phones"}},
		NotBefore:   d.NotBefore,
		NotAfter:    d.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return i.issue(t, template, Key(t, d.Key))
}

// IssueUnit makes the certificate of a unit below the authority, with the key
// and the names of [Pair].
func (i Identity) IssueUnit(t testing.TB, u certs.Unit) certs.Pair {
	t.Helper()
	own := Pair(t, u)
	leaf := own.Leaf()
	issued := i.issue(t, &x509.Certificate{
		Subject:               leaf.Subject,
		DNSNames:              leaf.DNSNames,
		KeyUsage:              leaf.KeyUsage,
		ExtKeyUsage:           leaf.ExtKeyUsage,
		IsCA:                  leaf.IsCA,
		BasicConstraintsValid: true,
	}, own.Key)
	return certs.Pair{Unit: u, Chain: issued.Chain, Key: own.Key}
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"example"}},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
}

func (i Identity) issue(t testing.TB, template *x509.Certificate, key crypto.Signer) Identity {
	t.Helper()
	chain := []*x509.Certificate{sign(t, template, i.Cert(), key, i.Key)}
	for _, c := range i.Chain {
		if c.Subject.String() != c.Issuer.String() {
			chain = append(chain, c)
		}
	}
	return Identity{Chain: chain, Key: key}
}

func sign(t testing.TB, template, parent *x509.Certificate, key, parentKey crypto.Signer) *x509.Certificate {
	t.Helper()
	template.SerialNumber = must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)))(t)
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey))(t)
	return must(x509.ParseCertificate(der))(t)
}

// Trust puts certificates into a trust store, all into one file; its name is
// the first one's common name if none is given.
func Trust(t testing.TB, dir string, st certs.Store, name string, trusted ...*x509.Certificate) {
	t.Helper()
	store := filepath.Join(dir, string(st))
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	name = cmp.Or(name, trusted[0].Subject.CommonName)
	writeFile(t, filepath.Join(store, name+".pem"), CertPEM(trusted...), 0o644)
}

// CertPEM encodes certificates.
func CertPEM(all ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range all {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// KeyPEM encodes a key as PKCS#8.
func KeyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der := must(x509.MarshalPKCS8PrivateKey(key))(t)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
