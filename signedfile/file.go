// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"time"

	"cfgsrv/internal/tlv"
)

// ParseError says where a file departs from the format, and how.
type ParseError = tlv.ParseError

// SignerError says why a certificate cannot sign files, and what to use.
type SignerError = tlv.SignerError

// SignerInfo names the certificate that signed, as the file spells it.
type SignerInfo = tlv.SignerInfo

// ErrSignature means that the signature does not belong to the file, or was
// not made with any of the certificates given.
var ErrSignature = tlv.ErrSignature

// Header is what stands before the content of a signed file. It is never
// modified, and shares the bytes that it was parsed from.
type Header struct {
	tlv        *tlv.Header
	encryption *encryption // nil if the content is plain
}

// File is a signed file in memory.
type File struct {
	Header
	// Body is the content, encrypted if [Header.Encrypted] says so.
	Body []byte
}

// Parse takes a signed or encrypted file apart. Who wrote it, in which order
// and with which unknown tags, does not matter; the error is a [*ParseError].
func Parse(data []byte) (*File, error) {
	t, err := tlv.ParseHeader(data)
	if err != nil {
		return nil, err
	}
	h, err := newHeader(t)
	if err != nil {
		return nil, err
	}
	body := data[h.Size():]
	if err := h.checkContent(int64(len(body))); err != nil {
		return nil, err
	}
	return &File{Header: *h, Body: body}, nil
}

// ReadHeader reads the header of a signed file of any size, and not a byte of
// the content after it. The error is of r, or a [*ParseError].
func ReadHeader(r io.Reader) (*Header, error) {
	var front bytes.Buffer
	if _, err := io.CopyN(&front, r, tlv.FrontSize); err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	size, err := tlv.HeaderSize(front.Bytes())
	if err != nil {
		return nil, err
	}
	// CopyN takes memory as the bytes come, not as the file claims.
	if _, err := io.CopyN(&front, r, int64(size-front.Len())); err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	t, err := tlv.ParseHeader(front.Bytes())
	if err != nil {
		return nil, err
	}
	return newHeader(t)
}

func newHeader(t *tlv.Header) (*Header, error) {
	e, err := parseEncryption(t)
	if err != nil {
		return nil, err
	}
	return &Header{tlv: t, encryption: e}, nil
}

// Size is the number of bytes before the content.
func (h *Header) Size() int { return h.tlv.Size }

// FileName is the name that the file gives itself; empty if it gives none.
func (h *Header) FileName() string { return h.tlv.FileName() }

// Time is when the file says it was signed, in UTC; zero if it does not say,
// as firmware does not.
func (h *Header) Time() time.Time { return h.tlv.Time() }

// Digest is the hash under the signature, SHA-1 or SHA-512.
func (h *Header) Digest() crypto.Hash { return h.tlv.Digest() }

// SignedBy is whom the header names as the signer.
func (h *Header) SignedBy() SignerInfo { return h.tlv.Signer() }

// Encrypted says whether the content has to be decrypted.
func (h *Header) Encrypted() bool { return h.encryption != nil }

// Firmware says whether this is one of Cisco's own firmware files, whose version
// is 1.1 (FORMATS 3). No known certificate verifies them.
func (h *Header) Firmware() bool { return h.tlv.Version() == firmwareVersion }

// CheckName says why a phone that asked for a file by this name would not take
// it: it compares the name with the one inside.
func (h *Header) CheckName(asked string) error {
	if name := h.FileName(); name != asked {
		return fmt.Errorf("the file calls itself %q: a phone that asked for %q refuses it", name, asked)
	}
	return nil
}

// Verify reads body, what follows the header, to its end and gives the first
// of candidates that signed it: one with the serial number in the header and
// the key of the signature. Names are not compared, for writers spell them
// differently. If there is none the error wraps [ErrSignature].
func (h *Header) Verify(body io.Reader, candidates ...*x509.Certificate) (*x509.Certificate, error) {
	sum, err := h.tlv.Sum(body)
	if err != nil {
		return nil, err
	}
	named := false
	for _, c := range candidates {
		if !bytes.Equal(tlv.Serial(c), h.SignedBy().Serial) {
			continue
		}
		if h.tlv.VerifySum(sum, c) == nil {
			return c, nil
		}
		named = true
	}
	if named {
		return nil, fmt.Errorf("checking the signature of %s: %w", h.SignedBy(), ErrSignature)
	}
	return nil, fmt.Errorf("%w: the file is signed by %s, whose certificate is not among those tried", ErrSignature, h.SignedBy())
}

// Verify is [Header.Verify] of a file in memory.
func (f *File) Verify(candidates ...*x509.Certificate) (*x509.Certificate, error) {
	return f.Header.Verify(bytes.NewReader(f.Body), candidates...)
}

// Marshal gives back the bytes that were parsed.
func (f *File) Marshal() []byte {
	return append(f.tlv.Append(slices.Grow([]byte(nil), f.Size()+len(f.Body))), f.Body...)
}
