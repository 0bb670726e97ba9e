// SPDX-License-Identifier: Apache-2.0

package tlvtest

import (
	"slices"
	"testing"
)

// Truncations calls refused with every proper prefix of data, and fails where
// it says no.
func Truncations(t *testing.T, data []byte, refused func([]byte) bool) {
	t.Helper()
	for n := range len(data) {
		if !refused(data[:n:n]) {
			t.Errorf("taken although cut to %d of %d bytes", n, len(data))
		}
	}
}

// Flips calls refused with data after a bit of one byte was flipped, for every
// step-th byte, and fails where it says no. Which bit follows from where the
// byte stands; front bytes at the start have each of their bits flipped.
func Flips(t *testing.T, data []byte, front, step int, refused func([]byte) bool) {
	t.Helper()
	changed := slices.Clone(data)
	flip := func(at int, mask byte) {
		changed[at] ^= mask
		if !refused(changed) {
			t.Errorf("taken although byte %d was changed by %#02x", at, mask)
		}
		changed[at] = data[at]
	}
	for at := 0; at < len(data); at += step {
		if at >= front {
			flip(at, 1<<(at%8))
			continue
		}
		for bit := range 8 {
			flip(at, 1<<bit)
		}
	}
}
