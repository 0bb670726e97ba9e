// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"software.sslmate.com/src/go-pkcs12"
)

// bag is a PKCS#7 bag of certificates, as RFC 2315 has it.
type bag struct {
	Type    asn1.ObjectIdentifier
	Content bagData `asn1:"explicit,tag:0"`
}

type bagData struct {
	Version int
	Digests []pkix.AlgorithmIdentifier `asn1:"set"`
	Content struct {
		Type asn1.ObjectIdentifier
	}
	Certificates asn1.RawValue
	Signers      []asn1.RawValue `asn1:"set"`
}

// pkcs7 makes a bag; change spoils it.
func pkcs7(t testing.TB, change func(*bag), all ...*x509.Certificate) []byte {
	t.Helper()
	b := bag{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}}
	b.Content.Version = 1
	b.Content.Content.Type = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	var raw []byte
	for _, c := range all {
		raw = append(raw, c.Raw...)
	}
	b.Content.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: raw}
	change(&b)
	der, err := asn1.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func sound(*bag) {}

func encodePEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func TestParseBundle(t *testing.T) {
	pair := certstest.Pair(t, certs.TomcatECDSA)
	ca := certstest.NewCA(t, "ca").Cert()
	leaf := pair.Leaf()
	both := []*x509.Certificate{leaf, ca}
	p12, err := pkcs12.Modern2023.Encode(pair.Key, leaf, both[1:], "secret")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := pkcs12.LegacyDES.Encode(pair.Key, leaf, both[1:], "secret")
	if err != nil {
		t.Fatal(err)
	}
	store, err := pkcs12.Modern2023.EncodeTrustStore(both, "secret")
	if err != nil {
		t.Fatal(err)
	}
	key := certstest.KeyPEM(t, pair.Key)
	for name, tt := range map[string]struct {
		data []byte
		want int // certificates
		key  bool
	}{
		"PEM":                       {certstest.CertPEM(leaf, ca), 2, false},
		"PEM with text":             {append([]byte("subject=CN = x\r\n"), bytes.ReplaceAll(certstest.CertPEM(leaf), []byte("\n"), []byte("\r\n"))...), 1, false},
		"PEM with byte order mark":  {append([]byte("\xef\xbb\xbf"), certstest.CertPEM(leaf)...), 1, false},
		"PEM with key":              {append(key, certstest.CertPEM(leaf)...), 1, true},
		"DER":                       {leaf.Raw, 1, false},
		"DER, two":                  {append(append([]byte{}, leaf.Raw...), ca.Raw...), 2, false},
		"PKCS#7":                    {pkcs7(t, sound, both...), 2, false},
		"PKCS#7 in PEM":             {encodePEM("PKCS7", pkcs7(t, sound, both...)), 2, false},
		"PKCS#7 named CMS":          {encodePEM("CMS", pkcs7(t, sound, both...)), 2, false},
		"PKCS#7 named certificate":  {encodePEM("CERTIFICATE", pkcs7(t, sound, both...)), 2, false},
		"PKCS#12":                   {p12, 2, true},
		"PKCS#12 of old":            {legacy, 2, true},
		"PKCS#12 without a key":     {store, 2, false},
		"PKCS#7 beside certificate": {append(encodePEM("PKCS7", pkcs7(t, sound, ca)), certstest.CertPEM(leaf)...), 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := certs.ParseBundle("file", tt.data, "secret")
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Certificates) != tt.want || (b.Key != nil) != tt.key || b.Name != "file" {
				t.Errorf("%d certificates, key %v, of %s", len(b.Certificates), b.Key != nil, b.Name)
			}
			for _, c := range b.Certificates {
				if !c.Equal(leaf) && !c.Equal(ca) {
					t.Errorf("got %s", c.Subject)
				}
			}
			if tt.key && !equalKeys(b.Key.Public(), leaf.PublicKey) {
				t.Error("another key")
			}
		})
	}
}

func TestParseBundleRefuses(t *testing.T) {
	pair := certstest.Pair(t, certs.TomcatECDSA)
	leaf := pair.Leaf()
	key := certstest.KeyPEM(t, pair.Key)
	p12, err := pkcs12.Modern2023.Encode(pair.Key, leaf, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	signed := func(b *bag) { b.Content.Signers = []asn1.RawValue{{Tag: asn1.TagSequence, IsCompound: true}} }
	other := func(b *bag) { b.Type = b.Content.Content.Type }
	enveloped := func(b *bag) { b.Content.Content.Type = b.Type }
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                    {nil, "is in none of the formats"},
		"text":                     {[]byte("hello"), "is in none of the formats"},
		"integer":                  {[]byte{2, 1, 0}, "is in none of the formats"},
		"large":                    {make([]byte, 5<<20), "is larger than"},
		"cut PEM":                  {certstest.CertPEM(leaf)[:200], "line 1: a PEM block begins that does not end"},
		"broken certificate":       {encodePEM("CERTIFICATE", []byte{0x30, 0}), "line 1: a certificate is broken"},
		"request":                  {encodePEM("CERTIFICATE REQUEST", nil), "line 1: holds a CERTIFICATE REQUEST, which is neither"},
		"key alone":                {key, "holds no certificate"},
		"two keys":                 {append(append(key, key...), certstest.CertPEM(leaf)...), "holds 2 PEM blocks where one key belongs"},
		"key with passphrase":      {append(encodePEM("ENCRYPTED PRIVATE KEY", nil), certstest.CertPEM(leaf)...), "line 1: the key is protected by a passphrase"},
		"cut DER":                  {leaf.Raw[:len(leaf.Raw)-1], "is in none of the formats"},
		"DER and more":             {append(append([]byte{}, leaf.Raw...), 1), "cannot be read as certificate in DER"},
		"PKCS#7 that signs":        {pkcs7(t, signed, leaf), "cannot be read as PKCS#7: it signs something"},
		"PKCS#7 of enveloped data": {pkcs7(t, enveloped, leaf), "cannot be read as PKCS#7: it signs something"},
		"PKCS#7 of data":           {pkcs7(t, other, leaf), "cannot be read as PKCS#7: its content is of type 1.2.840.113549.1.7.1"},
		"PKCS#7 without any":       {pkcs7(t, sound), "cannot be read as PKCS#7: there is no certificate in it"},
		"PKCS#7 and more":          {append(pkcs7(t, sound, leaf), 0), "cannot be read as PKCS#7: 1 bytes follow its end"},
		"PKCS#7 broken in PEM":     {encodePEM("PKCS7", []byte{0x30, 0}), "line 1: the PKCS#7 is broken"},
		"PKCS#12 cut":              {p12[:len(p12)-1], "is in none of the formats"},
		"PKCS#12 of nothing":       {[]byte{0x30, 3, 2, 1, 3}, "cannot be read as PKCS#12"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := certs.ParseBundle("file", tt.data, "secret")
			f, ok := errors.AsType[*certs.Fault](err)
			if !ok || !strings.HasPrefix(err.Error(), "file: "+tt.want) || f.Do == "" {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	if _, err := certs.ParseBundle("file", p12, "wrong"); err == nil || !strings.Contains(err.Error(), "another password, or damaged (give its password") {
		t.Errorf("got %v", err)
	}
}

func TestParseKey(t *testing.T) {
	pair := certstest.Pair(t, certs.TomcatECDSA)
	key := certstest.KeyPEM(t, pair.Key)
	block, _ := pem.Decode(key)
	for name, data := range map[string][]byte{
		"PEM": key, "DER": block.Bytes, "PEM beside its certificate": append(certstest.CertPEM(pair.Leaf()), key...),
	} {
		got, err := certs.ParseKey("file", data)
		if err != nil || !equalKeys(got.Public(), pair.Leaf().PublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"holds 0 PEM blocks":          certstest.CertPEM(pair.Leaf()),
		"holds no private key":        pair.Leaf().Raw,
		"line 1: a PEM block":         key[:60],
		"line 1: the key is protect":  encodePEM("ENCRYPTED PRIVATE KEY", nil),
		"line 1: the key cannot sign": x25519Key(t),
	} {
		if _, err := certs.ParseKey("file", data); err == nil || !strings.HasPrefix(err.Error(), "file: "+name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

// TestOpenSSLBundles reads what the other implementation writes.
func TestOpenSSLBundles(t *testing.T) {
	openssl := needOpenSSL(t)
	dir := certstest.Dir(t, certs.TomcatECDSA)
	cert, key, out := filepath.Join(dir, "tomcat-ECDSA.pem"), filepath.Join(dir, "tomcat-ECDSA.key"), filepath.Join(dir, "out")
	for name, args := range map[string][]string{
		"PKCS#7":          {"crl2pkcs7", "-nocrl", "-certfile", cert, "-out", out},
		"PKCS#7 in DER":   {"crl2pkcs7", "-nocrl", "-certfile", cert, "-outform", "der", "-out", out},
		"PKCS#12":         {"pkcs12", "-export", "-in", cert, "-inkey", key, "-passout", "pass:secret", "-out", out},
		"PKCS#12 of old":  {"pkcs12", "-export", "-descert", "-in", cert, "-inkey", key, "-passout", "pass:secret", "-out", out},
		"DER":             {"x509", "-in", cert, "-outform", "der", "-out", out},
		"PEM with text":   {"x509", "-in", cert, "-text", "-out", out},
		"without own key": {"x509", "-in", cert, "-out", out},
	} {
		if text, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		b, err := certs.ParseBundle("out", read(t, dir, "out"), "secret")
		if err != nil || len(b.Certificates) != 1 || !b.Certificates[0].Equal(certstest.Pair(t, certs.TomcatECDSA).Leaf()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	pair := certstest.Pair(f, certs.TomcatECDSA)
	f.Add(certstest.CertPEM(pair.Leaf()))
	f.Add(append(certstest.KeyPEM(f, pair.Key), certstest.CertPEM(pair.Leaf())...))
	f.Add(pair.Leaf().Raw)
	f.Add([]byte{0x30, 3, 2, 1, 3})
	f.Add([]byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// PKCS#12 says itself how long its key is to be derived.
		if len(data) > 4 && bytes.Contains(data[:min(len(data), 12)], []byte{2, 1, 3}) {
			return
		}
		b, err := certs.ParseBundle("file", data, "")
		if err == nil && len(b.Certificates) == 0 {
			t.Error("neither certificates nor an error")
		}
		if _, fault := errors.AsType[*certs.Fault](err); err != nil && !fault {
			t.Errorf("not a fault: %v", err)
		}
	})
}

// FuzzParsePKCS7 sees that a bag holds its certificates as they stand there.
func FuzzParsePKCS7(f *testing.F) {
	f.Add([]byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"))
	f.Add(pkcs7(f, sound, certstest.Pair(f, certs.TomcatECDSA).Leaf()))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := certs.ParsePKCS7(data)
		if err != nil {
			return
		}
		for _, c := range found {
			if !bytes.Contains(data, c.Raw) {
				t.Error("a certificate out of nothing")
			}
		}
	})
}
