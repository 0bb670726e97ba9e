// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

func TestLSC(t *testing.T) {
	now := time.Now()
	ca := certstest.CAPF(t)
	key := certstest.Key(t, certstest.P384)
	i, err := NewIssuer(IssuerConfig{CA: ca.Cert(), Key: ca.Key})
	if err != nil {
		t.Fatal(err)
	}
	c, err := i.Issue(phone, key.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSignatureFrom(ca.Cert()); err != nil {
		t.Error(err)
	}
	if c.SignatureAlgorithm != x509.SHA256WithRSA || c.Version != 3 || c.IsCA || !c.BasicConstraintsValid {
		t.Errorf("%v, version %d, CA %t", c.SignatureAlgorithm, c.Version, c.IsCA)
	}
	if string(c.RawIssuer) != string(ca.Cert().RawSubject) {
		t.Errorf("issuer %v", c.Issuer)
	}
	own := ca.Cert().Subject
	want := own.Names[:0:0]
	for _, a := range own.Names {
		if !a.Type.Equal(oidCommonName) {
			want = append(want, a)
		}
	}
	if got := c.Subject.Names; got[0].Value != string(phone) || !cmp.Equal(got[1:], want) {
		t.Errorf("subject %v", c.Subject)
	}
	if n := c.SerialNumber.BitLen(); n > 128 || n < 64 {
		t.Errorf("a serial of %d bits", n)
	}
	if c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment {
		t.Errorf("key usage %b", c.KeyUsage)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageIPSECEndSystem}
	if !slices.Equal(c.ExtKeyUsage, usages) {
		t.Errorf("extended key usage %v", c.ExtKeyUsage)
	}
	if len(c.URIs) != 1 || c.URIs[0].String() != string(phone) {
		t.Errorf("URIs %v", c.URIs)
	}
	if len(c.SubjectKeyId) != 20 || string(c.AuthorityKeyId) != string(ca.Cert().SubjectKeyId) {
		t.Errorf("key identifiers %x, %x", c.SubjectKeyId, c.AuthorityKeyId)
	}
	for _, e := range c.Extensions {
		if critical := e.Id.Equal([]int{2, 5, 29, 15}) || e.Id.Equal([]int{2, 5, 29, 19}); e.Critical != critical {
			t.Errorf("extension %v is critical: %t", e.Id, e.Critical)
		}
	}
}

func TestValidity(t *testing.T) {
	ca := certstest.CAPF(t)
	end := ca.Cert().NotAfter
	now := time.Now()
	for name, test := range map[string]struct {
		days int
		now  time.Time
		want time.Time
		err  string
	}{
		"default":              {0, now, now.AddDate(0, 0, 1825), ""},
		"a year":               {365, now, now.AddDate(0, 0, 365), ""},
		"not beyond the CA":    {10000, now, end, ""},
		"the CA's last day":    {365, end.Add(-time.Hour), end, ""},
		"the CA is over":       {365, end.Add(time.Second), end, "not in its dates"},
		"the CA has not begun": {365, ca.Cert().NotBefore.Add(-time.Hour), end, "not in its dates"},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := NewIssuer(IssuerConfig{CA: ca.Cert(), Key: ca.Key, ValidityDays: test.days})
			if err != nil {
				t.Fatal(err)
			}
			c, err := i.Issue(phone, certstest.Key(t, certstest.P256).Public(), test.now)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("Issue = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want.After(end) {
				want = end
			}
			if d := c.NotAfter.Sub(want).Abs(); d > time.Second {
				t.Errorf("it ends %v, want %v", c.NotAfter, want)
			}
		})
	}
}

// FORMATS 6.3 has keys that crypto/rsa no longer makes.
func TestLSCForSmallKey(t *testing.T) {
	pub := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 511, 1), E: 65537}
	c, err := newIssuer(t).Issue(phone, pub, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := specOf(c.PublicKey); got != (keySpec{false, 512}) {
		t.Errorf("issued for %v", got)
	}
}

// The names of a CA are copied as they are, string types included.
func TestSubjectKeepsEncoding(t *testing.T) {
	printable := asn1.RawValue{Tag: asn1.TagPrintableString, Bytes: []byte("Example")}
	utf8 := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("Lab")}
	raw, err := asn1.Marshal([]relativeNameSET{
		{{asn1.ObjectIdentifier{2, 5, 4, 10}, printable}},
		{{oidCommonName, utf8}},
		{{asn1.ObjectIdentifier{2, 5, 4, 11}, utf8}},
	})
	if err != nil {
		t.Fatal(err)
	}
	key := certstest.Key(t, certstest.P256)
	i, err := NewIssuer(IssuerConfig{CA: selfSigned(t, key, &x509.Certificate{RawSubject: raw, IsCA: true, KeyUsage: x509.KeyUsageCertSign}), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	c, err := i.Issue(phone, key.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want, err := asn1.Marshal([]relativeNameSET{
		{{oidCommonName, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(phone)}}},
		{{asn1.ObjectIdentifier{2, 5, 4, 10}, printable}},
		{{asn1.ObjectIdentifier{2, 5, 4, 11}, utf8}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(c.RawSubject) != string(want) {
		t.Errorf("subject %x, want %x", c.RawSubject, want)
	}
}

func selfSigned(t testing.TB, key crypto.Signer, template *x509.Certificate) *x509.Certificate {
	t.Helper()
	template.SerialNumber, template.BasicConstraintsValid = big.NewInt(1), true
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if template.RawSubject == nil {
		template.Subject = pkix.Name{CommonName: "CAPF-00000000"}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewIssuerRefuses(t *testing.T) {
	key := certstest.Key(t, certstest.P256)
	ca := certstest.CAPF(t)
	for name, test := range map[string]struct {
		cfg  IssuerConfig
		want string
	}{
		"another RSA key":      {IssuerConfig{CA: ca.Cert(), Key: certstest.Other(t, certs.CAPF).Key}, "does not belong"},
		"another EC key":       {IssuerConfig{CA: certstest.NewCA(t, "CA").Cert(), Key: key}, "does not belong"},
		"no CA":                {IssuerConfig{CA: selfSigned(t, key, &x509.Certificate{KeyUsage: x509.KeyUsageCertSign}), Key: key}, "may not sign"},
		"not for certificates": {IssuerConfig{CA: selfSigned(t, key, &x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature}), Key: key}, "may not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewIssuer(test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewIssuer = %v", err)
			}
		})
	}
}

// Without good random numbers no LSC is issued, and the session says why.
func TestUnhealthyEntropy(t *testing.T) {
	sick := errors.New("the random source repeats itself")
	ca := certstest.CAPF(t)
	i, err := NewIssuer(IssuerConfig{CA: ca.Cert(), Key: ca.Key, Healthy: func() error { return sick }})
	if err != nil {
		t.Fatal(err)
	}
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = i })
	o.order(phone, Order{Operation: Install})
	if _, err := Enrol(t.Context(), o.caller()); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	if r := o.last(1); r.Outcome != Refused || !strings.Contains(r.Reason, sick.Error()) {
		t.Errorf("record: %+v", r)
	}
	if o.holds(phone) != nil {
		t.Error("an LSC was issued")
	}
}

func TestFolder(t *testing.T) {
	f := Folder(t.TempDir())
	ca := certstest.NewCA(t, "CA")
	const n = "SEP00AABBCCDDEE"
	one, two := ca.Issue(t, certstest.Device{CN: n}).Cert(), ca.Issue(t, certstest.Device{CN: n}).Cert()
	if _, err := f.Read(n); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read = %v, want fs.ErrNotExist", err)
	}
	if err := f.Remove(n); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	writeFile(t, f, "SEP00aabbccddee.pem", string(certstest.CertPEM(one)))
	if c, err := f.Read(n); err != nil || !c.Equal(one) {
		t.Errorf("a file in lower case: %v, %v", c, err)
	}
	if err := f.Write(n, two); err != nil {
		t.Fatal(err)
	}
	if c, err := f.Read(n); err != nil || !c.Equal(two) {
		t.Errorf("Read = %v, %v", c, err)
	}
	files, err := os.ReadDir(string(f))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Name() != n+".pem" {
		t.Errorf("the folder holds %v", files)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := f.Remove(n); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(n); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Read = %v, want fs.ErrNotExist", err)
	}
	for _, text := range []string{"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		writeFile(t, f, n+".pem", text)
		if _, err := f.Read(n); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("Read of %q = %v, want ErrNoCertificate", text, err)
		}
	}
}
