// SPDX-License-Identifier: Apache-2.0

// Package wire reads and writes the messages of CAPF, byte for byte (FORMATS 6).
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	protocol   = 0x55
	headerSize = 8
	maxBody    = 1<<16 - 1 // its length is 16 bits
)

// ErrSyntax is what every error about the bytes themselves is. Any other error
// of Read is the connection's.
var ErrSyntax = errors.New("not a CAPF message")

func syntaxf(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, a...))
}

// Command is what a message asks or answers (FORMATS 6.2).
type Command uint8

// The commands that a session of ours uses.
const (
	AuthRequest       Command = 1
	AuthResponse      Command = 2
	KeyRequest        Command = 3
	KeyResponse       Command = 4
	StoreRequest      Command = 9
	StoreResponse     Command = 10
	FetchRequest      Command = 11
	FetchResponse     Command = 12
	DeleteRequest     Command = 13
	DeleteResponse    Command = 14
	End               Command = 15
	RequestInProgress Command = 17
)

// Message is one frame (FORMATS 6.1).
type Message struct {
	Command Command
	Session uint32 // chosen by the server, the same all through a connection
	Elements
}

// Read reads one message. It returns io.EOF if the connection ended before the
// first byte, and an error that is ErrSyntax for what is not a CAPF message.
func Read(r io.Reader) (Message, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Message{}, err
	}
	if h[0] != protocol {
		return Message{}, syntaxf("it begins with %#02x", h[0])
	}
	// The buffer grows with what arrives: a length alone must not cost memory.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, int64(binary.BigEndian.Uint16(h[6:]))); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Message{}, err
	}
	elements, err := ParseElements(body.Bytes())
	if err != nil {
		return Message{}, err
	}
	return Message{Command(h[1]), binary.BigEndian.Uint32(h[2:]), elements}, nil
}

// Marshal is the inverse of Read. It fails for a message that is over the
// format's limits.
func (m Message) Marshal() ([]byte, error) {
	body, err := m.Elements.Marshal()
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, syntaxf("%d bytes in one message", len(body))
	}
	b := make([]byte, 0, headerSize+len(body))
	b = append(b, protocol, byte(m.Command))
	b = binary.BigEndian.AppendUint32(b, m.Session)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...), nil
}
