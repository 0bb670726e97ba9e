// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

var made = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fullITL is the list of a cluster with every kind of record.
func fullITL(tb testing.TB) Spec {
	tb.Helper()
	host, addr := "ucm-a", netip.MustParseAddr("192.0.2.10")
	entry := func(name string, r Role) Entry {
		return Entry{Certificate: tlvtest.Key(tb, name).Cert, Role: r, Host: host, Address: addr}
	}
	return Spec{
		Kind: ITL, Time: made, Digest: crypto.SHA1, SignerVersion: signerVersion11,
		Entries: []Entry{
			entry("itlrecovery-rsa2048", SAST), entry("callmanager-rsa2048", SAST), entry("callmanager-rsa2048", TFTP),
			entry("callmanager-ec384", CCMTFTP), entry("capf-rsa2048", CAPF), entry("tvs-rsa2048", TVS), entry("appserver-rsa2048", AppServer),
		},
	}
}

func mustBuild(tb testing.TB, s Spec, signer string) []byte {
	tb.Helper()
	p := tlvtest.Key(tb, signer)
	data, err := Build(s, p.Cert, p.Key)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func equalCertificates(a, b *x509.Certificate) bool {
	return a == b || a != nil && b != nil && a.Equal(b)
}

func TestBuiltListsAreTakenApartAgain(t *testing.T) {
	cm := tlvtest.Key(t, "callmanager-rsa2048").Cert
	signed := func(name string, digest crypto.Hash) Spec {
		return Spec{Kind: CTL, Time: made, Digest: digest, Entries: []Entry{
			{Certificate: tlvtest.Key(t, name).Cert, Role: SAST}, {Certificate: cm, Role: CCM, Host: "h"},
		}}
	}
	sha512, plain := fullITL(t), fullITL(t)
	sha512.Digest = crypto.SHA512
	sha512.Entries[0].Address = netip.MustParseAddr("2001:db8::1")
	plain.SignerVersion = signerVersion10
	plain.Entries = slices.Delete(plain.Entries, 3, 4)
	for name, test := range map[string]struct {
		spec   Spec
		signer string
	}{
		"full ITL":          {fullITL(t), "itlrecovery-rsa2048"},
		"second SAST signs": {fullITL(t), "callmanager-rsa2048"},
		"SHA-512 and IPv6":  {sha512, "itlrecovery-rsa2048"},
		"signer version 1":  {plain, "itlrecovery-rsa2048"},
		"emptied":           {fullITL(t).Emptied(), "itlrecovery-rsa2048"},
		"RSA-1024":          {signed("sast-rsa1024", crypto.SHA1), "sast-rsa1024"},
		"RSA-4096":          {signed("sast-rsa4096", crypto.SHA512), "sast-rsa4096"},
		"names and serial":  {signed("names-torture", crypto.SHA1), "names-torture"},
		"serial one":        {signed("serial-one", crypto.SHA1), "serial-one"},
	} {
		t.Run(name, func(t *testing.T) {
			data := mustBuild(t, test.spec, test.signer)
			l := mustParse(t, data)
			if err := l.Verify(); err != nil {
				t.Error(err)
			}
			got, err := l.Spec()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.spec, got, cmp.Comparer(equalCertificates), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("Spec (-built +parsed):\n%s", diff)
			}
			if !bytes.Equal(mustBuild(t, got, test.signer), data) {
				t.Error("building again made other bytes")
			}
			if l.FileName() != test.spec.Kind.FileName() || len(data) > MaxSize {
				t.Errorf("name %q, %d bytes", l.FileName(), len(data))
			}
		})
	}
}

// tags are the tags of fields in their order, padding once.
func tags(fields tlv.Fields) []byte {
	var all []byte
	for _, f := range fields {
		all = append(all, f.Tag)
	}
	return all
}

func TestBuildWritesUnifiedCMsForm(t *testing.T) {
	l := mustParse(t, mustBuild(t, fullITL(t), "itlrecovery-rsa2048"))
	wantHeader := []byte{1, 2, 28, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15}
	if got := bytes.TrimSuffix(tags(l.header.Fields), []byte{13}); !bytes.Equal(got, wantHeader) {
		t.Errorf("header tags %d, want %d", got, wantHeader)
	}
	for i, r := range l.Records() {
		if got, want := tags(r.fields), []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !bytes.Equal(got, want) {
			t.Errorf("record %d has tags %d, want %d", i+1, got, want)
		}
	}
	if l.header.Size%4 != 0 {
		t.Errorf("header of %d bytes", l.header.Size)
	}
	want := "CN=ITLRECOVERY_ucm-a.example.test;OU=Lab;O=Example Org;L=Anytown;ST=ZZ;C=US"
	if got := l.SignedBy(); got.Name != want || got.Issuer != want {
		t.Errorf("signed by %q of %q, want %q", got.Name, got.Issuer, want)
	}
}

// An emptied server record has 33 bytes in Unified CM's lists for a host name
// of 12: length, host, role, address.
func TestEmptiedRecordIsUnifiedCMs(t *testing.T) {
	e := Entry{Role: CCMTFTP, Host: "10.48.47.153", Address: netip.MustParseAddr("10.48.47.153")}
	got, err := e.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "\x01\x00\x02\x00\x21" + "\x02\x00\x0d10.48.47.153\x00" + "\x04\x00\x02\x00\x02" + "\x0a\x00\x04\x0a\x30\x2f\x99"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmptiedListKeepsItsSigners(t *testing.T) {
	before := fullITL(t)
	l := mustParse(t, mustBuild(t, before.Emptied(), "itlrecovery-rsa2048"))
	var got []string
	for _, r := range l.Records() {
		_, err := r.Certificate()
		if err != nil && !errors.Is(err, ErrNoCertificate) {
			t.Error(err)
		}
		got = append(got, map[bool]string{true: r.Role().String(), false: r.Role().String() + " empty"}[err == nil])
	}
	want := []string{"SAST", "SAST", "TFTP empty", "CCM+TFTP empty", "CAPF", "TVS empty", "APP-SERVER"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if before.Entries[2].Certificate == nil {
		t.Error("Emptied changed the spec it was asked of")
	}
}

func TestBuildRefuses(t *testing.T) {
	entry := func(name string, r Role) Entry { return Entry{Certificate: tlvtest.Key(t, name).Cert, Role: r} }
	ed := edCertificate(t)
	for name, test := range map[string]struct {
		change func(*Spec)
		signer string
		want   string
	}{
		"ECDSA signer": {
			func(s *Spec) { s.Entries[0] = entry("sast-ec384", SAST) }, "sast-ec384",
			"CN=SAST-EC;OU=Lab;O=Example Org cannot sign for phones: its key is ECDSA P-384 and phones check RSA signatures only; use an RSA-2048 certificate",
		},
		"RSA-3072 signer": {
			func(s *Spec) { s.Entries[0] = entry("sast-rsa3072", SAST) }, "sast-rsa3072",
			"CN=SAST-3072;OU=Lab;O=Example Org cannot sign for phones: the header has no code for an RSA-3072 key; use RSA-2048, or RSA-4096, which desk phones do not take",
		},
		"signer not in the list": {
			func(*Spec) {}, "capf-rsa2048",
			"CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org cannot sign for phones: it is not in the list with the role SAST; add it, or sign with one that is",
		},
		"SHA-256": {
			func(s *Spec) { s.Digest = crypto.SHA256 }, "itlrecovery-rsa2048",
			"phones do not check SHA-256: use SHA-1 or SHA-512",
		},
		"three SAST": {
			func(s *Spec) {
				s.Entries = append(s.Entries, entry("sast-rsa4096", SAST), entry("sast-rsa1024", SAST))
			}, "itlrecovery-rsa2048",
			"the list has 4 SAST certificates and phones take 2: remove CN=SAST-4096;OU=Lab;O=Example Org and CN=SAST-1024;OU=Lab;O=Example Org",
		},
		"signer version": {
			func(s *Spec) { s.SignerVersion = Version{Major: 1, Minor: 2} }, "itlrecovery-rsa2048",
			"phones know no signer version 1.2: use 1.0 or 1.1",
		},
		"ECDSA with signer version 1.0": {
			func(s *Spec) { s.SignerVersion = signerVersion10 }, "itlrecovery-rsa2048",
			"CN=ucm-a-EC.example.test;OU=Lab;O=Example Org (CCM+TFTP): phones take ECDSA certificates with signer version 1.1 alone: set it, or remove the record",
		},
		"kind": {
			func(s *Spec) { s.Kind = "LTL" }, "itlrecovery-rsa2048",
			`there is no list of kind "LTL", only ITL and CTL`,
		},
		"role": {
			func(s *Spec) { s.Entries[4].Role = 99 }, "itlrecovery-rsa2048",
			"CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org (role 99): phones do not know this role: remove the record",
		},
		"host": {
			func(s *Spec) { s.Entries[4].Host = "a\x00b" }, "itlrecovery-rsa2048",
			"CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org (CAPF): a host name cannot hold a NUL byte",
		},
		"empty SAST": {
			func(s *Spec) { s.Entries[1] = Entry{Role: SAST, Host: "ucm-b"} }, "itlrecovery-rsa2048",
			"ucm-b (SAST): a SAST record needs its certificate: remove it or add the certificate",
		},
		"Ed25519": {
			func(s *Spec) { s.Entries[4].Certificate = ed }, "itlrecovery-rsa2048",
			"writing the record of CN=ed (CAPF): phones do not know this kind of key: use RSA, or ECDSA with P-256, P-384 or P-521",
		},
		"too large a record": {
			func(s *Spec) { s.Entries[4].Host = strings.Repeat("h", 65000) }, "itlrecovery-rsa2048",
			"writing the record of CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org (CAPF): the record would have 66567 bytes and 65535 is the limit: shorten the host name or use a smaller certificate",
		},
		"time": {
			func(s *Spec) { s.Time = time.Date(2107, 1, 1, 0, 0, 0, 0, time.UTC) }, "itlrecovery-rsa2048",
			"the time 2107-01-01T00:00:00Z does not fit into 32 bits: set the clock",
		},
		"too long": {
			func(s *Spec) {
				for len(s.Entries) < 41 {
					s.Entries = append(s.Entries, entry("tvs-rsa2048", TVS))
				}
			}, "itlrecovery-rsa2048",
			"the list would have 66106 bytes and phones take 65536: remove 1 of its 41 records, for example CN=tvs.ucm-a.example.test;OU=Lab;O=Example Org (TVS)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fullITL(t)
			test.change(&s)
			p := tlvtest.Key(t, test.signer)
			_, err := Build(s, p.Cert, p.Key)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			var signerError *SignerError
			if got, want := errors.As(err, &signerError), strings.Contains(test.want, "cannot sign"); got != want {
				t.Errorf("errors.As SignerError = %v", got)
			}
		})
	}
}

func edCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "ed"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// As many records as fit are taken, and the advice for one more is right.
func TestBuildTakesWhatFits(t *testing.T) {
	s := fullITL(t)
	p := tlvtest.Key(t, "itlrecovery-rsa2048")
	for {
		data, err := Build(s, p.Cert, p.Key)
		if err != nil {
			s.Entries = s.Entries[:len(s.Entries)-1]
			break
		}
		if len(data) > MaxSize {
			t.Fatalf("%d bytes", len(data))
		}
		s.Entries = append(s.Entries, Entry{Certificate: tlvtest.Key(t, "capf-rsa2048").Cert, Role: CAPF})
	}
	if got := len(mustBuild(t, s, "itlrecovery-rsa2048")); got <= MaxSize-2000 {
		t.Errorf("the largest list has %d bytes", got)
	}
}

type failingKey struct{ crypto.Signer }

var errToken = errors.New("token removed")

func (failingKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errToken }

func TestBuildTellsWhatTheKeySays(t *testing.T) {
	p := tlvtest.Key(t, "itlrecovery-rsa2048")
	_, err := Build(fullITL(t), p.Cert, failingKey{p.Key})
	if !errors.Is(err, errToken) {
		t.Errorf("got %v", err)
	}
}
