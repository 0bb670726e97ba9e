// SPDX-License-Identifier: Apache-2.0

package tlv_test

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

func headers(tb testing.TB) []tlvtest.Vector {
	tb.Helper()
	return slices.Concat(tlvtest.Vectors(tb, "?tl/*.tlv"), tlvtest.Vectors(tb, "sgn/*.sgn"), tlvtest.Vectors(tb, "enc/*/*.sgn"), tlvtest.Vectors(tb, "cucm/*.tlv"))
}

func TestHeadersMarshalToTheSameBytes(t *testing.T) {
	for _, v := range headers(t) {
		h, err := tlv.ParseHeader(v.Data)
		if err != nil {
			t.Errorf("%s: %v", v.Path, err)
			continue
		}
		if got := h.Append(nil); !bytes.Equal(got, v.Data[:h.Size]) {
			t.Errorf("%s: marshalled to other bytes", v.Path)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	header := func(parts ...string) []byte { return tlvtest.Header("\x01\x02", parts...) }
	const serial, sha1 = tlvtest.Serial, tlvtest.SHA1
	sig := tlvtest.Signature(256)
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":             {nil, "byte 0: the file ends before its header's length is told"},
		"nine bytes":          {header()[:9], "byte 9: the file ends before its header's length is told"},
		"version first":       {[]byte("\x02\x00\x02\x00\x0a\x01\x00\x02\x01\x02"), "byte 0: this is neither a trust list nor a signed file"},
		"length second":       {[]byte("\x01\x00\x02\x01\x02\x05\x00\x02\x00\x0a"), "byte 0: this is neither a trust list nor a signed file"},
		"length of 9":         {[]byte("\x01\x00\x02\x01\x02\x02\x00\x02\x00\x09"), "byte 5: HEADERLENGTH is 9, less than the 10 bytes before"},
		"longer than file":    {[]byte("\x01\x00\x02\x01\x02\x02\x00\x02\x00\x0b"), "byte 5: HEADERLENGTH is 11 and the file has 10 bytes"},
		"no serial number":    {header(sha1, sig), "byte 273: the header has no SERIALNUMBER"},
		"no digest":           {header(serial, sig), "byte 273: the header has no DIGESTALGORTITHM"},
		"no signature":        {header(serial, sha1), "byte 18: the header has no SIGNATURE"},
		"version twice":       {header(serial, sha1, sig, "\x01\x00\x02\x01\x02"), "byte 277: VERSION stands twice"},
		"signature twice":     {header(serial, sha1, sig, sig), "byte 277: SIGNATURE stands twice"},
		"unknown twice":       {header(serial, sha1, sig, "\x63\x00\x00", "\x63\x00\x00"), "byte 280: UNKNOWN stands twice"},
		"digest of 2 bytes":   {header(serial, "\x08\x00\x02\x00\x01", sig), "byte 14: DIGESTALGORTITHM has 2 bytes instead of 1"},
		"digest 2":            {header(serial, "\x08\x00\x01\x02", sig), "byte 14: the digest is SHA-256 (2), which phones do not check: sign with SHA-1 or SHA-512"},
		"digest 4":            {header(serial, "\x08\x00\x01\x04", sig), "byte 14: digest 4 is not known: sign with SHA-1 (1) or SHA-512 (3)"},
		"ECDSA":               {header(serial, sha1, "\x0a\x00\x01\x01", sig), "byte 18: signature algorithm 1 is not known, only 0 (RSA) is"},
		"other modulus":       {header(serial, sha1, "\x0b\x00\x01\x01", sig), "byte 18: modulus code 1 does not go with a signature of 256 bytes"},
		"unknown modulus":     {header(serial, sha1, "\x0b\x00\x01\x04", sig), "byte 18: modulus code 4 does not go with a signature of 256 bytes"},
		"RSA-3072":            {header(serial, sha1, "\x0b\x00\x01\x03", tlvtest.Signature(384)), "byte 18: modulus code 3 does not go with a signature of 384 bytes"},
		"name without NUL":    {header(serial, sha1, sig, "\x0e\x00\x01x"), "byte 277: FILENAME does not end with its only NUL"},
		"empty name":          {header(serial, sha1, sig, "\x0e\x00\x00"), "byte 277: FILENAME does not end with its only NUL"},
		"name with NULs":      {header(serial, sha1, sig, "\x04\x00\x04a\x00b\x00"), "byte 277: SIGNERNAME does not end with its only NUL"},
		"time of 8 bytes":     {header(serial, sha1, sig, "\x0f\x00\x0812345678"), "byte 277: TIMESTAMP has 8 bytes instead of 4"},
		"past the header":     {header(serial, sha1, sig, "\x0e\x00\x05ab\x00"), "byte 277: FILENAME states 5 bytes where 3 are left"},
		"into the body":       {append(header(serial, sha1, sig, "\x0e\x00\x05ab\x00"), "body"...), "byte 277: FILENAME states 5 bytes where 3 are left"},
		"cut tag":             {header(serial, sha1, sig, "\x0e\x00"), "byte 277: FILENAME is cut off"},
		"signer version of 1": {header(serial, sha1, sig, "\x1c\x00\x01\x01"), "byte 277: SIGNERVERSION has 1 bytes instead of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tlv.ParseHeader(test.data)
			var p *tlv.ParseError
			if !errors.As(err, &p) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A header with the fewest tags says nothing of the others.
func TestSmallestHeader(t *testing.T) {
	h, err := tlv.ParseHeader(tlvtest.Header("\x01\x02", tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(3)))
	if err != nil {
		t.Fatal(err)
	}
	if h.FileName() != "" || !h.Time().IsZero() || h.SignerVersion() != (tlv.Version{}) || h.Signer().Name != "" {
		t.Errorf("name %q, time %s, signer version %s, signer %s", h.FileName(), h.Time(), h.SignerVersion(), h.Signer())
	}
	if h.Version() != (tlv.Version{Major: 1, Minor: 2}) || h.Digest() != crypto.SHA1 || len(h.Signature()) != 3 {
		t.Errorf("version %s, digest %s, signature of %d bytes", h.Version(), h.Digest(), len(h.Signature()))
	}
}

// The time is unsigned: it goes on after 2038.
func TestTimeIsUnsigned(t *testing.T) {
	h, err := tlv.ParseHeader(tlvtest.Header("\x01\x02", tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(3), "\x0f\x00\x04\xff\xff\xff\xff"))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC); !h.Time().Equal(want) {
		t.Errorf("got %s, want %s", h.Time(), want)
	}
}

func TestSumTellsWhatTheReaderSays(t *testing.T) {
	h, err := tlv.ParseHeader(tlvtest.Read(t, "sgn/one.xml.sgn"))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk gone")
	if _, err := h.Sum(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestVerifySumRefuses(t *testing.T) {
	h, err := tlv.ParseHeader(tlvtest.Read(t, "sgn/one.xml.sgn"))
	if err != nil {
		t.Fatal(err)
	}
	sum := make([]byte, crypto.SHA1.Size())
	for key, want := range map[string]string{
		"callmanager-rsa2048": "the signature does not verify",
		"sast-rsa4096":        "the signature does not verify",
		"callmanager-ec256":   "the signature does not verify: the key of CN=ucm-a-EC.example.test;OU=Lab;O=Example Org is not RSA",
	} {
		err := h.VerifySum(sum, tlvtest.Key(t, key).Cert)
		if !errors.Is(err, tlv.ErrSignature) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", key, err, want)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	seeds := headers(f)
	if len(seeds) < 49 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	for _, v := range seeds {
		f.Add(v.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := tlv.ParseHeader(data)
		if err != nil {
			return
		}
		if !bytes.Equal(h.Append(nil), data[:h.Size]) {
			t.Error("marshalled to other bytes")
		}
	})
}
