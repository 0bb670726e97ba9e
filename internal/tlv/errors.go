// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"errors"
	"fmt"
)

// ErrSignature means that a signature does not belong to the bytes it stands
// with, or not to the certificate it was checked with.
var ErrSignature = errors.New("the signature does not verify")

// ParseError says where a file departs from the format, and how.
type ParseError struct {
	Offset int // bytes from the start of the file
	Reason string
}

func (e *ParseError) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// Malformed makes a *ParseError.
func Malformed(offset int, format string, args ...any) error {
	return &ParseError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// SignerError says why a certificate cannot sign what phones check, and what
// to use instead.
type SignerError struct {
	Subject string
	Reason  string
}

func (e *SignerError) Error() string { return e.Subject + " cannot sign for phones: " + e.Reason }
