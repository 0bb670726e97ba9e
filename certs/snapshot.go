// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"slices"
)

// Snapshot is what the certs folder held at one moment, checked. It never
// changes, and all its methods may be called at once from anywhere. The
// certificates it hands out are shared: nobody may write to them.
type Snapshot struct {
	pairs    map[Unit]Pair
	stores   map[Store][]*x509.Certificate
	warnings []*Fault
}

// Pair returns a unit's certificate and key, and false if the unit has none.
func (s *Snapshot) Pair(u Unit) (Pair, bool) {
	p, ok := s.pairs[u]
	p.Chain = slices.Clone(p.Chain)
	return p, ok
}

// Units returns the units that there are, in the order of [Units].
func (s *Snapshot) Units() []Unit {
	return slices.DeleteFunc(Units(), func(u Unit) bool {
		_, ok := s.pairs[u]
		return !ok
	})
}

// Trusted returns the certificates of a trust store, in the order of the
// files' names.
func (s *Snapshot) Trusted(st Store) []*x509.Certificate {
	return slices.Clone(s.stores[st])
}

// Pool returns a new pool of all certificates in the stores. It is the
// caller's: to accept the devices that our own CAPF has enrolled, add its
// leaf.
func (s *Snapshot) Pool(stores ...Store) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, st := range stores {
		for _, c := range s.stores[st] {
			pool.AddCert(c)
		}
	}
	return pool
}

// Warnings returns what does not keep the server from starting but limits who
// can use it.
func (s *Snapshot) Warnings() []*Fault { return slices.Clone(s.warnings) }
