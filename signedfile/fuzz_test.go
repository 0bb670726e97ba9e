// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"io"
	"math/big"
	"testing"

	"cfgsrv/internal/tlv/tlvtest"
)

func seed(f *testing.F, vectors []tlvtest.Vector, atLeast int) {
	f.Helper()
	if len(vectors) < atLeast {
		f.Fatalf("only %d seeds", len(vectors))
	}
	for _, v := range vectors {
		f.Add(v.Data)
	}
}

// What parses marshals to the same bytes, and is the same read as a stream.
func FuzzParseSigned(f *testing.F) {
	seed(f, signedFiles(f), 18)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		v, streamErr := List(bytes.NewReader(data))
		if (err == nil) != (streamErr == nil) {
			t.Fatalf("in memory %v, as a stream %v", err, streamErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(file.Marshal(), data) {
			t.Error("marshalled to other bytes")
		}
		if v.Verified || v.Text() == "" {
			t.Errorf("verified %v without a certificate, text %q", v.Verified, v.Text())
		}
	})
}

// knownKey unwraps everything to the same AES key, which is not what is tested
// here and would take most of the time.
type knownKey struct{ size int }

func (k knownKey) Public() crypto.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(max(k.size*8, 1)-1))}
}

func (knownKey) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return make([]byte, keySize), nil
}

// What parses marshals to the same bytes, and decrypting it never panics.
func FuzzParseEncrypted(f *testing.F) {
	seed(f, encryptedFiles(f), 11)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(file.Marshal(), data) {
			t.Error("marshalled to other bytes")
		}
		if !file.Encrypted() {
			return
		}
		key := knownKey{len(file.encryption.wrapped)}
		if plain, err := file.Decrypt(key); err == nil && len(plain) >= len(file.Body) {
			t.Errorf("%d bytes were decrypted to %d", len(file.Body), len(plain))
		}
	})
}
