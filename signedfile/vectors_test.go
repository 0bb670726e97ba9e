// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

// signedFiles are the reference .sgn files, encryptedFiles the .enc.sgn files.
func signedFiles(tb testing.TB) []tlvtest.Vector {
	tb.Helper()
	companions := slices.DeleteFunc(tlvtest.Vectors(tb, "enc/*/*.sgn"), func(v tlvtest.Vector) bool {
		return strings.HasSuffix(v.Path, ".enc.sgn")
	})
	return append(tlvtest.Vectors(tb, "sgn/*.sgn"), companions...)
}

func encryptedFiles(tb testing.TB) []tlvtest.Vector {
	tb.Helper()
	return tlvtest.Vectors(tb, "enc/*/*.enc.sgn")
}

func mustParse(tb testing.TB, data []byte) *File {
	tb.Helper()
	f, err := Parse(data)
	if err != nil {
		tb.Fatalf("Parse: %v", err)
	}
	return f
}

func eachFile(t *testing.T, f func(*testing.T, tlvtest.Vector, *File)) {
	t.Helper()
	for _, v := range slices.Concat(signedFiles(t), encryptedFiles(t)) {
		t.Run(v.Path, func(t *testing.T) { f(t, v, mustParse(t, v.Data)) })
	}
}

func TestVectorsVerify(t *testing.T) {
	eachFile(t, func(t *testing.T, v tlvtest.Vector, f *File) {
		cert := tlvtest.SignerOf(t, f.tlv).Cert
		other := tlvtest.Key(t, "capf-rsa2048").Cert
		if got, err := f.Verify(other, cert); err != nil || got != cert {
			t.Errorf("verified by %v, %v", got, err)
		}
		h, err := ReadHeader(bytes.NewReader(v.Data))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Verify(bytes.NewReader(v.Data[h.Size():]), cert); err != nil {
			t.Errorf("as a stream: %v", err)
		}
	})
}

func TestVectorsMarshalToTheSameBytes(t *testing.T) {
	eachFile(t, func(t *testing.T, v tlvtest.Vector, f *File) {
		if !bytes.Equal(f.Marshal(), v.Data) {
			t.Error("marshalled to other bytes")
		}
	})
}

func TestVectorsSayWhatTheReferenceParserSays(t *testing.T) {
	eachFile(t, func(t *testing.T, v tlvtest.Vector, f *File) {
		want := tlvtest.Facts(t, v)
		who := f.SignedBy()
		got := map[string]string{
			"Version":       f.tlv.Version().String(),
			"Header Length": fmt.Sprint(f.Size(), " bytes"),
			"Signer Name":   who.Name,
			"Issuer Name":   who.Issuer,
			"Serial Number": hex.EncodeToString(who.Serial),
			"Filename":      f.FileName(),
			"Timestamp":     f.Time().Format("2006-01-02 15:04:05"),
			"Signature":     fmt.Sprint(len(f.tlv.Signature()), " bytes"),
		}
		if e := f.encryption; e != nil {
			got["Encryption IV"] = fmt.Sprint(len(e.iv), " bytes")
			got["Encryption Key"] = fmt.Sprint(len(e.wrapped), " bytes")
			got["Encryption Digest Algorithm"] = strings.ReplaceAll(e.digest.String(), "-", "")
			got["Encryption Digest"] = hex.EncodeToString(e.sum)
		}
		for word, value := range got {
			if diff := cmp.Diff(want[word], []string{value}); diff != "" {
				t.Errorf("%s (-reference +ours):\n%s", word, diff)
			}
		}
	})
}

// contentOf is what a reference .sgn was made of; for the companions of
// encrypted files it is what stands in them.
func contentOf(tb testing.TB, v tlvtest.Vector, f *File) []byte {
	tb.Helper()
	if strings.HasPrefix(v.Path, "enc/") {
		return f.Body
	}
	plain := strings.NewReplacer(".sha1.sgn", "", ".sha512.sgn", "", ".sgn", "").Replace(v.Path)
	return tlvtest.Read(tb, plain)
}

// phoneOf is the pair that a reference .enc.sgn was made for, and plainOf the
// configuration in it.
func phoneOf(tb testing.TB, v tlvtest.Vector) tlvtest.Pair {
	tb.Helper()
	if _, size, ok := strings.Cut(path.Dir(v.Path), "-"); ok {
		return tlvtest.Key(tb, "phone-lsc-"+size)
	}
	return tlvtest.Key(tb, "phone-lsc-rsa2048")
}

func plainOf(tb testing.TB, v tlvtest.Vector) []byte {
	tb.Helper()
	if strings.HasPrefix(path.Dir(v.Path), "enc/pad") {
		return tlvtest.Read(tb, path.Join(path.Dir(v.Path), "plain.xml"))
	}
	return tlvtest.Read(tb, "src/SEP001122334455.cnf.xml")
}

// values are the values of fields by their tags, without the names, which we
// spell as Unified CM does, and without what depends on them.
func values(fields tlv.Fields) map[byte]string {
	all := map[byte]string{}
	for _, f := range fields {
		all[f.Tag] = fmt.Sprintf("%x %d", f.Value, f.Claim)
	}
	maps.DeleteFunc(all, func(tag byte, _ string) bool {
		return tag == tlv.TagSignerName || tag == tlv.TagCAName || tag == tlv.TagSignature
	})
	return all
}

// Signing the content of a vector with its key makes the same header, but for
// the spelling of names and the order of tags; and the vector's own signature
// is what its key makes of its bytes.
func TestVectorsFollowFromTheirParts(t *testing.T) {
	for _, v := range signedFiles(t) {
		t.Run(v.Path, func(t *testing.T) {
			f := mustParse(t, v.Data)
			content := contentOf(t, v, f)
			if !bytes.Equal(f.Body, content) {
				t.Error("the content is not what was signed")
			}
			pair := tlvtest.SignerOf(t, f.tlv)
			checkSignature(t, f, pair.Key)
			s := mustSigner(t, pair, f.Digest())
			header, err := s.Sign(f.FileName(), f.Time(), bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			ours := mustParse(t, append(header, content...))
			if diff := cmp.Diff(values(f.tlv.Fields), values(ours.tlv.Fields)); diff != "" {
				t.Errorf("fields (-vector +ours):\n%s", diff)
			}
		})
	}
}

func TestEncryptedVectorsFollowFromTheirParts(t *testing.T) {
	for _, v := range encryptedFiles(t) {
		t.Run(v.Path, func(t *testing.T) {
			f := mustParse(t, v.Data)
			pair, plain := tlvtest.SignerOf(t, f.tlv), plainOf(t, v)
			checkSignature(t, f, pair.Key)
			key, err := phoneOf(t, v).Key.(crypto.Decrypter).Decrypt(rand.Reader, f.encryption.wrapped, nil)
			if err != nil {
				t.Fatal(err)
			}
			s := mustSigner(t, pair, f.Digest())
			to := Recipient{Name: f.FileName(), Time: f.Time()}
			data, err := s.seal(to, sealing{key: key, iv: f.encryption.iv, wrapped: f.encryption.wrapped}, plain)
			if err != nil {
				t.Fatal(err)
			}
			ours := mustParse(t, data)
			if !bytes.Equal(ours.Body, f.Body) {
				t.Error("the same key, IV and configuration made another ciphertext")
			}
			if diff := cmp.Diff(values(f.tlv.Fields), values(ours.tlv.Fields)); diff != "" {
				t.Errorf("fields (-vector +ours):\n%s", diff)
			}
		})
	}
}

func checkSignature(t *testing.T, f *File, key crypto.Signer) {
	t.Helper()
	sum, err := f.tlv.Sum(bytes.NewReader(f.Body))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign(nil, sum, f.Digest())
	if err != nil || !bytes.Equal(sig, f.tlv.Signature()) {
		t.Errorf("signing again made another signature (%v)", err)
	}
}

func mustSigner(tb testing.TB, p tlvtest.Pair, digest crypto.Hash) *Signer {
	tb.Helper()
	s, err := NewSigner(p.Cert, p.Key, digest)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestEncryptedVectorsDecrypt(t *testing.T) {
	for _, v := range encryptedFiles(t) {
		t.Run(v.Path, func(t *testing.T) {
			got, err := mustParse(t, v.Data).Decrypt(phoneOf(t, v).Key.(*rsa.PrivateKey))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(plainOf(t, v)), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The padding before encryption is carriage returns.
func TestEncryptedVectorsArePaddedAsOurs(t *testing.T) {
	v := encryptedFiles(t)[0]
	f := mustParse(t, v.Data)
	key, err := phoneOf(t, v).Key.(crypto.Decrypter).Decrypt(rand.Reader, f.encryption.wrapped, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Clone(f.Body)
	cipher.NewCBCDecrypter(block, f.encryption.iv).CryptBlocks(whole, whole)
	if got, want := string(whole[len(whole)-f.encryption.padding:]), strings.Repeat("\r", f.encryption.padding); got != want {
		t.Errorf("padding %q, want %q", got, want)
	}
}

// refusedBy says no to data that does not parse or was not signed by cert.
func refusedBy(cert *x509.Certificate) func([]byte) bool {
	return func(data []byte) bool {
		f, err := Parse(data)
		if err != nil {
			return true
		}
		_, err = f.Verify(cert)
		return err != nil
	}
}

func TestVectorsAreRefusedWhenCut(t *testing.T) {
	for _, v := range tlvtest.Distinct(slices.Concat(signedFiles(t), encryptedFiles(t))) {
		t.Run(v.Path, func(t *testing.T) {
			t.Parallel()
			if tlvtest.Race && !strings.Contains(v.Path, "one.xml") && !strings.Contains(v.Path, "pad15") {
				t.Skip("too slow with the race detector")
			}
			cert := tlvtest.SignerOf(t, mustParse(t, v.Data).tlv).Cert
			tlvtest.Truncations(t, v.Data, refusedBy(cert))
		})
	}
}

// Each byte of each file in turn, and each bit of one of either kind. The race
// detector makes that slow, and gets a sample of the others.
func TestVectorsAreRefusedWhenAByteChanges(t *testing.T) {
	for _, v := range tlvtest.Distinct(slices.Concat(signedFiles(t), encryptedFiles(t))) {
		t.Run(v.Path, func(t *testing.T) {
			t.Parallel()
			step, front := 1, 0
			switch {
			case v.Path == "sgn/one.xml.sgn", strings.HasPrefix(v.Path, "enc/pad15/") && strings.HasSuffix(v.Path, ".enc.sgn"):
				front = len(v.Data)
			case tlvtest.Race:
				step = 37
			}
			cert := tlvtest.SignerOf(t, mustParse(t, v.Data).tlv).Cert
			tlvtest.Flips(t, v.Data, front, step, refusedBy(cert))
		})
	}
}

func TestDamagedVectorIsRefused(t *testing.T) {
	f := mustParse(t, tlvtest.Read(t, "refused/tampered-body.sgn"))
	_, err := f.Verify(tlvtest.Key(t, "callmanager-rsa2048").Cert)
	want := "checking the signature of CN=ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US (serial 0B:7F:5C:DA:DF:B4:3C:9B:34:16:3D:AF:09:A6:39:9B): the signature does not verify"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
