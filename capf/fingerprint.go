// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// Fingerprint is the SHA-256 of a certificate's DER.
type Fingerprint [sha256.Size]byte

func (f Fingerprint) String() string               { return hex.EncodeToString(f[:]) }
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (f *Fingerprint) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(f) {
		return fmt.Errorf("%d digits in a SHA-256 fingerprint", len(b))
	}
	_, err := hex.Decode(f[:], b)
	return err
}

func fingerprint(c *x509.Certificate) Fingerprint { return sha256.Sum256(c.Raw) }
