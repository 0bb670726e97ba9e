// SPDX-License-Identifier: Apache-2.0

package tlvtest

import (
	"encoding/binary"
	"strings"
)

// Header is a header of the given version and of parts, each a whole field,
// with its length made right.
func Header(version string, parts ...string) []byte {
	h := []byte("\x01\x00\x02" + version + "\x02\x00\x02\x00\x00" + strings.Join(parts, ""))
	binary.BigEndian.PutUint16(h[8:], uint16(len(h)))
	return h
}

// Two of the three fields that every header needs; [Signature] is the third.
const (
	Serial = "\x05\x00\x01\x07"
	SHA1   = "\x08\x00\x01\x01"
)

// Signature is a signature field of size zeros.
func Signature(size int) string {
	return "\x0c" + string([]byte{byte(size >> 8), byte(size)}) + strings.Repeat("\x00", size)
}
