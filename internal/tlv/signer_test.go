// SPDX-License-Identifier: Apache-2.0

package tlv_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

var made = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Each padding from 0 to 3 bytes comes about, as in the reference files.
func TestHeaderIsPaddedToWholeWords(t *testing.T) {
	for name, vector := range map[string]string{"a": "itl/pad-a.tlv", "ab": "itl/pad-ab.tlv", "abc": "itl/pad-abc.tlv", "abcd": "itl/pad-abcd.tlv"} {
		ref, err := tlv.ParseHeader(tlvtest.Read(t, vector))
		if err != nil {
			t.Fatal(err)
		}
		pair := tlvtest.SignerOf(t, ref)
		s, err := tlv.NewSigner(pair.Cert, pair.Key, crypto.SHA1)
		if err != nil {
			t.Fatal(err)
		}
		d := tlv.Draft{Version: ref.Version(), SignerVersion: ref.SignerVersion(), FileName: name, Time: ref.Time()}
		got, err := s.Header(d, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != ref.Size || got[8] != byte(len(got)>>8) || got[9] != byte(len(got)) {
			t.Errorf("%s: header of %d bytes says %x, the reference has %d", name, len(got), got[8:10], ref.Size)
		}
		if want := ref.Append(nil)[ref.Size-8:]; !bytes.Equal(got[len(got)-8:], want) {
			t.Errorf("%s: ends with %x, want %x", name, got[len(got)-8:], want)
		}
	}
}

func certificate(key any) *x509.Certificate {
	c := &x509.Certificate{PublicKey: key, SerialNumber: big.NewInt(1)}
	c.Subject = pkix.Name{Names: []pkix.AttributeTypeAndValue{attribute(cn, "x")}}
	return c
}

func rsaKey(bits uint) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
}

func TestNewSignerRefusesOddKeys(t *testing.T) {
	ed := certificate(ed25519.PublicKey(make([]byte, 32)))
	ed.PublicKeyAlgorithm = x509.Ed25519
	for name, test := range map[string]struct {
		cert *x509.Certificate
		want string
	}{
		"RSA-512":  {certificate(rsaKey(512)), "CN=x cannot sign for phones: RSA-512 is too short to be safe; use RSA-2048"},
		"RSA-1536": {certificate(rsaKey(1536)), "CN=x cannot sign for phones: the header has no code for an RSA-1536 key; use RSA-2048, or RSA-4096, which desk phones do not take"},
		"RSA-8192": {certificate(rsaKey(8192)), "CN=x cannot sign for phones: the header has no code for an RSA-8192 key; use RSA-2048, or RSA-4096, which desk phones do not take"},
		"Ed25519":  {ed, "CN=x cannot sign for phones: its key is Ed25519 and phones check RSA signatures only; use an RSA-2048 certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tlv.NewSigner(test.cert, tlvtest.Key(t, "capf-rsa2048").Key, crypto.SHA1)
			var s *tlv.SignerError
			if !errors.As(err, &s) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// shortToken signs with fewer bytes than its key has.
type shortToken struct{ crypto.Signer }

func (shortToken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 255), nil
}

func TestHeaderRefusesASignatureOfAnotherSize(t *testing.T) {
	pair := tlvtest.Key(t, "capf-rsa2048")
	s, err := tlv.NewSigner(pair.Cert, shortToken{pair.Key}, crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Header(tlv.Draft{FileName: "a", Time: made}, strings.NewReader(""))
	if want := "signing as CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org: the key gave 255 bytes instead of 256"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"CN=Zoë ucm": "CN=Zoë ucm", "a\x1b[2Jb": `a\u001b[2Jb`, "\x9b": `\ufffd`, "a\nb": `a\u000ab`, "\u202e": `\u202e`, "": "",
	} {
		if got := tlv.Printable(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
