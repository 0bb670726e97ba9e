// SPDX-License-Identifier: Apache-2.0

// Package wire reads and writes the messages of TVS, byte for byte (FORMATS 7).
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	protocol   = 0x57
	version    = 1
	headerSize = 10
	maxBody    = 1<<16 - 1 // its length is 16 bits
	// maxElements is far above the six of the longest message known. It bounds
	// what 64 KiB of empty elements would cost.
	maxElements = 64
)

// ErrSyntax is what every error about the bytes themselves is. Any other error
// of Read is the connection's.
var ErrSyntax = errors.New("not a TVS message")

func syntaxf(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, a...))
}

// Command is what a message asks or answers (FORMATS 7.2).
type Command uint8

// The commands.
const (
	VerifyRequest  Command = 1
	VerifyResponse Command = 2
	QueryRequest   Command = 3
	QueryResponse  Command = 4
)

// Message is one frame (FORMATS 7.1).
type Message struct {
	Command Command
	// Flags is a byte of unknown meaning: 0 from phones, 0xF7 from CUCM.
	Flags uint8
	// ID is chosen by the client, and repeated in the answer.
	ID       uint32
	Elements []Element
}

// Tag says what an element holds (FORMATS 7.3).
type Tag uint8

// The elements.
const (
	DeviceName  Tag = 1 // a byte 01, then the name without NUL
	Certificate Tag = 2 // DER
	Subject     Tag = 3 // Text
	Issuer      Tag = 4 // Text
	Serial      Tag = 5
	Status      Tag = 7 // 1 byte: Trusted or NotTrusted
	Roles       Tag = 8 // 1 byte for each role
	TTL         Tag = 9 // 4 bytes: seconds
)

// The values of Status.
const (
	Trusted    uint8 = 0
	NotTrusted uint8 = 1
)

// Element is one tag, length and value.
type Element struct {
	Tag   Tag
	Value []byte
}

// Text makes an element of a string, which a NUL ends.
func Text(t Tag, s string) Element { return Element{t, append([]byte(s), 0)} }

// Name makes the element DeviceName.
func Name(s string) Element { return Element{DeviceName, append([]byte{1}, s...)} }

// Read reads one message. It returns io.EOF if the connection ended before the
// first byte, and an error that is ErrSyntax for what is not a TVS message.
func Read(r io.Reader) (Message, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Message{}, err
	}
	if h[0] != protocol || h[1] != version {
		return Message{}, syntaxf("it begins with %#02x %#02x", h[0], h[1])
	}
	// The buffer grows with what arrives: a length alone must not cost memory.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(binary.BigEndian.Uint16(h[8:]))); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	elements, err := parseElements(body.Bytes())
	if err != nil {
		return Message{}, err
	}
	return Message{Command(h[2]), h[3], binary.BigEndian.Uint32(h[4:]), elements}, nil
}

func parseElements(b []byte) ([]Element, error) {
	var e []Element
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

// Marshal is the inverse of Read. It fails for a message that is over the
// format's limits.
func (m Message) Marshal() ([]byte, error) {
	if len(m.Elements) > maxElements {
		return nil, syntaxf("%d elements", len(m.Elements))
	}
	b := []byte{protocol, version, byte(m.Command), m.Flags}
	b = binary.BigEndian.AppendUint32(b, m.ID)
	b = append(b, 0, 0) // the length, known at the end
	for _, e := range m.Elements {
		if len(e.Value) > maxBody {
			return nil, syntaxf("element %d of %d bytes", e.Tag, len(e.Value))
		}
		b = append(b, byte(e.Tag))
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.Value)))
		b = append(b, e.Value...)
	}
	size := len(b) - headerSize
	if size > maxBody {
		return nil, syntaxf("%d bytes in one message", size)
	}
	binary.BigEndian.PutUint16(b[8:], uint16(size))
	return b, nil
}

// Value is the value of the first element with tag t, nil if there is none.
// What has a tag that nobody asks for is thereby skipped.
func (m Message) Value(t Tag) []byte {
	for _, e := range m.Elements {
		if e.Tag == t {
			return e.Value
		}
	}
	return nil
}

// Text is the value of a string element up to its NUL, empty if there is none.
func (m Message) Text(t Tag) string {
	s, _, _ := bytes.Cut(m.Value(t), []byte{0})
	return string(s)
}

// DeviceName is the name that the client gives itself, empty if it gives none.
// Cisco's own logs show it with a NUL at the end, its phones send none.
func (m Message) DeviceName() string {
	return string(bytes.TrimRight(bytes.TrimPrefix(m.Value(DeviceName), []byte{1}), "\x00"))
}

// Uint8 is the value of a one-byte element; an absent one is an error.
func (m Message) Uint8(t Tag) (uint8, error) {
	v := m.Value(t)
	if len(v) != 1 {
		return 0, syntaxf("element %d has %d bytes instead of 1", t, len(v))
	}
	return v[0], nil
}

// Uint32 is the value of a four-byte element; an absent one is an error.
func (m Message) Uint32(t Tag) (uint32, error) {
	v := m.Value(t)
	if len(v) != 4 {
		return 0, syntaxf("element %d has %d bytes instead of 4", t, len(v))
	}
	return binary.BigEndian.Uint32(v), nil
}
