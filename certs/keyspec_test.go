// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"testing"

	"cfgsrv/certs"
)

// TestKeySpecTable walks every unit, size and hash.
func TestKeySpecTable(t *testing.T) {
	ec := map[int][]crypto.Hash{
		256: {crypto.SHA256, crypto.SHA384, crypto.SHA512},
		384: {crypto.SHA384, crypto.SHA512},
		521: {crypto.SHA512},
	}
	all := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	rsa := map[int][]crypto.Hash{2048: all, 3072: all, 4096: all}
	list := map[int][]crypto.Hash{2048: all, 4096: all}
	allowed := map[certs.Unit]map[int][]crypto.Hash{
		certs.CallManager: list, certs.ITLRecovery: list,
		certs.Tomcat: rsa, certs.CAPF: rsa, certs.TVS: rsa,
		certs.CallManagerECDSA: ec, certs.TomcatECDSA: ec,
	}
	for _, u := range certs.Units() {
		for _, size := range []int{-1, 1, 192, 224, 256, 384, 521, 1024, 2047, 2048, 3072, 4096, 8192} {
			for _, hash := range []crypto.Hash{crypto.MD5, crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
				t.Run(fmt.Sprintf("%s/%d/%s", u, size, hash), func(t *testing.T) {
					got, err := u.KeySpec(size, hash)
					if want := slices.Contains(allowed[u][size], hash); want != (err == nil) {
						t.Fatalf("allowed %v, want %v: %v", err == nil, want, err)
					}
					if err == nil && got != (certs.KeySpec{Size: size, Hash: hash}) {
						t.Errorf("got %v", got)
					}
				})
			}
		}
	}
}

func TestKeySpecDefaults(t *testing.T) {
	for _, tt := range []struct {
		unit certs.Unit
		size int
		want certs.KeySpec
	}{
		{certs.CallManager, 0, certs.KeySpec{Size: 2048, Hash: crypto.SHA256}},
		{certs.TVS, 4096, certs.KeySpec{Size: 4096, Hash: crypto.SHA256}},
		{certs.CallManagerECDSA, 0, certs.KeySpec{Size: 384, Hash: crypto.SHA384}},
		{certs.TomcatECDSA, 256, certs.KeySpec{Size: 256, Hash: crypto.SHA384}},
		{certs.TomcatECDSA, 521, certs.KeySpec{Size: 521, Hash: crypto.SHA512}},
	} {
		got, err := tt.unit.KeySpec(tt.size, 0)
		if err != nil || got != tt.want {
			t.Errorf("%s with size %d: got %v, %v, want %v", tt.unit, tt.size, got, err, tt.want)
		}
	}
}

func TestNotAllowedNamesWhatIs(t *testing.T) {
	for _, tt := range []struct {
		unit certs.Unit
		size int
		hash crypto.Hash
		want string
	}{
		{certs.CallManager, 3072, 0, "CallManager: key size 3072 is not allowed; allowed is 2048, 4096"},
		{certs.Tomcat, 1024, 0, "tomcat: key size 1024 is not allowed; allowed is 2048, 3072, 4096"},
		{certs.TomcatECDSA, 2048, 0, "tomcat-ECDSA: key size 2048 is not allowed; allowed is 256, 384, 521"},
		{certs.TomcatECDSA, 521, crypto.SHA384, "tomcat-ECDSA: SHA-384 with key size 521 is not allowed; allowed is SHA-512"},
	} {
		_, err := tt.unit.KeySpec(tt.size, tt.hash)
		if _, ok := errors.AsType[*certs.NotAllowedError](err); !ok || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestParseHash(t *testing.T) {
	for name, want := range map[string]crypto.Hash{
		"SHA256": crypto.SHA256, "sha-384": crypto.SHA384, "SHA-512": crypto.SHA512,
		"SHA1": 0, "SHA512/256": 0, "": 0,
	} {
		got, err := certs.ParseHash(name)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
}
