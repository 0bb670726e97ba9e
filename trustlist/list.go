// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"strings"
	"time"

	"cfgsrv/internal/tlv"
)

// MaxSize is how many bytes of a list phones take, header included.
const MaxSize = 64 << 10

// ParseError says where a list departs from the format, and how.
type ParseError = tlv.ParseError

// SignerError says why a certificate cannot sign a list, and what to use.
type SignerError = tlv.SignerError

// SignerInfo names the certificate that signed, as the list spells it.
type SignerInfo = tlv.SignerInfo

// Version is a pair of numbers such as 1.1.
type Version = tlv.Version

// ErrSignature means that the signature does not belong to the list.
var ErrSignature = tlv.ErrSignature

// Kind is ITL or CTL.
type Kind string

// The two lists. Their formats are the same.
const (
	ITL Kind = "ITL"
	CTL Kind = "CTL"
)

// FileName is the name inside every list of a kind, under whatever name it is
// served.
func (k Kind) FileName() string { return string(k) + "File.tlv" }

// List is a trust list taken apart. It is never modified, and shares the
// bytes that it was parsed from.
type List struct {
	header  *tlv.Header
	records []Record
}

// Parse takes a list apart. Who wrote it, in which order and with which
// unknown tags, does not matter; the error is a [*ParseError].
func Parse(data []byte) (*List, error) {
	if len(data) > MaxSize {
		return nil, tlv.Malformed(MaxSize, "the list has %d bytes and phones take %d: remove records", len(data), MaxSize)
	}
	h, err := tlv.ParseHeader(data)
	if err != nil {
		return nil, err
	}
	if v := h.Version(); v.Major != 1 {
		return nil, tlv.Malformed(0, "version %s is not that of a trust list", v)
	}
	l := &List{header: h}
	for at := h.Size; at < len(data); {
		size, err := recordSize(data[at:], at)
		if err != nil {
			return nil, err
		}
		r, err := parseRecord(data[at:at+size:at+size], at)
		if err != nil {
			return nil, err
		}
		l.records = append(l.records, r)
		at += size
	}
	return l, nil
}

// Marshal gives back the bytes that were parsed.
func (l *List) Marshal() []byte { return append(l.header.Append(nil), l.body()...) }

func (l *List) body() []byte {
	var b []byte
	for _, r := range l.records {
		b = r.fields.Append(b)
	}
	return b
}

// Kind is CTL if the list calls itself by a name that begins so, else ITL.
func (l *List) Kind() Kind {
	if strings.HasPrefix(l.FileName(), string(CTL)) {
		return CTL
	}
	return ITL
}

// FileName is the name inside the list.
func (l *List) FileName() string { return l.header.FileName() }

// Time is when the list says it was made, in UTC; zero if it does not say.
func (l *List) Time() time.Time { return l.header.Time() }

// Digest is the hash under the signature, SHA-1 or SHA-512.
func (l *List) Digest() crypto.Hash { return l.header.Digest() }

// SignerVersion is 1.0 or 1.1; zero if the list does not say, as Unified CM's
// do not.
func (l *List) SignerVersion() Version { return l.header.SignerVersion() }

// SignedBy is whom the header names as the signer.
func (l *List) SignedBy() SignerInfo { return l.header.Signer() }

// Records are the records in the list's order.
func (l *List) Records() []Record { return slices.Clone(l.records) }

// Find is the first record with one of roles whose certificate has this issuer
// and serial number, byte for byte as phones compare them.
func (l *List) Find(who SignerInfo, roles ...Role) (Record, bool) {
	i := l.find(who, roles...)
	if i < 0 {
		return Record{}, false
	}
	return l.records[i], true
}

func (l *List) find(who SignerInfo, roles ...Role) int {
	return slices.IndexFunc(l.records, func(r Record) bool {
		return slices.Contains(roles, r.Role()) && who.Is(r.Issuer(), r.Serial())
	})
}

// Verify checks that the list was signed by the SAST certificate in it that
// its header names (FORMATS 2.7). That makes the list whole, not trusted.
func (l *List) Verify() error {
	who := l.SignedBy()
	signer, ok := l.Find(who, SAST)
	if !ok {
		return fmt.Errorf("the list is signed by %s and has no SAST record of that issuer and serial number", who)
	}
	cert, err := signer.Certificate()
	if err != nil {
		return fmt.Errorf("checking the signature of %s: %w", who, err)
	}
	sum, err := l.header.Sum(bytes.NewReader(l.body()))
	if err != nil {
		return err
	}
	if err := l.header.VerifySum(sum, cert); err != nil {
		return fmt.Errorf("checking the signature of %s: %w", who, err)
	}
	return nil
}
