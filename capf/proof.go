// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // what phones sign with (FORMATS 6.6)
	_ "crypto/sha512"
	"encoding/binary"
	"fmt"
)

// The two proofs of possession that a client can give (FORMATS 6.6) sign these
// bytes. Only the second depends on the session: the first can be replayed by
// whoever has seen it, which is nobody but a CAPF server.
func signedData(device string, der []byte) []byte {
	return append(append([]byte(device), 0), der...)
}

func signedSUDI(session uint32, der []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, session), der...)
}

func verify(key crypto.PublicKey, h crypto.Hash, data, signature []byte) bool {
	digest := sum(h, data)
	switch key := key.(type) {
	case *rsa.PublicKey:
		// The bare digest, without the DigestInfo that a hash here would ask for.
		return rsa.VerifyPKCS1v15(key, 0, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}

// sign is the inverse of verify.
func sign(key crypto.Signer, h crypto.Hash, data []byte) ([]byte, error) {
	opts := h
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		opts = 0
	}
	s, err := key.Sign(rand.Reader, sum(h, data), opts)
	if err != nil {
		return nil, fmt.Errorf("proving possession of a key: %w", err)
	}
	return s, nil
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}
