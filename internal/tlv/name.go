// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// SignerInfo names a certificate as a header does.
type SignerInfo struct {
	Name   string
	Issuer string
	Serial []byte
}

// Is says whether issuer and serial are those of s, byte for byte: the pair
// that phones look certificates up by.
func (s SignerInfo) Is(issuer string, serial []byte) bool {
	return s.Issuer == issuer && bytes.Equal(s.Serial, serial)
}

func (s SignerInfo) String() string {
	return fmt.Sprintf("%s (serial %s)", Printable(s.Name), FormatSerial(s.Serial))
}

// InfoOf is how our headers name cert.
func InfoOf(cert *x509.Certificate) SignerInfo {
	return SignerInfo{Name: SubjectName(cert), Issuer: IssuerName(cert), Serial: Serial(cert)}
}

// nameOrder is the order that Unified CM writes, whatever the certificate's is.
var nameOrder = []string{"CN", "OU", "O", "L", "ST", "C"}

// nameKeys are the attribute types with a word of their own (FORMATS 2.4).
var nameKeys = map[string]string{
	"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// SubjectName is the subject of a parsed certificate in Unified CM's spelling,
// CN;OU;O;L;ST;C joined with semicolons.
//
// No Cisco bytes show what Unified CM does beyond that, so it is settled here,
// for phones only hand the string back: several values of one kind keep the
// certificate's order (CN=a;OU=b;OU=c), other attributes follow after C in the
// certificate's order, under the word or the dotted number that certutils
// uses, and values are escaped with certutils' backslashes.
func SubjectName(cert *x509.Certificate) string { return cucmName(cert.Subject) }

// IssuerName is the issuer in the spelling of [SubjectName].
func IssuerName(cert *x509.Certificate) string { return cucmName(cert.Issuer) }

func cucmName(n pkix.Name) string {
	parts := make([]string, 0, len(n.Names))
	for _, wanted := range nameOrder {
		for _, a := range n.Names {
			if key := NameKey(a); key == wanted {
				parts = append(parts, key+"="+EscapeValue(a))
			}
		}
	}
	for _, a := range n.Names {
		if key := NameKey(a); !slices.Contains(nameOrder, key) {
			parts = append(parts, key+"="+EscapeValue(a))
		}
	}
	return strings.Join(parts, ";")
}

// NameKey is the word for an attribute's type, or its dotted number.
func NameKey(a pkix.AttributeTypeAndValue) string {
	oid := a.Type.String()
	if key, ok := nameKeys[oid]; ok {
		return key
	}
	return oid
}

// EscapeValue is an attribute's value as it stands in a name (FORMATS 2.4).
func EscapeValue(a pkix.AttributeTypeAndValue) string {
	value := fmt.Sprint(a.Value)
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		edge := c == ' ' && (i == 0 || i == len(value)-1) || c == '#' && i == 0
		switch {
		case c == 0:
			b.WriteString(`\00`)
			continue
		case edge, strings.IndexByte(`\"+,;<>`, c) >= 0:
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Serial is the serial number as an unsigned number in the fewest bytes, at
// least one.
func Serial(cert *x509.Certificate) []byte {
	if b := cert.SerialNumber.Bytes(); len(b) > 0 {
		return b
	}
	return []byte{0}
}

// FormatSerial is a serial number as Unified CM prints it, 70:CA:F6.
func FormatSerial(serial []byte) string { return spaced(serial, ":", true) }

// spaced is b in hexadecimal with sep between the bytes.
func spaced(b []byte, sep string, upper bool) string {
	var s strings.Builder
	for i := range b {
		if i > 0 {
			s.WriteString(sep)
		}
		s.WriteString(hex.EncodeToString(b[i : i+1]))
	}
	if upper {
		return strings.ToUpper(s.String())
	}
	return s.String()
}
