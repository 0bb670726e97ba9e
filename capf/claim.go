// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"crypto/x509"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/device"
)

// claim is what a device says of itself.
type claim struct {
	name     string // as it spells it
	device   device.Name
	version  uint8
	password string
	own      *x509.Certificate // it proved to hold the key; nil without one
	sudi     *x509.Certificate // the same for the one that the hardware came with
}

// maxVersion is what we speak; an older client gets its own (FORMATS 6.5).
const maxVersion = 3

func parseClaim(m wire.Message) (c claim, err error) {
	if c.name, err = m.Text(wire.DeviceName); err != nil {
		return c, err
	}
	var ok bool
	if c.device, ok = device.Parse(c.name); !ok {
		return c, &ending{NotFound, wire.Unknown, "it gave no name of a device"}
	}
	if c.version, err = m.Uint8(wire.Version, 0); err != nil {
		return c, err
	}
	if c.version < 1 || c.version > maxVersion {
		return c, refuse("it speaks version %d of the protocol", c.version)
	}
	if c.password, err = m.Text(wire.Password); err != nil {
		return c, err
	}
	if c.own, err = parseIdentity(m, c.name); err != nil {
		return c, err
	}
	c.sudi, err = parseSUDI(m)
	return c, err
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
	key, isRSA := c.PublicKey.(*rsa.PublicKey)
	if isRSA && (key.N.BitLen() < minRSA || key.N.BitLen() > maxRSA) {
		return nil, refuse("nothing can be proved with an RSA key of %d bits", key.N.BitLen())
	}
	if fips140.Enforced() {
		// Neither SHA-1 nor a signature without DigestInfo is approved.
		if sha1 = nil; isRSA || sha512 == nil {
			return nil, nil
		}
	}
	if sha1 != nil && !verify(c.PublicKey, crypto.SHA1, data, sha1) ||
		sha512 != nil && !verify(c.PublicKey, crypto.SHA512, data, sha512) {
		return nil, refuse("it does not hold the key of its certificate")
	}
	return c, nil
}

// The sizes of RSA keys in bits that are verified with: crypto/rsa does not
// take shorter ones, and longer ones would cost seconds.
const minRSA, maxRSA = 1024, 8192
