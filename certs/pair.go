// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Pair is a unit's certificate and key.
type Pair struct {
	Unit  Unit
	Chain []*x509.Certificate // leaf first; at least one
	Key   crypto.Signer       // nil: kept offline (ITLRecovery only)
}

// Leaf returns the unit's own certificate.
func (p Pair) Leaf() *x509.Certificate { return p.Chain[0] }

// Check judges the pair as [Load] does. The warnings are things to know; the
// error names every fault, see [Faults].
func (p Pair) Check() (warnings []*Fault, err error) {
	found := checked(p, p.Unit.pemFile(), p.Unit.keyFile())
	return found.warnings, found.err()
}

func (p Pair) certificatePEM() []byte {
	var out []byte
	for _, c := range p.Chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: c.Raw})...)
	}
	return out
}

func (p Pair) keyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key of %s: %w", p.Unit, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPKCS8, Bytes: der}), nil
}
