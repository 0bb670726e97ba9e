// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

// Fields of an encrypted file's header, as FORMATS 4.1 has them.
var (
	iv      = "\x13\x00\x10" + strings.Repeat("i", 16)
	padding = "\x14\x00\x02\x00\x10"
	wrapped = "\x19\x00\x80" + strings.Repeat("w", 128)
	inner   = "\x1a\x00\x01\x01"
	sum     = "\x1b\x00\x14" + strings.Repeat("s", 20)
)

// encryptedHeader is a header of all that an encrypted file needs, in which
// the part that was is replaced.
func encryptedHeader(was, is string) []byte {
	parts := []string{tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(128), iv, padding, wrapped, inner, sum}
	for i, p := range parts {
		if p == was {
			parts[i] = is
		}
	}
	return tlvtest.Header("\x02\x00", parts...)
}

func TestParseRefuses(t *testing.T) {
	block := strings.Repeat("b", 16)
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                 {nil, "byte 0: the file ends before its header's length is told"},
		"other file":              {[]byte("<?xml version=\"1.0\"?>"), "byte 0: this is neither a trust list nor a signed file"},
		"version 3":               {tlvtest.Header("\x03\x00", tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(128)), "byte 0: version 3.0 is not that of a signed file"},
		"version 1 encrypted":     {tlvtest.Header("\x01\x00", tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(128), iv), "byte 149: IV stands in a file of version 1.0, which is not encrypted"},
		"no IV":                   {encryptedHeader(iv, ""), "byte 312: the header has no IV"},
		"no padding":              {encryptedHeader(padding, ""), "byte 326: the header has no PADDINGLENGTH"},
		"no key":                  {encryptedHeader(wrapped, ""), "byte 200: the header has no WRAPPEDKEY"},
		"no inner digest":         {encryptedHeader(inner, ""), "byte 327: the header has no PLAINDIGESTALGORITHM"},
		"no inner sum":            {encryptedHeader(sum, ""), "byte 308: the header has no PLAINDIGEST"},
		"padding of 0":            {append(encryptedHeader(padding, "\x14\x00\x02\x00\x00"), block...), "byte 168: PADDINGLENGTH is 0 and has to be 1 to 16"},
		"padding of 17":           {append(encryptedHeader(padding, "\x14\x00\x02\x00\x11"), block...), "byte 168: PADDINGLENGTH is 17 and has to be 1 to 16"},
		"IV of 15 bytes":          {encryptedHeader(iv, "\x13\x00\x0f"+strings.Repeat("i", 15)), "byte 149: IV has 15 bytes instead of 16"},
		"inner digest 2":          {append(encryptedHeader(inner, "\x1a\x00\x01\x02"), block...), "byte 304: inside, the digest is SHA-256 (2), which phones do not check: sign with SHA-1 or SHA-512"},
		"inner digest 3 of SHA-1": {append(encryptedHeader(inner, "\x1a\x00\x01\x03"), block...), "byte 308: PLAINDIGEST has 20 bytes and SHA-512 makes 64"},
		"key algorithm":           {append(encryptedHeader(inner, inner+"\x18\x00\x01\x02"), block...), "byte 308: key algorithm 2 is not known, only 1 (RSA) is"},
		"no content":              {encryptedHeader("", ""), "byte 331: the encrypted content has 0 bytes, which is not a whole number of blocks"},
		"half a block":            {append(encryptedHeader("", ""), "12345678"...), "byte 331: the encrypted content has 8 bytes, which is not a whole number of blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.data)
			var p *ParseError
			if !errors.As(err, &p) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if _, err := List(bytes.NewReader(test.data)); err == nil || err.Error() != test.want {
				t.Errorf("as a stream: got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// resigned is a signed file of parts and body, signed by the CallManager key.
func resigned(t *testing.T, version string, parts []string, body string) ([]byte, *x509.Certificate) {
	t.Helper()
	pair := tlvtest.Key(t, "callmanager-rsa2048")
	serial := string(tlv.AppendBytes(nil, tlv.TagSerialNumber, tlv.Serial(pair.Cert)...))
	data := append(tlvtest.Header(version, append([]string{serial, tlvtest.Signature(256)}, parts...)...), body...)
	f := mustParse(t, data)
	sum, err := f.tlv.Sum(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := pair.Key.Sign(nil, sum, f.Digest())
	if err != nil {
		t.Fatal(err)
	}
	copy(f.tlv.Signature(), sig)
	return data, pair.Cert
}

// Cisco's firmware has version 1.1, no time, names that are placeholders, and
// other writers had other orders and containers.
func TestVerifyTakesAnyLayout(t *testing.T) {
	const modulus = "\x0b\x00\x01\x02"
	for name, parts := range map[string][]string{
		"fewest tags":       {tlvtest.SHA1},
		"firmware":          {"\x03\x00\x1f", "\x04\x00\x0e" + "CN=someSigner\x00", "\x06\x00\x0e" + "CN=someSigner\x00", "\x07\x00\x0f", tlvtest.SHA1, "\x09\x00\x08", "\x0a\x00\x01\x00", modulus, "\x0e\x00\x08" + "a.loads\x00", "\r\r"},
		"any order":         {"\x0f\x00\x04\x6b\x04\x8b\x65", "\x0e\x00\x02a\x00", modulus, tlvtest.SHA1},
		"empty containers":  {"\x03\x00\x00", "\x07\x00\x00", "\x09\x00\x00", tlvtest.SHA1},
		"unknown tag":       {tlvtest.SHA1, "\x63\x00\x03xyz"},
		"padding in places": {"\r\r\r\r\r", tlvtest.SHA1, "\r"},
	} {
		t.Run(name, func(t *testing.T) {
			data, cert := resigned(t, "\x01\x01", parts, "content")
			f := mustParse(t, data)
			if _, err := f.Verify(cert); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(f.Marshal(), data) {
				t.Error("marshalled to other bytes")
			}
			if !f.Firmware() {
				t.Error("version 1.1 is not taken for firmware")
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := mustParse(t, tlvtest.Read(t, "sgn/one.xml.sgn"))
	cm := tlvtest.Key(t, "callmanager-rsa2048").Cert
	const who = "CN=ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US (serial 0B:7F:5C:DA:DF:B4:3C:9B:34:16:3D:AF:09:A6:39:9B)"
	ec := *tlvtest.Key(t, "callmanager-ec384").Cert
	ec.SerialNumber = cm.SerialNumber
	notGiven := "the signature does not verify: the file is signed by " + who + ", whose certificate is not among those tried"
	for name, test := range map[string]struct {
		candidates []*x509.Certificate
		want       string
	}{
		"no certificate":    {nil, notGiven},
		"other certificate": {[]*x509.Certificate{tlvtest.Key(t, "capf-rsa2048").Cert}, notGiven},
		"ECDSA certificate": {[]*x509.Certificate{&ec}, "checking the signature of " + who + ": the signature does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Verify(test.candidates...)
			if !errors.Is(err, ErrSignature) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	if _, err := f.Header.Verify(iotest.ErrReader(errDisk), cm); !errors.Is(err, errDisk) || errors.Is(err, ErrSignature) {
		t.Errorf("a broken reader gives %v", err)
	}
}

func TestOursIsNoFirmware(t *testing.T) {
	for _, name := range []string{"sgn/one.xml.sgn", "enc/sha1-rsa2048/*.enc.sgn"} {
		if mustParse(t, tlvtest.Read(t, name)).Firmware() {
			t.Errorf("%s is taken for firmware", name)
		}
	}
}

func TestCheckName(t *testing.T) {
	f := mustParse(t, tlvtest.Read(t, "sgn/g3-tones.xml.sgn"))
	if err := f.CheckName("New_Zealand/g3-tones.xml.sgn"); err != nil {
		t.Error(err)
	}
	want := `the file calls itself "New_Zealand/g3-tones.xml.sgn": a phone that asked for "g3-tones.xml.sgn" refuses it`
	if err := f.CheckName("g3-tones.xml.sgn"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestReadHeaderLeavesTheContent(t *testing.T) {
	data := tlvtest.Read(t, "sgn/SEP001122334455.cnf.xml.sgn")
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			r := wrap(bytes.NewReader(data))
			h, err := ReadHeader(r)
			if err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(rest, data[h.Size():]) {
				t.Errorf("%d bytes left of %d, %v", len(rest), len(data)-h.Size(), err)
			}
		})
	}
}

func TestReadHeaderTellsWhatTheReaderSays(t *testing.T) {
	data := tlvtest.Read(t, "sgn/one.xml.sgn")
	for _, n := range []int{0, 3, 10, 100} {
		r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(errDisk))
		if _, err := ReadHeader(r); !errors.Is(err, errDisk) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		var p *ParseError
		if _, err := ReadHeader(bytes.NewReader(data[:n])); !errors.As(err, &p) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// What a length claims costs nothing before it is known to be true.
func TestHostileLengthsAllocateNothing(t *testing.T) {
	claims := []byte("\x01\x00\x02\x01\x00\x02\x00\x02\xff\xff" + "\x0e\xff\xffx")
	if _, err := Parse(claims); err == nil {
		t.Fatal("taken")
	}
	if got := tlvtest.AllocatedBytes(func() { Parse(claims) }); got > 1<<10 {
		t.Errorf("Parse: %d bytes allocated", got)
	}
	if got := tlvtest.AllocatedBytes(func() { ReadHeader(bytes.NewReader(claims)) }); got > 4<<10 {
		t.Errorf("ReadHeader: %d bytes allocated", got)
	}
}

// Parse shares memory with its input, and appending to a part of it must not
// write into the next.
func TestPartsDoNotOverlap(t *testing.T) {
	data := slices.Clone(tlvtest.Read(t, "sgn/one.xml.sgn"))
	f := mustParse(t, data)
	for _, field := range f.tlv.Fields {
		_ = append(field.Value, 0xee)
	}
	if _, err := f.Verify(tlvtest.Key(t, "callmanager-rsa2048").Cert); err != nil {
		t.Error(err)
	}
	if f.Digest() != crypto.SHA1 {
		t.Error(f.Digest())
	}
}
