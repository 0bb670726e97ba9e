// SPDX-License-Identifier: Apache-2.0

package tlv_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

func attribute(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: value}
}

var (
	cn     = asn1.ObjectIdentifier{2, 5, 4, 3}
	serial = asn1.ObjectIdentifier{2, 5, 4, 5}
	c      = asn1.ObjectIdentifier{2, 5, 4, 6}
	l      = asn1.ObjectIdentifier{2, 5, 4, 7}
	st     = asn1.ObjectIdentifier{2, 5, 4, 8}
	o      = asn1.ObjectIdentifier{2, 5, 4, 10}
	ou     = asn1.ObjectIdentifier{2, 5, 4, 11}
	dc     = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
)

func TestSubjectName(t *testing.T) {
	for name, test := range map[string]struct {
		attributes []pkix.AttributeTypeAndValue
		want       string
	}{
		"none":              {nil, ""},
		"Unified CM's own":  {[]pkix.AttributeTypeAndValue{attribute(c, "US"), attribute(o, "Alpha"), attribute(ou, "VTG"), attribute(cn, "ucm"), attribute(st, "CA"), attribute(l, "SJ")}, "CN=ucm;OU=VTG;O=Alpha;L=SJ;ST=CA;C=US"},
		"several units":     {[]pkix.AttributeTypeAndValue{attribute(o, "A"), attribute(ou, "first"), attribute(cn, "x"), attribute(ou, "second")}, "CN=x;OU=first;OU=second;O=A"},
		"others come last":  {[]pkix.AttributeTypeAndValue{attribute(serial, "PID:CP-8861"), attribute(dc, "test"), attribute(c, "NZ"), attribute(cn, "x")}, "CN=x;C=NZ;2.5.4.5=PID:CP-8861;DC=test"},
		"every special":     {[]pkix.AttributeTypeAndValue{attribute(cn, `a\b"c+d,e;f<g>h=i#j`)}, `CN=a\\b\"c\+d\,e\;f\<g\>h=i#j`},
		"leading number":    {[]pkix.AttributeTypeAndValue{attribute(cn, "#1")}, `CN=\#1`},
		"blanks at the end": {[]pkix.AttributeTypeAndValue{attribute(cn, "  a  ")}, `CN=\  a \ `},
		"one blank":         {[]pkix.AttributeTypeAndValue{attribute(cn, " ")}, `CN=\ `},
		"NUL":               {[]pkix.AttributeTypeAndValue{attribute(cn, "a\x00b")}, `CN=a\00b`},
		"not ASCII":         {[]pkix.AttributeTypeAndValue{attribute(cn, "Zoë")}, "CN=Zoë"},
		"not a string":      {[]pkix.AttributeTypeAndValue{attribute(cn, 7)}, "CN=7"},
	} {
		t.Run(name, func(t *testing.T) {
			cert := &x509.Certificate{Subject: pkix.Name{Names: test.attributes}}
			if got := tlv.SubjectName(cert); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A certificate with every difficulty, in both spellings. The reference is in
// its list as certutils wrote it.
func TestNamesOfARealCertificate(t *testing.T) {
	cert := tlvtest.Key(t, "names-torture").Cert
	h, err := tlv.ParseHeader(tlvtest.Read(t, "itl/names-torture.tlv"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tlvtest.CertutilsName(cert.Subject), h.Signer().Name; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want := `CN=Zoë ucm;OU=\#lead;O=Example\, Inc\; \"Q\" \+ \<x\> \\ = #;L=\ lead and trail\ ;C=NZ;2.5.4.5=PID:CP-8861 SN:FCH00000000;1.2.840.113549.1.9.1=a@example.test`
	if got := tlv.SubjectName(cert); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := tlv.IssuerName(cert), "CN=Issuing CA;DC=test;DC=example"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSerial(t *testing.T) {
	for value, want := range map[int64]string{0: "00", 1: "01", 0x80ff: "80:FF", 0x7f: "7F", 0x0100: "01:00"} {
		cert := &x509.Certificate{SerialNumber: big.NewInt(value)}
		if got := tlv.FormatSerial(tlv.Serial(cert)); got != want {
			t.Errorf("serial %d is %s, want %s", value, got, want)
		}
	}
}

func TestSignerInfo(t *testing.T) {
	cert := tlvtest.Key(t, "serial-one").Cert
	who := tlv.InfoOf(cert)
	if got, want := who.String(), "CN=serial-one (serial 01)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, test := range map[string]struct {
		issuer string
		serial []byte
		want   bool
	}{
		"both":         {"CN=serial-one", []byte{1}, true},
		"other serial": {"CN=serial-one", []byte{0, 1}, false},
		"other issuer": {"cn=serial-one", []byte{1}, false},
	} {
		if got := who.Is(test.issuer, test.serial); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
