// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"crypto"
	_ "crypto/sha1"   // the digest of almost every list and file in use
	_ "crypto/sha512" // the other one
	"errors"
	"fmt"
)

// Codes of tags 8, 10 and 26. Digest 2 stands for SHA-256 in a list of names
// only: nothing writes it or takes it.
const (
	sha1ID       = 1
	sha256ID     = 2
	sha512ID     = 3
	rsaAlgorithm = 0
)

// DigestID is the code of a hash that phones know.
func DigestID(h crypto.Hash) (byte, error) {
	switch h {
	case crypto.SHA1:
		return sha1ID, nil
	case crypto.SHA512:
		return sha512ID, nil
	default:
		return 0, fmt.Errorf("phones do not check %s: use SHA-1 or SHA-512", h)
	}
}

// DigestOf is the hash of a code.
func DigestOf(id byte) (crypto.Hash, error) {
	switch id {
	case sha1ID:
		return crypto.SHA1, nil
	case sha512ID:
		return crypto.SHA512, nil
	case sha256ID:
		return 0, errors.New("the digest is SHA-256 (2), which phones do not check: sign with SHA-1 or SHA-512")
	default:
		return 0, fmt.Errorf("digest %d is not known: sign with SHA-1 (1) or SHA-512 (3)", id)
	}
}

// modulusOf is the code of tag 11 for a signature of size bytes. There is none
// for 3072-bit keys (FORMATS 9.1).
func modulusOf(size int) (code byte, ok bool) {
	for code, bits := range [...]int{512, 1024, 2048, 4096} {
		if size*8 == bits {
			return byte(code), true
		}
	}
	return 0, false
}
