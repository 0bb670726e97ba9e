// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
)

// maxElements is far above the dozen of the longest message known. It bounds
// what 64 KiB of empty elements would cost.
const maxElements = 64

// Tag says what an element holds (FORMATS 6.3).
type Tag uint8

// The elements of a message that a session of ours uses.
const (
	ReasonTag      Tag = 1
	CertificateUse Tag = 3  // 1 byte: LSC or MIC
	Certificate    Tag = 4  // Elements with one CertificateBody
	SignedData     Tag = 6  // SHA-1
	Version        Tag = 7  // 1 byte
	AuthType       Tag = 8  // 1 byte
	PublicKey      Tag = 9  // SubjectPublicKeyInfo
	KeySize        Tag = 10 // 2 bytes: bits of an RSA key
	Password       Tag = 11 // Text
	DeviceName     Tag = 13 // Text
	SUDI           Tag = 16 // Elements with SUDICertificate, SignatureSHA1, SignatureSHA512
	KeyType        Tag = 17 // 1 byte: RSA or EC
	Curve          Tag = 18 // 1 byte
	SignedDataSHA2 Tag = 20 // Elements with one SignatureSHA512
)

// The elements inside of Certificate, SUDI and SignedDataSHA2 (FORMATS 6.3, 6.6).
const (
	SUDICertificate Tag = 0
	CertificateBody Tag = 1 // 2 bytes of type, then DER
	SignatureSHA1   Tag = 1
	SignatureSHA512 Tag = 3
)

// Reason is the value of ReasonTag.
type Reason uint8

// The reasons whose meaning is known (FORMATS 6.3).
const (
	Nothing  Reason = 0
	Done     Reason = 1
	Declined Reason = 7
	Unknown  Reason = 9
)

// Values of CertificateUse and KeyType.
const (
	LSC uint8 = 1
	MIC uint8 = 2
	RSA uint8 = 0
	EC  uint8 = 1
)

// Element is one tag, length and value.
type Element struct {
	Tag   Tag
	Value []byte
}

// Byte makes an element of one byte.
func Byte(t Tag, v uint8) Element { return Element{t, []byte{v}} }

// Uint16 makes an element of two bytes.
func Uint16(t Tag, v uint16) Element { return Element{t, binary.BigEndian.AppendUint16(nil, v)} }

// Text makes an element of a string, which a NUL ends.
func Text(t Tag, s string) Element { return Element{t, append([]byte(s), 0)} }

// Elements is a message's body, or an element's value that is made of elements.
type Elements []Element

// ParseElements takes a body apart. The values share memory with b.
func ParseElements(b []byte) (Elements, error) {
	var e Elements
	for len(b) > 0 {
		if len(e) == maxElements {
			return nil, syntaxf("more than %d elements", maxElements)
		}
		if len(b) < 3 {
			return nil, syntaxf("%d bytes after the last element", len(b))
		}
		tag, size, rest := Tag(b[0]), int(binary.BigEndian.Uint16(b[1:])), b[3:]
		if size > len(rest) {
			return nil, syntaxf("element %d has %d of %d bytes", tag, len(rest), size)
		}
		e = append(e, Element{tag, rest[:size:size]})
		b = rest[size:]
	}
	return e, nil
}

// Marshal is the inverse of ParseElements.
func (e Elements) Marshal() ([]byte, error) {
	if len(e) > maxElements {
		return nil, syntaxf("%d elements", len(e))
	}
	var b []byte
	for _, el := range e {
		if len(el.Value) > maxBody {
			return nil, syntaxf("element %d of %d bytes", el.Tag, len(el.Value))
		}
		b = append(b, byte(el.Tag))
		b = binary.BigEndian.AppendUint16(b, uint16(len(el.Value)))
		b = append(b, el.Value...)
	}
	return b, nil
}

// Value is the value of the first element with tag t, nil if there is none.
// What has a tag that nobody asks for is thereby skipped.
func (e Elements) Value(t Tag) []byte {
	for _, el := range e {
		if el.Tag == t {
			return el.Value
		}
	}
	return nil
}

// Uint8 is the value of a one-byte element, or absent if there is none.
func (e Elements) Uint8(t Tag, absent uint8) (uint8, error) {
	v := e.Value(t)
	switch {
	case v == nil:
		return absent, nil
	case len(v) != 1:
		return 0, syntaxf("element %d has %d bytes instead of 1", t, len(v))
	}
	return v[0], nil
}

// Uint16 is the value of a two-byte element, or 0 if there is none.
func (e Elements) Uint16(t Tag) (uint16, error) {
	v := e.Value(t)
	switch {
	case v == nil:
		return 0, nil
	case len(v) != 2:
		return 0, syntaxf("element %d has %d bytes instead of 2", t, len(v))
	}
	return binary.BigEndian.Uint16(v), nil
}

// Text is the value of a string element without its NUL, empty if there is none.
// A NUL inside would mean two things to two readers and is an error.
func (e Elements) Text(t Tag) (string, error) {
	v := bytes.TrimSuffix(e.Value(t), []byte{0})
	if bytes.IndexByte(v, 0) >= 0 {
		return "", syntaxf("element %d holds a NUL", t)
	}
	return string(v), nil
}

// Nested is the value of an element that is made of elements, nil if there is
// none.
func (e Elements) Nested(t Tag) (Elements, error) {
	return ParseElements(e.Value(t))
}
