// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/internal/tlv/tlvtest"
)

const capfInner = "\n    <capf>\n      <phonePort>3804</phonePort>\n      <processNodeName>192.0.2.10</processNodeName>\n    </capf>\n  "

// The companion that certutils writes beside an encrypted file is ours to the
// byte.
func TestShortIsTheReference(t *testing.T) {
	s := Short{
		Elements: []Element{
			{"ipAddressMode", []byte("0")}, {"loadInformation", []byte("sip88xx.14-3-1-0201-246")}, {"capfList", []byte(capfInner)},
		},
		CAPFAuthMode: 2, CertHash: "983563dea3b722697399c840bd5524c2",
	}
	got, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, tlvtest.Read(t, "enc/sha1-rsa1024/SEP001122334455.cnf.xml.sgn")).Body
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// All that a phone needs is there, whatever the full configuration lacks.
func TestShortHasFourElementsAlways(t *testing.T) {
	got, err := Short{}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<device>
  <fullConfig>false</fullConfig>
  <capfAuthMode>0</capfAuthMode>
  <certHash></certHash>
  <encrConfig>true</encrConfig>
</device>
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestShortIndentsWhatItCopies(t *testing.T) {
	for name, test := range map[string]struct{ inner, want string }{
		"one line":       {"<capf><phonePort>3804</phonePort></capf>", "\n    <capf>\n      <phonePort>3804</phonePort>\n    </capf>\n  "},
		"tabs":           {"\r\n\t<capf>\r\n\t\t<phonePort>3804</phonePort></capf>\r\n", "\n    <capf>\n      <phonePort>3804</phonePort>\n    </capf>\n  "},
		"two":            {"<capf/><capf></capf>", "\n    <capf/>\n    <capf></capf>\n  "},
		"comments":       {"<!-- secret --><capf><!-- x --></capf><?pi x?>", "\n    <capf></capf>\n  "},
		"escapes stay":   {"<capf a='1'>A &amp; &lt;B&gt; &#233; <![CDATA[<c>]]></capf>", "\n    <capf a='1'>A &amp; &lt;B&gt; &#233; <![CDATA[<c>]]></capf>\n  "},
		"prefixes":       {"<xsi:capf/>", "\n    <xsi:capf/>\n  "},
		"nothing":        {"", ""},
		"blanks alone":   {" \n ", ""},
		"text":           {"x", "x"},
		"empty and full": {"<a/><b>1</b>", "\n    <a/>\n    <b>1</b>\n  "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Short{Elements: []Element{{"capfList", []byte(test.inner)}}}.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(string(got), "<capfList>")
			before, _, _ := strings.Cut(after, "</capfList>")
			if before != test.want {
				t.Errorf("got %q, want %q", before, test.want)
			}
		})
	}
}

func TestShortRefuses(t *testing.T) {
	element := func(name, inner string) []Element { return []Element{{name, []byte(inner)}} }
	for name, test := range map[string]struct {
		short Short
		want  string
	}{
		"mode":           {Short{CAPFAuthMode: 5}, "capfAuthMode is 5 and has to be 0 to 4"},
		"negative mode":  {Short{CAPFAuthMode: -1}, "capfAuthMode is -1 and has to be 0 to 4"},
		"short hash":     {Short{CertHash: "abc"}, `certHash is "abc" and has to be 32 hexadecimal digits in lower case, or empty`},
		"upper case":     {Short{CertHash: strings.Repeat("AB", 16)}, `certHash is "ABABABABABABABABABABABABABABABAB" and has to be 32 hexadecimal digits in lower case, or empty`},
		"secret":         {Short{Elements: element("sshPassword", "x")}, "the element sshPassword does not belong in the short form, which all can read"},
		"open element":   {Short{Elements: element("capfList", "<capf>")}, "copying the element capfList: XML syntax error on line 1: unexpected EOF"},
		"stray end":      {Short{Elements: element("capfList", "</capfList><sshPassword>x</sshPassword>")}, "copying the element capfList: XML syntax error on line 1: unexpected end element </capfList>"},
		"not UTF-8":      {Short{Elements: element("capfList", "\xff")}, "copying the element capfList: XML syntax error on line 1: invalid UTF-8"},
		"unknown entity": {Short{Elements: element("capfList", "&x;")}, "copying the element capfList: XML syntax error on line 1: invalid character entity &x;"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := test.short.Bytes(); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
