// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cfgsrv/internal/tlv"
)

// Listing is what "show file" tells of a signed or encrypted file, as a value
// for JSON; [Listing.Text] is the same in the layout of trust lists.
type Listing struct {
	FileName      string      `json:"fileName"`
	MD5           string      `json:"md5"`
	SHA1          string      `json:"sha1"`
	Length        int64       `json:"length"`
	ContentLength int64       `json:"contentLength"`
	Time          time.Time   `json:"time,omitzero"`
	Version       tlv.Version `json:"version"`
	HeaderLength  int         `json:"headerLength"`
	Signer        string      `json:"signer"` // the three as the header spells them
	Issuer        string      `json:"issuer"`
	Serial        string      `json:"serial"`
	Digest        string      `json:"digest"`
	Encrypted     bool        `json:"encrypted"`
	Header        []tlv.Row   `json:"header"`
	Verified      bool        `json:"verified"`
	VerifiedBy    string      `json:"verifiedBy,omitempty"` // the certificate's subject
	Problem       string      `json:"problem,omitempty"`    // why it is not verified
}

// List reads a file of any size from r and verifies it with the certificates
// given, as [Header.Verify] does. The error is of r, or a [*ParseError]; a
// file that does not verify is told by the listing.
func List(r io.Reader, candidates ...*x509.Certificate) (Listing, error) {
	sums := tlv.NewChecksums()
	r = io.TeeReader(r, sums)
	h, err := ReadHeader(r)
	if err != nil {
		return Listing{}, err
	}
	cert, err := h.Verify(r, candidates...)
	if err != nil && !errors.Is(err, ErrSignature) {
		return Listing{}, err
	}
	v := h.listing()
	v.MD5, v.SHA1, v.Length = sums.MD5(), sums.SHA1(), sums.Length()
	v.ContentLength = v.Length - int64(v.HeaderLength)
	if err != nil {
		v.Problem = err.Error()
	} else {
		v.Verified, v.VerifiedBy = true, tlv.Printable(tlv.SubjectName(cert))
	}
	return v, h.checkContent(v.ContentLength)
}

func (h *Header) listing() Listing {
	who := h.SignedBy()
	return Listing{
		FileName: tlv.Printable(h.FileName()), Time: h.Time(), Version: h.tlv.Version(), HeaderLength: h.Size(),
		Signer: tlv.Printable(who.Name), Issuer: tlv.Printable(who.Issuer), Serial: tlv.FormatSerial(who.Serial),
		Digest: h.Digest().String(), Encrypted: h.Encrypted(), Header: h.tlv.Rows(),
	}
}

// Text is the listing in the layout that Unified CM has for trust lists, with
// what phones compare, the name and the digest, above the table.
func (v Listing) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The checksum value of the signed file:\n%s(MD5)\n%s(SHA1)\n\n", v.MD5, v.SHA1)
	fmt.Fprintf(&b, "Length of signed file: %d\n", v.Length)
	if !v.Time.IsZero() {
		fmt.Fprintf(&b, "The signed File was last modified on %s\n", tlv.FormatTime(v.Time))
	}
	b.WriteString("\nParse signed File\n----------------\n\n")
	fmt.Fprintf(&b, "Version:      %s\nHeaderLength: %d (BYTES)\n", v.Version, v.HeaderLength)
	fmt.Fprintf(&b, "FileName:     %s\nDigest:       %s\n", v.FileName, v.Digest)
	fmt.Fprintf(&b, "Content:      %d (BYTES), %s\n\n", v.ContentLength, v.contentIs())
	tlv.WriteTable(&b, v.Header)
	if v.Verified {
		fmt.Fprintf(&b, "\nThe signed file was verified successfully with %s.\n", v.VerifiedBy)
	} else {
		fmt.Fprintf(&b, "\nThe signed file was not verified: %s.\n", v.Problem)
	}
	return b.String()
}

func (v Listing) contentIs() string {
	if v.Encrypted {
		return "encrypted"
	}
	return "plain"
}
