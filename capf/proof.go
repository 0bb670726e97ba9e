// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // what phones sign with (FORMATS 6.6)
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"

	"cfgsrv/capf/internal/wire"
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

// parseIdentity returns the certificate that a client proves to hold, nil if it
// does not claim to hold any.
func parseIdentity(m wire.Message, deviceName string) (*x509.Certificate, error) {
	der, err := m.CertificateDER()
	if err != nil || der == nil {
		return nil, err
	}
	sha2, err := m.Nested(wire.SignedDataSHA2)
	if err != nil {
		return nil, err
	}
	return possessed(der, signedData(deviceName, der), m.Value(wire.SignedData), sha2.Value(wire.SignatureSHA512))
}

// parseSUDI does the same for the certificate that the hardware came with.
func parseSUDI(m wire.Message) (*x509.Certificate, error) {
	sudi, err := m.Nested(wire.SUDI)
	if err != nil || sudi == nil {
		return nil, err
	}
	der := sudi.Value(wire.SUDICertificate)
	return possessed(der, signedSUDI(m.Session, der), sudi.Value(wire.SignatureSHA1), sudi.Value(wire.SignatureSHA512))
}

// minRSA is what crypto/rsa verifies with, in bits.
const minRSA = 1024

// possessed parses a certificate whose holder signed data. Whichever signatures
// there are must be right; without any the certificate is nothing but public.
func possessed(der, data, sha1, sha512 []byte) (*x509.Certificate, error) {
	if sha1 == nil && sha512 == nil {
		return nil, nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refuse("its certificate cannot be read")
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return nil, refuse("the RSA key of its certificate is too short to prove anything")
	}
	if sha1 != nil && !verify(c.PublicKey, crypto.SHA1, data, sha1) ||
		sha512 != nil && !verify(c.PublicKey, crypto.SHA512, data, sha512) {
		return nil, refuse("it does not hold the key of its certificate")
	}
	return c, nil
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
func sign(random io.Reader, key crypto.Signer, h crypto.Hash, data []byte) ([]byte, error) {
	opts := h
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		opts = 0
	}
	s, err := key.Sign(random, sum(h, data), opts)
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

// sameIssuer tells whether two certificates come from one CA.
func sameIssuer(a, b *x509.Certificate) bool { return bytes.Equal(a.RawIssuer, b.RawIssuer) }
