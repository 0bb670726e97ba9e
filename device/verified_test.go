// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// remembers says whether a chain need not be verified again.
func remembers(j *Judge, chain ...*x509.Certificate) bool { return j.verified.at(key(chain), now) }

// TestWhatIsRememberedIsOnlyTheChain proves, changes one thing that matters, and
// asks again.
func TestWhatIsRememberedIsOnlyTheChain(t *testing.T) {
	rootKey, interKey := newECKey(), newECKey()
	root := issue(t, authority("CAPF-1"), nil, rootKey, nil)
	short := authority("CAPF-2")
	short.NotBefore, short.NotAfter = now.Add(-time.Second), now.Add(time.Second)
	inter := issue(t, short, root, interKey, rootKey)
	leaf := issue(t, template("SEP001122334455"), inter, ecKey(), interKey)
	chain := []*x509.Certificate{leaf, inter}
	revoked := false
	judge := func() *Judge {
		revoked = false
		j := &Judge{Roots: pool(root), Revoked: func([sha256.Size]byte) bool { return revoked }}
		if _, err := j.Prove(chain, now); err != nil {
			t.Fatal(err)
		}
		if !remembers(j, chain...) {
			t.Fatal("nothing is remembered")
		}
		return j
	}
	forged := func() []*x509.Certificate {
		raw := slices.Clone(leaf.Raw)
		raw[len(raw)-1] ^= 1 // of the signature
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return []*x509.Certificate{c, inter}
	}
	for _, tt := range []struct {
		name  string
		judge *Judge
		chain []*x509.Certificate
		at    time.Time
		err   string
	}{
		{"nothing changed", judge(), chain, now, ""},
		{"last moment of the issuer", judge(), chain, inter.NotAfter, ""},
		{"issuer expired, leaf not", judge(), chain, inter.NotAfter.Add(time.Second), "does not chain"},
		{"clock set back before the issuer", judge(), chain, inter.NotBefore.Add(-time.Second), "does not chain"},
		{"leaf expired", judge(), chain, leaf.NotAfter.Add(time.Second), "has expired"},
		{"issuer left out", judge(), chain[:1], now, "does not chain"},
		{"signature changed", judge(), forged(), now, "does not chain"},
		{"other roots", &Judge{Roots: pool(issue(t, authority("CAPF-1"), nil, newECKey(), nil))}, chain, now, "does not chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.judge.Prove(tt.chain, tt.at)
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
	t.Run("revoked meanwhile", func(t *testing.T) {
		j := judge()
		revoked = true
		if _, err := j.Prove(chain, now); err != errRevoked {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refused chains are not remembered", func(t *testing.T) {
		j := judge()
		if _, err := j.Prove(forged(), now); err == nil || remembers(j, forged()...) {
			t.Errorf("got %v", err)
		}
	})
}

// TestKeyHasNoTwoReadings holds that the bytes of two certificates cannot pass
// for one other certificate and another.
func TestKeyHasNoTwoReadings(t *testing.T) {
	of := func(raws ...string) [sha256.Size]byte {
		var chain []*x509.Certificate
		for _, r := range raws {
			chain = append(chain, &x509.Certificate{Raw: []byte(r)})
		}
		return key(chain)
	}
	all := [][sha256.Size]byte{of("ab", "c"), of("a", "bc"), of("abc"), of("c", "ab"), of("ab", "c", "")}
	for i, k := range all {
		if slices.Contains(all[i+1:], k) {
			t.Errorf("%d is another too", i)
		}
	}
}

func TestLongestWayCounts(t *testing.T) {
	c := func(from, to int) *x509.Certificate {
		return &x509.Certificate{NotBefore: now.Add(time.Duration(from)), NotAfter: now.Add(time.Duration(to))}
	}
	leaf := c(0, 100)
	got := longest([][]*x509.Certificate{{leaf, c(10, 20)}, {leaf, c(5, 90), c(7, 200)}, {leaf, c(0, 50)}})
	if want := (span{now.Add(7), now.Add(90)}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMemoryOfChainsIsBounded(t *testing.T) {
	var v verified
	way := [][]*x509.Certificate{{{NotBefore: now, NotAfter: now}}}
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for i := range maxVerified {
				var k [sha256.Size]byte
				binary.BigEndian.PutUint32(k[:], uint32(w))
				binary.BigEndian.PutUint32(k[4:], uint32(i))
				v.add(k, way)
				v.at(k, now)
			}
		})
	}
	wait.Wait()
	if n := v.chains.Len(); n != maxVerified {
		t.Errorf("%d are kept", n)
	}
}
