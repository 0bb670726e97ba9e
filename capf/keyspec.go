// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"slices"

	"cfgsrv/capf/internal/wire"
)

// keySpec is a kind of key that a device is asked for.
type keySpec struct {
	ec   bool
	bits int
}

func (k keySpec) String() string {
	if k.ec {
		return fmt.Sprintf("an EC key of %d bits", k.bits)
	}
	return fmt.Sprintf("an RSA key of %d bits", k.bits)
}

// small tells whether such a key may only be asked for by an explicit setting.
func (k keySpec) small() bool { return !k.ec && k.bits < 2048 }

// ecVersion is the first version of the protocol with EC keys (FORMATS 6.5).
const ecVersion = 3

// keySpecs are what a client of that version is asked for, in order of
// preference; at least one.
func keySpecs(o Order, s Settings, version uint8) ([]keySpec, error) {
	rsa := keySpec{false, cmp.Or(o.RSAKeySize, s.RSAKeySize, 2048)}
	ec := keySpec{true, cmp.Or(o.ECKeySize, s.ECKeySize, 384)}
	var specs []keySpec
	switch cmp.Or(o.KeyOrder, s.KeyOrder, ECPreferred) {
	case ECOnly:
		if version < ecVersion {
			return nil, refuse("its key order is EC Only, and a client of version %d makes RSA keys only", version)
		}
		return []keySpec{ec}, nil
	case ECPreferred:
		if version >= ecVersion {
			specs = append(specs, ec)
		}
	}
	if !rsa.small() || s.AllowSmallKeys {
		return append(specs, rsa), nil
	}
	if len(specs) == 0 {
		return nil, refuse("%v is not allowed (allow_small_keys)", rsa)
	}
	return specs, nil
}

// elements ask for such a key. A client of version 2 is sent its size alone, as
// CUCM does (FORMATS 6.4).
func (k keySpec) elements(version uint8) []wire.Element {
	switch {
	case k.ec:
		curve := slices.Index(ecKeySizes[:], k.bits)
		return []wire.Element{wire.Byte(wire.KeyType, wire.EC), wire.Byte(wire.Curve, uint8(curve))}
	case version < ecVersion:
		return []wire.Element{wire.Uint16(wire.KeySize, uint16(k.bits))}
	}
	return []wire.Element{wire.Uint16(wire.KeySize, uint16(k.bits)), wire.Byte(wire.KeyType, wire.RSA)}
}

// parseKeySpec is the inverse of elements.
func parseKeySpec(e wire.Elements) (keySpec, error) {
	kind, err := e.Uint8(wire.KeyType, wire.RSA)
	if err != nil {
		return keySpec{}, err
	}
	if kind == wire.RSA {
		bits, err := e.Uint16(wire.KeySize)
		return keySpec{false, int(bits)}, err
	}
	curve, err := e.Uint8(wire.Curve, 0)
	if err != nil {
		return keySpec{}, err
	}
	if kind != wire.EC || int(curve) >= len(ecKeySizes) {
		return keySpec{}, fmt.Errorf("%w: key type %d, curve %d", wire.ErrSyntax, kind, curve)
	}
	return keySpec{true, ecKeySizes[curve]}, nil
}

// specOf is the kind of a key that passed check.
func specOf(key crypto.PublicKey) keySpec {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return keySpec{false, key.N.BitLen()}
	case *ecdsa.PublicKey:
		return keySpec{true, key.Curve.Params().BitSize}
	}
	return keySpec{}
}

// check tells whether a key is of the kind asked for.
func (k keySpec) check(key crypto.PublicKey) error {
	if specOf(key) != k {
		return refuse("it was asked for %v and sent another", k)
	}
	if key, ok := key.(*rsa.PublicKey); ok && (key.E < 3 || key.E%2 == 0) {
		return refuse("it sent an RSA key with the exponent %d", key.E)
	}
	return nil
}
