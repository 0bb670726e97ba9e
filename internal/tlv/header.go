// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Tags of a header (FORMATS 2.2, 4.1).
const (
	TagVersion           = 1
	TagHeaderLength      = 2
	TagSignerID          = 3
	TagSignerName        = 4
	TagSerialNumber      = 5
	TagCAName            = 6
	TagSignatureInfo     = 7
	TagDigest            = 8
	TagSignatureAlgoInfo = 9
	TagSignatureAlgo     = 10
	TagModulus           = 11
	TagSignature         = 12
	TagPadding           = 13
	TagFileName          = 14
	TagTimestamp         = 15
	TagEncryptionInfo    = 16
	TagIVInfo            = 17
	TagIVUnknown         = 18
	TagIV                = 19
	TagPaddingLength     = 20
	TagKeyInfo           = 21
	TagKeyUnknown        = 22
	TagKeySize           = 23
	TagKeyAlgorithm      = 24
	TagWrappedKey        = 25
	TagPlainDigest       = 26
	TagPlainSum          = 27
	TagSignerVersion     = 28
)

// HeaderRules are the rules of a header's tags. Up to tag 15 the names are
// those that Unified CM prints; for the others there is no Cisco word.
var HeaderRules = Rules{
	TagVersion:           {"VERSION", Bytes, 2},
	TagHeaderLength:      {"HEADERLENGTH", Bytes, 2},
	TagSignerID:          {"SIGNERID", Container, 0},
	TagSignerName:        {"SIGNERNAME", Text, 0},
	TagSerialNumber:      {"SERIALNUMBER", Bytes, 0},
	TagCAName:            {"CANAME", Text, 0},
	TagSignatureInfo:     {"SIGNATUREINFO", Container, 0},
	TagDigest:            {"DIGESTALGORTITHM", Bytes, 1},
	TagSignatureAlgoInfo: {"SIGNATUREALGOINFO", Container, 0},
	TagSignatureAlgo:     {"SIGNATUREALGORTITHM", Bytes, 1},
	TagModulus:           {"SIGNATUREMODULUS", Bytes, 1},
	TagSignature:         {"SIGNATURE", Hex, 0},
	TagPadding:           {"PADDING", Padding, 0},
	TagFileName:          {"FILENAME", Text, 0},
	TagTimestamp:         {"TIMESTAMP", Bytes, 4},
	TagEncryptionInfo:    {"ENCRYPTIONINFO", Container, 0},
	TagIVInfo:            {"IVINFO", Container, 0},
	TagIVUnknown:         {"IVRESERVED", Bytes, 1},
	TagIV:                {"IV", Hex, 16},
	TagPaddingLength:     {"PADDINGLENGTH", Bytes, 2},
	TagKeyInfo:           {"KEYINFO", Container, 0},
	TagKeyUnknown:        {"KEYRESERVED", Bytes, 1},
	TagKeySize:           {"KEYSIZE", Bytes, 2},
	TagKeyAlgorithm:      {"KEYALGORITHM", Bytes, 1},
	TagWrappedKey:        {"WRAPPEDKEY", Bytes, 0},
	TagPlainDigest:       {"PLAINDIGESTALGORITHM", Bytes, 1},
	TagPlainSum:          {"PLAINDIGEST", Hex, 0},
	TagSignerVersion:     {"SIGNERVERSION", Bytes, 2},
}

// FrontSize is how many bytes of a file [HeaderSize] needs.
const FrontSize = 10

// Version is a pair of numbers such as 1.2.
type Version struct{ Major, Minor byte }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// MarshalText is String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Header is the front of a trust list or a signed file. It is not modified
// after it was parsed, and shares the bytes that it was parsed from.
type Header struct {
	Fields
	Size   int // bytes, the offset of what follows
	digest crypto.Hash
}

// HeaderSize is the number of bytes of the header that begins with front.
func HeaderSize(front []byte) (int, error) {
	if len(front) < FrontSize {
		return 0, Malformed(len(front), "the file ends before its header's length is told")
	}
	if !bytes.HasPrefix(front, []byte{TagVersion, 0, 2}) || !bytes.HasPrefix(front[5:], []byte{TagHeaderLength, 0, 2}) {
		return 0, Malformed(0, "this is neither a trust list nor a signed file")
	}
	size := int(binary.BigEndian.Uint16(front[8:]))
	if size < FrontSize {
		return 0, Malformed(5, "HEADERLENGTH is %d, less than the %d bytes before", size, FrontSize)
	}
	return size, nil
}

// ParseHeader takes apart the header at the start of data (FORMATS 2.7). The
// order of the tags after the first two is free, tags that are not known are
// kept, and padding may stand anywhere.
func ParseHeader(data []byte) (*Header, error) {
	size, err := HeaderSize(data)
	if err != nil {
		return nil, err
	}
	if size > len(data) {
		return nil, Malformed(5, "HEADERLENGTH is %d and the file has %d bytes", size, len(data))
	}
	fields, err := Parse(data[:size:size], 0, HeaderRules)
	if err != nil {
		return nil, err
	}
	h := &Header{Fields: fields, Size: size}
	if err := h.check(); err != nil {
		return nil, err
	}
	return h, nil
}

// check looks at the values that say how to read the others.
func (h *Header) check() (err error) {
	for _, tag := range []byte{TagSerialNumber, TagDigest, TagSignature} {
		if _, ok := h.Field(tag); !ok {
			return Malformed(h.Size, "the header has no %s", HeaderRules[tag].Name)
		}
	}
	digest, _ := h.Field(TagDigest)
	if h.digest, err = DigestOf(digest.Value[0]); err != nil {
		return Malformed(digest.Offset, "%s", err)
	}
	if f, ok := h.Field(TagSignatureAlgo); ok && f.Value[0] != rsaAlgorithm {
		return Malformed(f.Offset, "signature algorithm %d is not known, only %d (RSA) is", f.Value[0], rsaAlgorithm)
	}
	f, ok := h.Field(TagModulus)
	if code, known := modulusOf(len(h.Signature())); ok && (!known || code != f.Value[0]) {
		return Malformed(f.Offset, "modulus code %d does not go with a signature of %d bytes", f.Value[0], len(h.Signature()))
	}
	return nil
}

// Version is the value of tag 1.
func (h *Header) Version() Version { return h.version(TagVersion) }

// SignerVersion is the value of tag 28; zero if the header has none.
func (h *Header) SignerVersion() Version { return h.version(TagSignerVersion) }

func (h *Header) version(tag byte) Version {
	v, ok := h.Value(tag)
	if !ok {
		return Version{}
	}
	return Version{v[0], v[1]}
}

// Signer is who signed, as the header spells it.
func (h *Header) Signer() SignerInfo {
	serial, _ := h.Value(TagSerialNumber)
	return SignerInfo{Name: h.Text(TagSignerName), Issuer: h.Text(TagCAName), Serial: serial}
}

// Digest is the hash under the signature: SHA-1 or SHA-512.
func (h *Header) Digest() crypto.Hash { return h.digest }

// Signature is the value of tag 12.
func (h *Header) Signature() []byte {
	v, _ := h.Value(TagSignature)
	return v
}

// FileName is the name that the file gives itself; empty if it gives none.
func (h *Header) FileName() string { return h.Text(TagFileName) }

// Time is when the file says it was made, in UTC; zero if it does not say.
func (h *Header) Time() time.Time {
	v, ok := h.Value(TagTimestamp)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint32(v)), 0).UTC()
}

// Sum hashes what the signature covers: the header with the signature's whole
// field cut out, then body to its end (FORMATS 2.5).
func (h *Header) Sum(body io.Reader) ([]byte, error) {
	covered := make([]byte, 0, h.Size)
	for _, f := range h.Fields {
		if f.Tag != TagSignature {
			covered = f.append(covered)
		}
	}
	d := h.digest.New()
	d.Write(covered)
	if _, err := io.Copy(d, body); err != nil {
		return nil, fmt.Errorf("hashing the content: %w", err)
	}
	return d.Sum(nil), nil
}

// VerifySum checks that sum was signed with the key of cert. The error is or
// wraps [ErrSignature].
func (h *Header) VerifySum(sum []byte, cert *x509.Certificate) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: the key of %s is not RSA", ErrSignature, SubjectName(cert))
	}
	if rsa.VerifyPKCS1v15(key, h.digest, sum, h.Signature()) != nil {
		return ErrSignature
	}
	return nil
}
