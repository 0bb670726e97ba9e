// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"
)

func authority(cn string) *x509.Certificate {
	c := template(cn)
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.NotBefore, c.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	return c
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}

func TestProve(t *testing.T) {
	rootKey, interKey := newECKey(), newECKey()
	root := issue(t, authority("CAPF-1"), nil, rootKey, nil)
	inter := issue(t, authority("CAPF-2"), root, interKey, rootKey)
	other := issue(t, authority("CAPF-1"), nil, newECKey(), nil)
	device := func(change func(*x509.Certificate)) *x509.Certificate {
		c := template("CP-8861-SEP001122334455")
		change(c)
		return issue(t, c, root, ecKey(), rootKey)
	}
	plain := device(func(*x509.Certificate) {})
	longCN := device(func(c *x509.Certificate) { c.Subject.CommonName = "server.example.test" })
	self := issue(t, template("SEP001122334455"), nil, ecKey(), nil)
	below := issue(t, template("sep001122334455"), inter, ecKey(), interKey)

	for _, c := range []struct {
		name    string
		chain   []*x509.Certificate
		known   string // the file of lsc/; empty: none
		roots   *x509.CertPool
		revoked bool
		want    Name
		err     string
	}{
		{name: "chain to a root", chain: []*x509.Certificate{plain}, want: "SEP001122334455"},
		{name: "the one that is known", chain: []*x509.Certificate{plain}, known: string(pemOf(plain)), want: "SEP001122334455"},
		{name: "chain through what was presented", chain: []*x509.Certificate{below, inter}, want: "SEP001122334455"},
		{name: "odd usages", chain: []*x509.Certificate{device(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageIPSECEndSystem}
		})}, want: "SEP001122334455"},
		{name: "Jabber", chain: []*x509.Certificate{device(func(c *x509.Certificate) { c.Subject.CommonName = "CSFalice" })}, want: "CSFALICE"},

		{name: "nothing", err: "no certificate was presented"},
		{name: "intermediate not presented", chain: []*x509.Certificate{below}, err: "does not chain"},
		{name: "other CA of the same name", chain: []*x509.Certificate{plain}, roots: pool(other), err: "does not chain"},
		{name: "no roots at all", chain: []*x509.Certificate{plain}, roots: nil, err: "does not chain"},
		{name: "self-signed, though known", chain: []*x509.Certificate{self}, known: string(pemOf(self)), err: "does not chain"},
		{name: "signed by a device", chain: []*x509.Certificate{issue(t, template("SEP00112233449A"), plain, newECKey(), ecKey()), plain}, err: "does not chain"},
		{name: "expired", chain: []*x509.Certificate{device(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })}, err: "has expired"},
		{name: "not yet", chain: []*x509.Certificate{device(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) })}, err: "not valid yet"},
		{name: "critical extension", chain: []*x509.Certificate{device(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})}, err: "critical extension"},
		{name: "SHA-1", chain: []*x509.Certificate{device(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })}, err: "SHA-1"},
		{name: "names a server", chain: []*x509.Certificate{longCN}, err: "names no device"},
		{name: "another is known", chain: []*x509.Certificate{plain}, known: string(pemOf(self)), err: "not the one known for SEP001122334455"},
		{name: "the known one cannot be read", chain: []*x509.Certificate{plain}, known: "?", err: "known for SEP001122334455 cannot be read"},
		{name: "revoked", chain: []*x509.Certificate{plain}, revoked: true, err: "replaced or deleted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lsc := map[string]string{}
			if c.known != "" {
				lsc["SEP001122334455.pem"] = c.known
			}
			known, _ := LoadCertificates(folder(t, lsc))
			j := Judge{Roots: c.roots, Known: known}
			if c.roots == nil && c.name != "no roots at all" {
				j.Roots = pool(root)
			}
			if c.revoked {
				j.Revoked = func(f [sha256.Size]byte) bool { return f == sha256.Sum256(c.chain[0].Raw) }
			}
			got, err := j.Prove(c.chain, now)
			if got != c.want {
				t.Errorf("Prove() = %q, want %q", got, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("Prove() failed with %v, want %q", err, c.err)
			}
		})
	}
}

func TestFromSubject(t *testing.T) {
	for cn, want := range map[string]Name{
		"SEP001122334455":          "SEP001122334455",
		"CP-8861-SEP001122334455":  "SEP001122334455",
		"cp-8861-sep001122334455":  "SEP001122334455",
		"ATA191-ATA00112233449B":   "ATA00112233449B",
		"CSFalice":                 "CSFALICE",
		"BOTBOB":                   "BOTBOB",
		"x-CSFalice":               "",
		"SEP001122334455-x":        "",
		"CP-8861-SEP001122334455-": "",
		"CP 8861 SEP001122334455":  "",
		"SEP001122334455.example":  "",
		"CP-8861-XSEP001122334455": "",
		"CP-8861-SEP0011223344556": "",
		"ucm-a.example.test":       "",
		"":                         "",
	} {
		c := template(cn)
		if got, ok := FromSubject(c); got != want || ok != (want != "") {
			t.Errorf("FromSubject(CN %q) = %q, %v, want %q", cn, got, ok, want)
		}
	}
}

func BenchmarkProve(b *testing.B) {
	rootKey := newECKey()
	root := issue(b, authority("CAPF-1"), nil, rootKey, nil)
	chain := []*x509.Certificate{issue(b, template("SEP001122334455"), root, crypto.Signer(ecKey()), rootKey)}
	prove := func(j *Judge) {
		if _, err := j.Prove(chain, now); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			prove(&Judge{Roots: pool(root)})
		}
	})
	b.Run("again", func(b *testing.B) {
		j := &Judge{Roots: pool(root)}
		for b.Loop() {
			prove(j)
		}
	})
}
