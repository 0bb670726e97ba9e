// SPDX-License-Identifier: Apache-2.0

package tftp

import "encoding/binary"

// Opcodes of RFC 1350 section 5 and RFC 2347.
const (
	opRRQ   = 1
	opWRQ   = 2
	opDATA  = 3
	opACK   = 4
	opERROR = 5
	opOACK  = 6
)

// Error codes of RFC 1350 section 5 and RFC 2347.
const (
	codeUndefined = 0
	codeNotFound  = 1
	codeAccess    = 2
	codeIllegal   = 4
	codeUnknown   = 5
	codeOption    = 8
)

const (
	headerSize = 4 // of DATA: opcode and block number
	// plainBlockSize is the block size without the blksize option.
	plainBlockSize = 512
	// maxRequest is the longest request: RFC 2347 section 2.
	maxRequest = 512
	// maxMessage keeps an ERROR within the 516 bytes that every client can take.
	maxMessage = 511
)

// opcode is zero for what is no packet.
func opcode(p []byte) uint16 {
	if len(p) < headerSize {
		return 0
	}
	return binary.BigEndian.Uint16(p)
}

// block is the block number of a DATA or an ACK.
func block(p []byte) uint16 { return binary.BigEndian.Uint16(p[2:]) }

// requestPacket is a read request in octet mode, with options as names and
// values in turn.
func requestPacket(name string, options ...string) []byte {
	return requestIn("octet", name, options...)
}

func requestIn(mode, name string, options ...string) []byte {
	p := binary.BigEndian.AppendUint16(nil, opRRQ)
	for _, field := range append([]string{name, mode}, options...) {
		p = append(append(p, field...), 0)
	}
	return p
}

func ackPacket(block uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, opACK}, block)
}

func errorPacket(code uint16, message string) []byte {
	p := binary.BigEndian.AppendUint16([]byte{0, opERROR}, code)
	return append(append(p, message[:min(len(message), maxMessage)]...), 0)
}
