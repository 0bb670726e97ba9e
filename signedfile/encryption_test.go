// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"testing/iotest"

	"cfgsrv/internal/tlv/tlvtest"
)

func recipient(tb testing.TB, phone string) Recipient {
	tb.Helper()
	return Recipient{Key: tlvtest.Key(tb, phone).Cert.PublicKey.(*rsa.PublicKey), Name: "SEP001122334455.cnf.xml.enc.sgn", Time: made}
}

func TestEncryptedFilesAreDecryptedAgain(t *testing.T) {
	cm := tlvtest.Key(t, "callmanager-rsa2048")
	for _, phone := range []string{"phone-lsc-rsa1024", "phone-lsc-rsa2048", "phone-lsc-rsa3072", "phone-lsc-rsa4096"} {
		for _, digest := range []crypto.Hash{crypto.SHA1, crypto.SHA512} {
			t.Run(fmt.Sprint(phone, " ", digest), func(t *testing.T) {
				data, err := mustSigner(t, cm, digest).Encrypt(recipient(t, phone), []byte("<device/>"))
				if err != nil {
					t.Fatal(err)
				}
				f := mustParse(t, data)
				if _, err := f.Verify(cm.Cert); err != nil {
					t.Error(err)
				}
				got, err := f.Decrypt(tlvtest.Key(t, phone).Key.(*rsa.PrivateKey))
				if err != nil || string(got) != "<device/>" {
					t.Errorf("got %q, %v", got, err)
				}
				if bytes.Contains(data, []byte("<device/>")) || !f.Encrypted() {
					t.Error("not encrypted")
				}
			})
		}
	}
}

// Every length up to some blocks comes back, padded by 1 to 16 bytes.
func TestEncryptPadsEveryLength(t *testing.T) {
	s := mustSigner(t, tlvtest.Key(t, "sast-rsa1024"), crypto.SHA1)
	phone := tlvtest.Key(t, "phone-lsc-rsa1024").Key.(*rsa.PrivateKey)
	for n := range 35 {
		plain := bytes.Repeat([]byte{0x0D}, n)
		data, err := s.Encrypt(recipient(t, "phone-lsc-rsa1024"), plain)
		if err != nil {
			t.Fatal(err)
		}
		f := mustParse(t, data)
		if want := 16 - n%16; f.encryption.padding != want || len(f.Body) != n+want {
			t.Errorf("%d bytes are padded by %d to %d", n, f.encryption.padding, len(f.Body))
		}
		if got, err := f.Decrypt(phone); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came back as %q, %v", n, got, err)
		}
	}
}

func TestEncryptIsFreshEachTime(t *testing.T) {
	s := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), crypto.SHA1)
	seen := map[string]string{}
	for range 4 {
		data, err := s.Encrypt(recipient(t, "phone-lsc-rsa1024"), []byte("<device/>"))
		if err != nil {
			t.Fatal(err)
		}
		f := mustParse(t, data)
		for what, b := range map[string][]byte{"IV": f.encryption.iv, "wrapped key": f.encryption.wrapped, "content": f.Body} {
			if seen[string(b)] != "" {
				t.Errorf("the %s was used before", what)
			}
			seen[string(b)] = what
		}
	}
}

// The key and the IV are what Rand gave, in this order.
func TestEncryptTakesItsKeyFromRand(t *testing.T) {
	to := recipient(t, "phone-lsc-rsa2048")
	to.Rand = io.MultiReader(strings.NewReader("0123456789abcdefFEDCBA9876543210"), rand.Reader)
	data, err := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), crypto.SHA1).Encrypt(to, []byte("<device/>"))
	if err != nil {
		t.Fatal(err)
	}
	f := mustParse(t, data)
	key, err := tlvtest.Key(t, "phone-lsc-rsa2048").Key.(*rsa.PrivateKey).Decrypt(rand.Reader, f.encryption.wrapped, nil)
	if err != nil || string(key) != "0123456789abcdef" || string(f.encryption.iv) != "FEDCBA9876543210" {
		t.Errorf("key %q, IV %q, %v", key, f.encryption.iv, err)
	}
}

// The offsets of FORMATS 4.1 are those of this layout; the signer's names have
// the same length in either spelling.
func TestEncryptWritesTheKnownLayout(t *testing.T) {
	data, err := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), crypto.SHA1).Encrypt(recipient(t, "phone-lsc-rsa2048"), []byte("<device/>"))
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[int]string{
		0: "\x01\x00\x02\x02\x00", 443: "\x0e\x00\x20", 478: "\x0f\x00\x04", 485: "\x10\x01\x32", 488: "\x11\x00\x1c", 491: "\x12\x00\x01\x00",
		495: "\x13\x00\x10", 514: "\x14\x00\x02\x00\x07", 519: "\x15\x01\x10", 522: "\x16\x00\x01\x00", 526: "\x17\x00\x02\x08\x00",
		531: "\x18\x00\x01\x01", 535: "\x19\x01\x00", 794: "\x1a\x00\x01\x01", 798: "\x1b\x00\x14", 821: "\r\r\r",
	} {
		if got := data[offset : offset+len(want)]; string(got) != want {
			t.Errorf("byte %d: got %x, want %x", offset, got, want)
		}
	}
	if len(data) != 824+16 {
		t.Errorf("%d bytes", len(data))
	}
}

func TestEncryptRefuses(t *testing.T) {
	const phone = "no encrypted configuration for a.enc.sgn: the phone's key is "
	for name, test := range map[string]struct {
		bits uint
		want string
	}{
		"RSA-512":  {512, phone + "RSA-512; enrol it anew with RSA of 1024 to 4096 bits"},
		"RSA-8192": {8192, phone + "RSA-8192; enrol it anew with RSA of 1024 to 4096 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), crypto.SHA1)
			key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), test.bits-1), E: 65537}
			_, err := s.Encrypt(Recipient{Key: key, Name: "a.enc.sgn", Time: made}, nil)
			var p *PhoneError
			if !errors.As(err, &p) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestEncryptTellsWhatFailed(t *testing.T) {
	s := mustSigner(t, tlvtest.Key(t, "callmanager-rsa2048"), crypto.SHA1)
	to := recipient(t, "phone-lsc-rsa1024")
	to.Rand = iotest.ErrReader(errDisk)
	if _, err := s.Encrypt(to, nil); !errors.Is(err, errDisk) || err.Error() != "making a key: disk gone" {
		t.Errorf("got %v", err)
	}
	to.Rand, to.Name = nil, ""
	if _, err := s.Encrypt(to, nil); err == nil || err.Error() != "a signed file needs a name inside" {
		t.Errorf("got %v", err)
	}
}

type otherDecrypter struct{ crypto.Decrypter }

func (otherDecrypter) Public() crypto.PublicKey { return ed25519.PublicKey(nil) }

type failingDecrypter struct{ *rsa.PrivateKey }

func (failingDecrypter) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, errDisk
}

func TestDecryptRefuses(t *testing.T) {
	v := tlvtest.Read(t, "enc/sha1-rsa2048/*.enc.sgn")
	lsc := tlvtest.Key(t, "phone-lsc-rsa2048").Key.(*rsa.PrivateKey)
	damaged := bytes.Clone(v)
	damaged[len(damaged)-40]++
	for name, test := range map[string]struct {
		data []byte
		key  crypto.Decrypter
		is   error
		want string
	}{
		"plain file": {tlvtest.Read(t, "sgn/one.xml.sgn"), lsc, ErrNotEncrypted, "the file is not encrypted"},
		"other key":  {v, tlvtest.Key(t, "capf-rsa2048").Key.(*rsa.PrivateKey), ErrWrongKey, "this key does not decrypt the file: the digest inside differs"},
		"other size": {v, tlvtest.Key(t, "phone-lsc-rsa3072").Key.(*rsa.PrivateKey), ErrWrongKey, "this key does not decrypt the file: it has 3072 bits and the file was made for one of 2048"},
		"damaged":    {damaged, lsc, ErrWrongKey, "this key does not decrypt the file: the digest inside differs"},
		"not RSA":    {v, otherDecrypter{}, nil, "no encrypted configuration for this key: it is not RSA; use the phone's RSA key"},
		"token":      {v, failingDecrypter{lsc}, errDisk, "this key does not decrypt the file: disk gone"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mustParse(t, test.data).Decrypt(test.key)
			if got != nil || err == nil || err.Error() != test.want || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("got  %q, %v\nwant %s", got, err, test.want)
			}
		})
	}
}
