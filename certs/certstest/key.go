// SPDX-License-Identifier: Apache-2.0

package certstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"sync/atomic"
	"testing"

	"cfgsrv/certs"
)

// keys are the units' first keys, spareKeys their second ones.
var (
	keys      = onceFor(certs.Units(), unitKey)
	spareKeys = onceFor(certs.Units(), unitKey)
)

func unitKey(u certs.Unit) (crypto.Signer, error) {
	return certs.Maker{}.Key(u, certs.KeySpec{})
}

// KeyKind is a kind of key that a device or an authority may have.
type KeyKind int

// The kinds of keys.
const (
	P256 KeyKind = iota
	P384
	P521
	RSA2048
)

// rsaKeys are handed out in turn, since they take long to make: two devices
// that follow one another have different keys.
var rsaKeys = [3]func() (*rsa.PrivateKey, error){onceRSA(), onceRSA(), onceRSA()}

func onceRSA() func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

var rsaTurn atomic.Uint32

// Key returns a key of the kind, EC keys always a new one.
func Key(t testing.TB, k KeyKind) crypto.Signer {
	t.Helper()
	if k == RSA2048 {
		return must(rsaKeys[rsaTurn.Add(1)%uint32(len(rsaKeys))]())(t)
	}
	curve := [...]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384(), P521: elliptic.P521()}[k]
	return must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}
