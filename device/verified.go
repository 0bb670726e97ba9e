// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxVerified bounds how many chains are remembered, each with some 200 bytes.
const maxVerified = 16384

// verified remembers which chains were found to lead to a root, and when that
// holds: the signatures and the roots of a Judge do not change, only the time
// does. A chain that was refused is not remembered. The zero value is ready for
// use.
type verified struct {
	mu     sync.Mutex
	chains *simplelru.LRU[[sha256.Size]byte, span]
}

// span is a time, both ends included.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// key names a chain by all its bytes, so that nothing that was not looked at
// can be taken for it.
func key(chain []*x509.Certificate) (k [sha256.Size]byte) {
	h := sha256.New()
	var length [8]byte
	for _, c := range chain {
		binary.BigEndian.PutUint64(length[:], uint64(len(c.Raw)))
		h.Write(length[:])
		h.Write(c.Raw)
	}
	h.Sum(k[:0])
	return k
}

// at says whether the chain of that key is known to lead to a root at the time.
func (v *verified) at(k [sha256.Size]byte, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.chains == nil {
		return false
	}
	s, ok := v.chains.Get(k)
	return ok && s.holds(now)
}

// add remembers a chain by the ways to a root that were found for it.
func (v *verified) add(k [sha256.Size]byte, ways [][]*x509.Certificate) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.chains == nil {
		v.chains, _ = simplelru.NewLRU[[sha256.Size]byte, span](maxVerified, nil) // fails only for a size below 1
	}
	v.chains.Add(k, longest(ways))
}

// longest is the time in which one of the ways holds, the one that ends last.
func longest(ways [][]*x509.Certificate) (best span) {
	for _, way := range ways {
		s := span{way[0].NotBefore, way[0].NotAfter}
		for _, c := range way[1:] {
			if c.NotBefore.After(s.from) {
				s.from = c.NotBefore
			}
			if c.NotAfter.Before(s.to) {
				s.to = c.NotAfter
			}
		}
		if s.to.After(best.to) {
			best = s
		}
	}
	return best
}
