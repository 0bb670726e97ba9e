// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Of the record and handshake layers (RFC 8446 sections 4, 5.1 and B.1-3).
const (
	recordHandshake   = 22
	recordHeader      = 5
	recordMax         = 1 << 14
	messageHeader     = 4
	messageHello      = 1
	messageMax        = 1 << 16 // crypto/tls reads no longer one
	recordVersionByte = 3
)

// readHello reads a recorded ClientHello: the bytes of its records, the
// handshake message alone, or the hex digits of either, in which blanks and
// colons do not count. It returns the message. Nothing may follow it.
func readHello(recorded []byte) ([]byte, error) {
	b := recorded
	if digits, ok := hexDigits(recorded); ok {
		b = digits
	}
	if len(b) > 0 && b[0] == recordHandshake {
		var err error
		if b, err = joinRecords(b); err != nil {
			return nil, err
		}
	}
	if len(b) < messageHeader || b[0] != messageHello {
		return nil, errors.New("it does not begin as a ClientHello does: give the bytes that the client sent first, or their hex digits")
	}
	length := int(b[1])<<16 | int(binary.BigEndian.Uint16(b[2:]))
	if length > messageMax {
		return nil, fmt.Errorf("its ClientHello has %d bytes, more than any real one", length)
	}
	if got := len(b) - messageHeader; got != length {
		return nil, fmt.Errorf("its ClientHello has %d bytes where %d are announced", got, length)
	}
	return b, nil
}

// hexDigits decodes text; ok is false if it is not that.
func hexDigits(b []byte) (decoded []byte, ok bool) {
	text := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", ":", "").Replace(string(b))
	decoded, err := hex.DecodeString(text)
	return decoded, err == nil && text != ""
}

// joinRecords returns what the records hold.
func joinRecords(b []byte) ([]byte, error) {
	var message []byte
	for len(b) > 0 {
		if len(b) < recordHeader || b[0] != recordHandshake || b[1] != recordVersionByte {
			return nil, errors.New("it holds something else than the records of one ClientHello")
		}
		length := int(binary.BigEndian.Uint16(b[3:]))
		b = b[recordHeader:]
		if length == 0 || length > recordMax {
			return nil, fmt.Errorf("a record has %d bytes, which TLS does not allow", length)
		}
		if length > len(b) {
			return nil, fmt.Errorf("it ends %d bytes early", length-len(b))
		}
		message, b = append(message, b[:length]...), b[length:]
	}
	return message, nil
}

// records is the inverse of joinRecords.
func records(message []byte) []byte {
	var b bytes.Buffer
	for len(message) > 0 {
		n := min(len(message), recordMax)
		b.Write([]byte{recordHandshake, recordVersionByte, 1, byte(n >> 8), byte(n)})
		b.Write(message[:n])
		message = message[n:]
	}
	return b.Bytes()
}
