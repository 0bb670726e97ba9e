// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"crypto/sha1"
	"fmt"
	"strings"
	"time"

	"cfgsrv/internal/tlv"
)

// Listing is what "show itl" and "show ctl" tell of a list, as a value for
// JSON; [Listing.Text] is the same in Unified CM's layout.
type Listing struct {
	Kind          Kind            `json:"kind"`
	FileName      string          `json:"fileName"`
	MD5           string          `json:"md5"`
	SHA1          string          `json:"sha1"`
	Length        int64           `json:"length"`
	Time          time.Time       `json:"time,omitzero"`
	Version       Version         `json:"version"`
	HeaderLength  int             `json:"headerLength"`
	SignerVersion Version         `json:"signerVersion,omitzero"`
	Signer        string          `json:"signer"` // the three as the header spells them
	Issuer        string          `json:"issuer"`
	Serial        string          `json:"serial"`
	Digest        string          `json:"digest"`
	Header        []tlv.Row       `json:"header"`
	Records       []RecordListing `json:"records"`
	Verified      bool            `json:"verified"`
	Problem       string          `json:"problem,omitempty"` // why it is not verified
}

// RecordListing is what a [Listing] tells of a record.
type RecordListing struct {
	Role    Role      `json:"role"`
	Host    string    `json:"host,omitempty"`
	Subject string    `json:"subject,omitempty"`
	Issuer  string    `json:"issuer,omitempty"`
	Serial  string    `json:"serial,omitempty"`
	Address string    `json:"address,omitempty"`
	SHA1    string    `json:"sha1,omitempty"` // of the certificate
	Signed  bool      `json:"signed"`         // this certificate signed the list
	Fields  []tlv.Row `json:"fields"`
}

// Listing takes the list apart for people, and verifies it.
func (l *List) Listing() Listing {
	v := l.describe()
	if err := l.Verify(); err != nil {
		v.Problem = err.Error()
	}
	v.Verified = v.Problem == ""
	return v
}

// describe is all of the listing but whether the list verifies.
func (l *List) describe() Listing {
	sums := tlv.NewChecksums()
	sums.Write(l.Marshal())
	who := l.SignedBy()
	v := Listing{
		Kind: l.Kind(), FileName: tlv.Printable(l.FileName()), MD5: sums.MD5(), SHA1: sums.SHA1(), Length: sums.Length(),
		Time: l.Time(), Version: l.header.Version(), HeaderLength: l.header.Size, SignerVersion: l.SignerVersion(),
		Signer: tlv.Printable(who.Name), Issuer: tlv.Printable(who.Issuer), Serial: tlv.FormatSerial(who.Serial),
		Digest: l.Digest().String(), Header: l.header.Rows(),
	}
	signer := l.find(who, SAST)
	for i, r := range l.records {
		v.Records = append(v.Records, r.listing(i == signer))
	}
	return v
}

func (r Record) listing(signed bool) RecordListing {
	v := RecordListing{
		Role: r.Role(), Host: tlv.Printable(r.Host()), Subject: tlv.Printable(r.Subject()), Issuer: tlv.Printable(r.Issuer()),
		Serial: tlv.FormatSerial(r.Serial()), Signed: signed, Fields: tlv.Rows(r.fields, recordRules, r.text),
	}
	if a := r.Address(); a.IsValid() {
		v.Address = a.String()
	}
	if len(r.DER()) > 0 {
		v.SHA1 = fmt.Sprintf("%x", sha1.Sum(r.DER()))
	}
	return v
}

// text is what Unified CM prints of a field.
func (r Record) text(f tlv.Field) string {
	switch f.Tag {
	case tagRecordLength:
		return fmt.Sprint(int(f.Value[0])<<8 | int(f.Value[1]))
	case tagDNSName:
		return r.Host()
	case tagSubjectName:
		return r.Subject()
	case tagFunction:
		return r.Role().title()
	case tagIssuerName:
		return r.Issuer()
	case tagSerialNumber:
		return tlv.FormatSerial(f.Value)
	case tagCertificate:
		return fmt.Sprintf("% X (SHA1 Hash HEX)", sha1.Sum(f.Value))
	default:
		return ""
	}
}

// Text is the listing in the layout of Unified CM's "show ctl", its spelling
// included; "show itl" says ITL in the same places.
func (v Listing) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The checksum value of the %s file:\n%s(MD5)\n%s(SHA1)\n\n", v.Kind, v.MD5, v.SHA1)
	fmt.Fprintf(&b, "Length of %s file: %d\n", v.Kind, v.Length)
	if !v.Time.IsZero() {
		fmt.Fprintf(&b, "The %s File was last modified on %s\n", v.Kind, tlv.FormatTime(v.Time))
	}
	fmt.Fprintf(&b, "\nParse %s File\n----------------\n\n", v.Kind)
	fmt.Fprintf(&b, "Version:      %s\nHeaderLength: %d (BYTES)\n\n", v.Version, v.HeaderLength)
	tlv.WriteTable(&b, v.Header)
	for i, r := range v.Records {
		fmt.Fprintf(&b, "\n%s Record #:%d\n----\n", v.Kind, i+1)
		tlv.WriteTable(&b, r.Fields)
		if r.Signed {
			fmt.Fprintf(&b, "This etoken was used to sign the %s file.\n", v.Kind)
		} else if r.Role == SAST {
			fmt.Fprintf(&b, "This etoken was not used to sign the %s file.\n", v.Kind)
		}
	}
	if v.Verified {
		fmt.Fprintf(&b, "\nThe %s file was verified successfully.\n", v.Kind)
	} else {
		fmt.Fprintf(&b, "\nThe %s file was not verified: %s.\n", v.Kind, v.Problem)
	}
	return b.String()
}

// MissingText is what Unified CM prints where there is no list of kind k. For
// the ITL, which needs no command to generate it, the second line is ours.
func MissingText(k Kind) string {
	how := "Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file."
	if k == ITL {
		how = "It is generated once the server has its certificates."
	}
	return fmt.Sprintf("Length of %[1]s file: 0\n%[1]s File not found. %[2]s\nError parsing the %[1]s File.\n", k, how)
}
