// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"cfgsrv/internal/tlv/tlvtest"
	"cfgsrv/trustlist"
)

var made = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestSignedFilesAreTakenApartAgain(t *testing.T) {
	for name, test := range map[string]struct {
		signer string
		digest crypto.Hash
		inner  string
		body   string
	}{
		"RSA-1024":     {"sast-rsa1024", crypto.SHA1, "a.sgn", "x"},
		"RSA-2048":     {"callmanager-rsa2048", crypto.SHA1, "SEP001122334455.cnf.xml.sgn", "<device/>"},
		"RSA-4096":     {"sast-rsa4096", crypto.SHA512, "Ringlist.xml.sgn", "<device/>"},
		"SHA-512":      {"callmanager-rsa2048", crypto.SHA512, "a.sgn", "x"},
		"empty":        {"callmanager-rsa2048", crypto.SHA1, "empty.xml.sgn", ""},
		"folder":       {"callmanager-rsa2048", crypto.SHA1, "New_Zealand/g3-tones.xml.sgn", "x"},
		"case is kept": {"callmanager-rsa2048", crypto.SHA1, "sep001122334455.CNF.XML.SGN", "x"},
		"bytes":        {"callmanager-rsa2048", crypto.SHA1, "\xff\x01 é.sgn", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			pair := tlvtest.Key(t, test.signer)
			header, err := mustSigner(t, pair, test.digest).Sign(test.inner, made, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			f := mustParse(t, append(header, test.body...))
			if _, err := f.Verify(pair.Cert); err != nil {
				t.Error(err)
			}
			if err := f.CheckName(test.inner); err != nil {
				t.Error(err)
			}
			if string(f.Body) != test.body || !f.Time().Equal(made) || f.Digest() != test.digest || f.Encrypted() || f.Size()%4 != 0 {
				t.Errorf("body %q, time %s, digest %s, encrypted %v, header of %d bytes", f.Body, f.Time(), f.Digest(), f.Encrypted(), f.Size())
			}
		})
	}
}

// The header has Unified CM's order, and names as Unified CM spells them.
func TestSignWritesUnifiedCMsForm(t *testing.T) {
	header, err := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), 0).Sign("a.sgn", made, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	f := mustParse(t, header)
	var got []byte
	for _, field := range f.tlv.Fields {
		got = append(got, field.Tag)
	}
	if want := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15}; !bytes.Equal(bytes.TrimSuffix(got, []byte{13}), want) {
		t.Errorf("tags %d, want %d", got, want)
	}
	if got, want := f.SignedBy().Issuer, "CN=ucm-a.example.test;OU=Lab;O=Example Org;L=Anytown;ST=ZZ;C=US"; got != want {
		t.Errorf("issuer %q, want %q", got, want)
	}
	if f.Digest() != crypto.SHA1 {
		t.Errorf("digest %s by default", f.Digest())
	}
}

// A phone finds the signer of a file in its trust list by the strings in both.
func TestSignerIsFoundInTheTrustList(t *testing.T) {
	for _, name := range []string{"callmanager-rsa2048", "names-torture"} {
		pair := tlvtest.Key(t, name)
		data, err := trustlist.Build(trustlist.Spec{Kind: trustlist.ITL, Time: made, Entries: []trustlist.Entry{
			{Certificate: pair.Cert, Role: trustlist.SAST}, {Certificate: pair.Cert, Role: trustlist.TFTP},
		}}, pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		list, err := trustlist.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		header, err := mustSigner(t, pair, 0).Sign("a.sgn", made, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		f := mustParse(t, header)
		record, ok := list.Find(f.SignedBy(), trustlist.TFTP, trustlist.CCMTFTP)
		if !ok {
			t.Errorf("%s is not in the list", f.SignedBy())
			continue
		}
		cert, err := record.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Verify(cert); err != nil {
			t.Error(err)
		}
	}
}

func TestNewSignerRefuses(t *testing.T) {
	capf := tlvtest.Key(t, "capf-rsa2048")
	for name, test := range map[string]struct {
		pair   tlvtest.Pair
		digest crypto.Hash
		want   string
	}{
		"ECDSA":      {tlvtest.Key(t, "callmanager-ec384"), crypto.SHA1, "CN=ucm-a-EC.example.test;OU=Lab;O=Example Org cannot sign for phones: its key is ECDSA P-384 and phones check RSA signatures only; use an RSA-2048 certificate"},
		"RSA-3072":   {tlvtest.Key(t, "sast-rsa3072"), crypto.SHA1, "CN=SAST-3072;OU=Lab;O=Example Org cannot sign for phones: the header has no code for an RSA-3072 key; use RSA-2048, or RSA-4096, which desk phones do not take"},
		"no key":     {tlvtest.Pair{Cert: capf.Cert}, crypto.SHA1, "CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org cannot sign for phones: its private key is not here; use a certificate whose key is"},
		"other key":  {tlvtest.Pair{Cert: capf.Cert, Key: tlvtest.Key(t, "tvs-rsa2048").Key}, crypto.SHA1, "CN=CAPF-1a2b3c4d;OU=Lab;O=Example Org cannot sign for phones: the private key belongs to another certificate; use the one that goes with it"},
		"SHA-256":    {capf, crypto.SHA256, "phones do not check SHA-256: use SHA-1 or SHA-512"},
		"MD5 either": {capf, crypto.MD5, "phones do not check MD5: use SHA-1 or SHA-512"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewSigner(test.pair.Cert, test.pair.Key, test.digest)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			var s *SignerError
			if got, want := errors.As(err, &s), strings.Contains(test.want, "cannot sign"); got != want {
				t.Errorf("errors.As SignerError = %v", got)
			}
		})
	}
}

var errDisk = errors.New("disk gone")

func TestSignRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		inner string
		at    time.Time
		body  io.Reader
		want  string
	}{
		"no name":     {"", made, strings.NewReader(""), "a signed file needs a name inside"},
		"NUL":         {"a\x00.sgn", made, strings.NewReader(""), "the name inside a signed file cannot hold a NUL byte"},
		"long name":   {strings.Repeat("a", 65200), made, strings.NewReader(""), "the header would have 65656 bytes and 65535 is the limit: shorten the names in it"},
		"before 1970": {"a.sgn", time.Time{}, strings.NewReader(""), "the time 0001-01-01T00:00:00Z does not fit into 32 bits: set the clock"},
		"content":     {"a.sgn", made, iotest.ErrReader(errDisk), "hashing the content: disk gone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), 0).Sign(test.inner, test.at, test.body)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	_, err := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), 0).Sign("a.sgn", made, iotest.ErrReader(errDisk))
	if !errors.Is(err, errDisk) {
		t.Errorf("the reader's error is lost in %v", err)
	}
}

// zeros is a content of any size that is nowhere in memory.
func zeros(size int64) io.Reader { return io.LimitReader(zeroReader{}, size) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A large file is signed and verified as it flows by.
func TestLargeFilesAreStreamed(t *testing.T) {
	const size, limit = 8 << 20, 128 << 10
	pair := tlvtest.Key(t, "callmanager-rsa2048")
	s := mustSigner(t, pair, crypto.SHA1)
	var header []byte
	sign := func() {
		var err error
		if header, err = s.Sign("load.sgn", made, zeros(size)); err != nil {
			t.Fatal(err)
		}
	}
	verify := func() {
		v, err := List(io.MultiReader(bytes.NewReader(header), zeros(size)), pair.Cert)
		if err != nil || !v.Verified || v.ContentLength != size {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	for name, f := range map[string]func(){"sign": sign, "verify": verify} {
		sign()
		if got := tlvtest.AllocatedBytesOnce(f); got > limit {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, got, size)
		}
	}
}

// Signing a small file makes one buffer, the header; the rest is the RSA
// operation's own.
func TestSigningAllocatesLittle(t *testing.T) {
	if tlvtest.Race {
		t.Skip("the race detector allocates too")
	}
	pair := tlvtest.Key(t, "callmanager-rsa2048")
	s := mustSigner(t, pair, crypto.SHA1)
	body := bytes.NewReader(make([]byte, 2000))
	sum := make([]byte, crypto.SHA1.Size())
	rsaOnly := testing.AllocsPerRun(20, func() {
		if _, err := pair.Key.Sign(nil, sum, crypto.SHA1); err != nil {
			t.Fatal(err)
		}
	})
	got := testing.AllocsPerRun(20, func() {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sign("SEP001122334455.cnf.xml.sgn", made, body); err != nil {
			t.Fatal(err)
		}
	})
	if got > rsaOnly+6 {
		t.Errorf("%v allocations, %v of them for RSA", got, rsaOnly)
	}
}

func BenchmarkSign(b *testing.B) {
	s := mustSigner(b, tlvtest.Key(b, "callmanager-rsa2048"), crypto.SHA1)
	body := bytes.NewReader(make([]byte, 20_000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Sign("SEP001122334455.cnf.xml.sgn", made, body); err != nil {
			b.Fatal(err)
		}
	}
}
