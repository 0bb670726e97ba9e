// SPDX-License-Identifier: Apache-2.0

package certs

import "crypto"

// Advice is what an administrator should know of a pair that is new: the
// warnings of [Pair.Check], and that desk phones cannot use a large RSA key,
// which Check says only of the units that every phone verifies by.
func (p Pair) Advice() []*Fault {
	warnings, _ := p.Check() // what is at fault does not get into the folder
	if p.Unit.signsLists() {
		return warnings
	}
	return append(warnings, large(source{p.Unit, p.Unit.pemFile()}, p.Leaf().PublicKey)...)
}

// Advice is what an administrator should know of the request.
func (r Request) Advice() []*Fault {
	return large(source{r.Unit, r.Unit.csrFile()}, r.CSR.PublicKey)
}

func large(src source, pub crypto.PublicKey) []*Fault {
	kind, bits := keySize(pub)
	if kind != "RSA" || bits <= minRSA {
		return nil
	}
	return []*Fault{src.fault("use 2048 if they are served", "has an RSA key of %d bits, and desk phones stop at 2048", bits)}
}
