// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
	"testing"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/certs/certstest"
)

func rsaKey(bits, e int) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), bits-1, 1), E: e}
}

// A key of another kind than the one asked for is not certified.
func TestKeyCheck(t *testing.T) {
	ec := func(k certstest.KeyKind) crypto.PublicKey { return certstest.Key(t, k).Public() }
	ed, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		asked keySpec
		key   crypto.PublicKey
		good  bool
	}{
		"RSA":               {keySpec{false, 2048}, rsaKey(2048, 65537), true},
		"a shorter RSA key": {keySpec{false, 2048}, rsaKey(2047, 65537), false},
		"a longer RSA key":  {keySpec{false, 2048}, rsaKey(4096, 65537), false},
		"exponent 1":        {keySpec{false, 2048}, rsaKey(2048, 1), false},
		"an even exponent":  {keySpec{false, 2048}, rsaKey(2048, 65536), false},
		"EC":                {keySpec{true, 256}, ec(certstest.P256), true},
		"another curve":     {keySpec{true, 256}, ec(certstest.P384), false},
		"RSA instead of EC": {keySpec{true, 384}, rsaKey(2048, 65537), false},
		"EC instead of RSA": {keySpec{false, 2048}, ec(certstest.P256), false},
		"Ed25519":           {keySpec{true, 256}, ed, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.asked.check(test.key)
			var e *ending
			if (err == nil) != test.good || err != nil && (!errors.As(err, &e) || e.outcome != Refused) {
				t.Errorf("check = %v", err)
			}
		})
	}
}

func TestKeySpecRoundTrip(t *testing.T) {
	for _, k := range []keySpec{
		{false, 512}, {false, 1024}, {false, 2048}, {false, 3072}, {false, 4096}, {true, 256}, {true, 384}, {true, 521},
	} {
		for version := uint8(2); version <= maxVersion; version++ {
			if k.ec && version < ecVersion {
				continue
			}
			if got, err := parseKeySpec(k.elements(version)); got != k || err != nil {
				t.Errorf("%v for version %d reads as %v, %v", k, version, got, err)
			}
		}
		if k.ec {
			key, err := k.make()
			if err != nil || specOf(key.Public()) != k {
				t.Errorf("made for %v: %v, %v", k, key, err)
			}
		}
	}
	for name, e := range map[string]wire.Elements{
		"another kind":  {wire.Byte(wire.KeyType, 2), wire.Byte(wire.Curve, 0)},
		"another curve": {wire.Byte(wire.KeyType, wire.EC), wire.Byte(wire.Curve, 3)},
		"no number":     {wire.Uint16(wire.KeyType, 1)},
	} {
		if k, err := parseKeySpec(e); !errors.Is(err, wire.ErrSyntax) {
			t.Errorf("%s: %v, %v; want ErrSyntax", name, k, err)
		}
	}
	if _, err := (keySpec{true, elliptic.P224().Params().BitSize}).make(); err == nil {
		t.Error("a key on P-224 was made")
	}
}
