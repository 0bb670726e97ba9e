// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"cfgsrv/internal/tlv"
)

const (
	tagRecordLength    = 1
	tagDNSName         = 2
	tagSubjectName     = 3
	tagFunction        = 4
	tagIssuerName      = 5
	tagSerialNumber    = 6
	tagPublicKey       = 7
	tagSignature       = 8
	tagCertificate     = 9
	tagIPAddress       = 10
	tagCertificateHash = 11
	tagHashAlgorithm   = 12
)

// recordRules are the rules of a record's tags (FORMATS 2.3). Tags 11 and 12
// are known by name only.
var recordRules = tlv.Rules{
	tagRecordLength:    {Name: "RECORDLENGTH", Kind: tlv.Bytes, Size: 2},
	tagDNSName:         {Name: "DNSNAME", Kind: tlv.Host},
	tagSubjectName:     {Name: "SUBJECTNAME", Kind: tlv.Text},
	tagFunction:        {Name: "FUNCTION", Kind: tlv.Bytes, Size: 2},
	tagIssuerName:      {Name: "ISSUERNAME", Kind: tlv.Text},
	tagSerialNumber:    {Name: "SERIALNUMBER", Kind: tlv.Bytes},
	tagPublicKey:       {Name: "PUBLICKEY", Kind: tlv.Bytes},
	tagSignature:       {Name: "SIGNATURE", Kind: tlv.Bytes},
	tagCertificate:     {Name: "CERTIFICATE", Kind: tlv.Bytes},
	tagIPAddress:       {Name: "IPADDRESS", Kind: tlv.Bytes},
	tagCertificateHash: {Name: "CERTIFICATEHASH", Kind: tlv.Bytes},
	tagHashAlgorithm:   {Name: "HASHALGORITHM", Kind: tlv.Bytes},
}

// recordFront is how many bytes the field of a record's length takes.
const recordFront = 5

// Record is one certificate of a list with its role. Everything but the role
// may be missing: Unified CM leaves the certificate out of the server records
// of a list that it has emptied (a CTL in non-secure mode).
type Record struct {
	fields tlv.Fields
}

// recordSize is the length that the record at the start of data states;
// offset is where it stands in the file.
func recordSize(data []byte, offset int) (int, error) {
	if len(data) < recordFront || data[0] != tagRecordLength || binary.BigEndian.Uint16(data[1:]) != 2 {
		return 0, tlv.Malformed(offset, "a record has to begin with its length")
	}
	size := int(binary.BigEndian.Uint16(data[3:]))
	if size < recordFront || size > len(data) {
		return 0, tlv.Malformed(offset, "RECORDLENGTH is %d where %d bytes are left", size, len(data))
	}
	return size, nil
}

func parseRecord(data []byte, offset int) (Record, error) {
	fields, err := tlv.Parse(data, offset, recordRules)
	if err != nil {
		return Record{}, err
	}
	r := Record{fields: fields}
	if _, ok := fields.Value(tagFunction); !ok {
		return r, tlv.Malformed(offset, "the record has no FUNCTION")
	}
	if ip, ok := fields.Field(tagIPAddress); ok && len(ip.Value) != 4 && len(ip.Value) != 16 {
		return r, tlv.Malformed(ip.Offset, "IPADDRESS has %d bytes instead of 4 or 16", len(ip.Value))
	}
	return r, nil
}

// Role is what the certificate is for.
func (r Record) Role() Role {
	v, _ := r.fields.Value(tagFunction)
	return Role(binary.BigEndian.Uint16(v))
}

// Host is the name of the server that the record is about; may be empty.
func (r Record) Host() string { return r.fields.Text(tagDNSName) }

// Subject, Issuer and Serial are the certificate's as the list spells them,
// which is how phones look it up. All are empty in an emptied record.
func (r Record) Subject() string { return r.fields.Text(tagSubjectName) }

// Issuer is the certificate's issuer; see [Record.Subject].
func (r Record) Issuer() string { return r.fields.Text(tagIssuerName) }

// Serial is the certificate's serial number; see [Record.Subject].
func (r Record) Serial() []byte { return r.value(tagSerialNumber) }

// PublicKey is the certificate's key: PKCS#1 for RSA, the uncompressed point
// for ECDSA.
func (r Record) PublicKey() []byte { return r.value(tagPublicKey) }

// Signature is the certificate's own signature, by its issuer.
func (r Record) Signature() []byte { return r.value(tagSignature) }

// DER is the certificate; empty if the record has none.
func (r Record) DER() []byte { return r.value(tagCertificate) }

// Address is the server's address; the zero Addr if the record has none.
func (r Record) Address() netip.Addr {
	a, _ := netip.AddrFromSlice(r.value(tagIPAddress))
	return a
}

func (r Record) value(tag byte) []byte {
	v, _ := r.fields.Value(tag)
	return v
}

// ErrNoCertificate means that a record names a certificate, or only a host,
// and does not hold one.
var ErrNoCertificate = errors.New("the record holds no certificate")

// Certificate parses the certificate. Without one the error is
// [ErrNoCertificate].
func (r Record) Certificate() (*x509.Certificate, error) {
	if len(r.DER()) == 0 {
		return nil, ErrNoCertificate
	}
	c, err := x509.ParseCertificate(r.DER())
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate of the %s record: %w", r.Role(), err)
	}
	return c, nil
}
