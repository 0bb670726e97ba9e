// SPDX-License-Identifier: Apache-2.0

// Package certstest makes units, authorities and device certificates for
// tests. Keys are made once per process and never leave it but into a test's
// temporary folder.
package certstest

import (
	"crypto"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"cfgsrv/certs"
)

// Host is the server's name in the units that this package makes.
const Host = "ucm1.example.org"

var (
	firstPairs  = onceFor(certs.Units(), func(u certs.Unit) (certs.Pair, error) { return selfSigned(u, keys[u]) })
	secondPairs = onceFor(certs.Units(), func(u certs.Unit) (certs.Pair, error) { return selfSigned(u, spareKeys[u]) })
)

// onceFor makes one value for each unit, at the first call and once.
func onceFor[V any](units []certs.Unit, make func(certs.Unit) (V, error)) map[certs.Unit]func() (V, error) {
	once := map[certs.Unit]func() (V, error){}
	for _, u := range units {
		once[u] = sync.OnceValues(func() (V, error) { return make(u) })
	}
	return once
}

func selfSigned(u certs.Unit, key func() (crypto.Signer, error)) (certs.Pair, error) {
	k, err := key()
	if err != nil {
		return certs.Pair{}, err
	}
	return certs.Template{Unit: u, Host: Host}.SelfSigned(k)
}

// Pair returns the unit's self-signed pair, the same for the whole process.
func Pair(t testing.TB, u certs.Unit) certs.Pair {
	t.Helper()
	return must(firstPairs[u]())(t)
}

// Other returns a second pair of the unit: another key and another
// certificate, also the same for the whole process.
func Other(t testing.TB, u certs.Unit) certs.Pair {
	t.Helper()
	return must(secondPairs[u]())(t)
}

// Dir makes a certs folder with the named units, or with all if none is named.
func Dir(t testing.TB, units ...certs.Unit) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if len(units) == 0 {
		units = certs.Units()
	}
	for _, u := range units {
		Write(t, dir, Pair(t, u))
	}
	return dir
}

// Write writes the pair's two files as they are, without the care and the
// checks of certs.Replace. A pair without a key gets none.
func Write(t testing.TB, dir string, p certs.Pair) {
	t.Helper()
	base := filepath.Join(dir, string(p.Unit))
	writeFile(t, base+".pem", CertPEM(p.Chain...), 0o644)
	if p.Key != nil {
		writeFile(t, base+".key", KeyPEM(t, p.Key), 0o600)
	}
}

// Rotate replaces the unit's pair by the one of [Pair] and [Other] that is not
// in place, and returns it.
func Rotate(t testing.TB, dir string, u certs.Unit) certs.Pair {
	t.Helper()
	next := Other(t, u)
	if now, ok := Load(t, dir).Pair(u); ok && now.Leaf().Equal(next.Leaf()) {
		next = Pair(t, u)
	}
	if err := certs.Replace(dir, next); err != nil {
		t.Fatal(err)
	}
	return next
}

// Load loads a folder that must have no fault.
func Load(t testing.TB, dir string) *certs.Snapshot {
	t.Helper()
	return must(certs.Load(os.DirFS(dir)))(t)
}

func writeFile(t testing.TB, name string, data []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, data, mode); err != nil {
		t.Fatal(err)
	}
}

// must makes a test end if there was an error.
func must[V any](v V, err error) func(testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
