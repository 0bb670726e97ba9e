// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"cfgsrv/configfiles"
)

func encode(t testing.TB, e encoding.Encoding, s string) string {
	t.Helper()
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadMaster(t *testing.T) {
	const declaration = `<?xml version="1.0" encoding="%s"?>`
	utf16le := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	utf16be := unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	device := func(inside string) string { return "<device>\n" + inside + "\n</device>\n" }
	wish := func(text string) string { return device("<encrConfig>" + text + "</encrConfig>") }
	umlaut := device("<name>B\u00fcro</name><encrConfig>true</encrConfig>")
	for _, c := range []struct {
		name, file string
		want       bool
		err        string // empty: none
	}{
		{"true", wish("true"), true, ""},
		{"1", wish("1"), true, ""},
		{"any case", wish("TrUe"), true, ""},
		{"blanks", wish(" \t\r\n true\n"), true, ""},
		{"no-break space", wish("\u00a0true"), true, ""},
		{"false", wish("false"), false, ""},
		{"0", wish("0"), false, ""},
		{"empty", wish(""), false, ""},
		{"empty element", device("<encrConfig/>"), false, ""},
		{"yes", wish("yes"), false, ""},
		{"true and more", wish("true false"), false, ""},
		{"01", wish("01"), false, ""},
		{"absent", device("<a/>"), false, ""},
		{"any root", "<Default><encrConfig>true</encrConfig></Default>", true, ""},
		{"comment inside", wish("tr<!-- x -->ue"), true, ""},
		{"CDATA", wish("<![CDATA[true]]>"), true, ""},
		{"CDATA in part", wish("t<![CDATA[ru]]>e"), true, ""},
		{"processing instruction inside", wish("tr<?x y?>ue"), true, ""},
		{"character reference", wish("&#116;rue"), true, ""},
		{"text of a child does not count", wish("<b>true</b>"), false, ""},
		{"text around a child", wish("tr<b>x</b>ue"), true, ""},
		{"in a comment", device("<!-- <encrConfig>true</encrConfig> -->"), false, ""},
		{"in CDATA", device("<a><![CDATA[<encrConfig>true</encrConfig>]]></a>"), false, ""},
		{"deeper down", device("<a><encrConfig>true</encrConfig></a>"), false, ""},
		{"as the root", "<encrConfig>true</encrConfig>", false, ""},
		{"as an attribute", `<device encrConfig="true"/>`, false, ""},
		{"another case of the element", device("<EncrConfig>true</EncrConfig>"), false, ""},
		{"longer name", device("<encrConfig2>true</encrConfig2>"), false, ""},
		{"twice, first true", device("<encrConfig>true</encrConfig><encrConfig>false</encrConfig>"), true, ""},
		{"twice, second true", device("<encrConfig>false</encrConfig><encrConfig>true</encrConfig>"), true, ""},
		{"undeclared prefix", device(`<a xsi:nil="true"/><encrConfig>true</encrConfig>`), true, ""},
		{"undeclared prefix of its own", device(`<axl:encrConfig xsi:type="axl:XBoolean">true</axl:encrConfig>`), true, ""},
		{"namespaces", `<device xmlns="urn:a" xmlns:x="urn:b"><x:encrConfig>true</x:encrConfig></device>`, true, ""},
		{"after the root", wish("false") + "<encrConfig>true</encrConfig>", false, ""},
		{"rubbish after the root", wish("false") + "<&", false, ""},
		{"doctype", "<!DOCTYPE device [<!ELEMENT device ANY>]>" + wish("false"), false, ""},

		{"UTF-8 declared", fmt.Sprintf(declaration, "UTF-8") + umlaut, true, ""},
		{"UTF-8, byte order mark", "\ufeff" + fmt.Sprintf(declaration, "utf-8") + umlaut, true, ""},
		{"UTF-8, byte order mark, other declared", "\ufeff" + fmt.Sprintf(declaration, "ISO-8859-1") + umlaut, true, ""},
		{"ISO-8859-1", fmt.Sprintf(declaration, "ISO-8859-1") + encode(t, charmap.ISO8859_1, umlaut), true, ""},
		{"us-ascii", fmt.Sprintf(declaration, "us-ascii") + wish("true"), true, ""},
		{"windows-1251", fmt.Sprintf(declaration, "windows-1251") + encode(t, charmap.Windows1251, wish("true")+"<!-- \u0416 -->"), true, ""},
		{"UTF-16 LE, byte order mark", encode(t, utf16le, "\ufeff"+fmt.Sprintf(declaration, "UTF-16")+umlaut), true, ""},
		{"UTF-16 BE, byte order mark", encode(t, utf16be, "\ufeff"+fmt.Sprintf(declaration, "UTF-16")+umlaut), true, ""},
		{"UTF-16 LE, no mark", encode(t, utf16le, fmt.Sprintf(declaration, "UTF-16LE")+umlaut), true, ""},
		{"UTF-16 BE, no mark", encode(t, utf16be, fmt.Sprintf(declaration, "utf-16be")+umlaut), true, ""},
		{"UTF-16, nothing declared", encode(t, utf16be, wish("false")), false, ""},

		{"nothing", "", false, "line 1: no root element"},
		{"only a comment", "<!-- a\n -->", false, "line 2: no root element"},
		{"no end of the root", "<device>\n<encrConfig>false</encrConfig>\n", false, "line 3: not well-formed XML"},
		{"decided, then no end", "<device><encrConfig>true</encrConfig>\n", true, "line 2: not well-formed XML"},
		{"cut within the element", "<device>\n<encrConfig>tru", false, "line 2: not well-formed XML"},
		{"wrong end", device("<a></b>"), false, "line 2: not well-formed XML"},
		{"secret in a bad entity", device("<sshPassword>s3cret&s3cret;</sshPassword>"), false, "line 2: not well-formed XML"},
		{"bad UTF-8", device("\xff"), false, "line 3: not well-formed XML"},
		{"XML 1.1", `<?xml version="1.1"?>` + wish("false"), false, "line 1: not well-formed XML"},
		{"unknown encoding", fmt.Sprintf(declaration, "s3cret") + wish("false"), false, "line 1: the encoding it declares is not known"},
		{"UTF-16 declared, but is not", fmt.Sprintf(declaration, "UTF-16") + wish("false"), false, "no root element"},
		{"entities within entities", `<!DOCTYPE a [<!ENTITY x "&y;&y;"><!ENTITY y "yyy">]><device>&x;</device>`, false, "not well-formed XML"},
		{"too deep", strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300), false, "more than 256 elements"},
		{"too deep in the wish", "<a><encrConfig>" + strings.Repeat("<a>", 300), false, "more than 256 elements"},
		{"too large", "<device><!--" + strings.Repeat("x", 4<<20), false, "larger than 4194304 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := configfiles.ReadMaster(strings.NewReader(c.file))
			if m.Encrypt != c.want {
				t.Errorf("Encrypt = %v, want %v", m.Encrypt, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("err = %v, want %q", err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
}

func TestReadMasterPassesOnWhatStoppedTheReader(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := configfiles.ReadMaster(io.MultiReader(strings.NewReader("<device>\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("err = %v, want %v", err, broken)
	}
}

func TestReadMasterShort(t *testing.T) {
	m, err := configfiles.ReadMaster(strings.NewReader(`<device xmlns="urn:a">
		<capfList><capf uuid="{1}" xsi:nil="false"><phonePort>3804</phonePort><processNodeName>a &amp; <!-- -->b</processNodeName></capf></capfList>
		<sshPassword>s3cret</sshPassword>
		<loadInformation>sip88xx</loadInformation>
		<module><loadInformation>B016</loadInformation></module>
		<ipAddressMode/>
		<capfAuthMode>2</capfAuthMode></device>`))
	if err != nil {
		t.Fatal(err)
	}
	want := []configfiles.Element{
		{Name: "capfList", Children: []configfiles.Element{{
			Name: "capf", Attr: []xml.Attr{{Name: xml.Name{Local: "uuid"}, Value: "{1}"}},
			Children: []configfiles.Element{{Name: "phonePort", Text: "3804"}, {Name: "processNodeName", Text: "a & b"}},
		}}},
		{Name: "loadInformation", Text: "sip88xx"},
		{Name: "ipAddressMode"},
		{Name: "capfAuthMode", Text: "2"},
	}
	if diff := cmp.Diff(want, m.Short); diff != "" {
		t.Errorf("Short differs (-want +got):\n%s", diff)
	}
}

func TestReadMasterOfTheSample(t *testing.T) {
	for name, want := range map[string]bool{
		"SEP001122334455.cnf.xml": false, "SEP0011223344AA.cnf.xml": true, "SEP0011223344EC.cnf.xml": true,
		"SEP00112233449A.cnf.xml": false, "ATA00112233449B.cnf.xml": false, "CSFalice.cnf.xml": false, "XMLDefault.cnf.xml": false,
	} {
		f, err := os.Open(filepath.Join("testdata", "tftpboot", name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := configfiles.ReadMaster(f)
		f.Close()
		if err != nil || m.Encrypt != want {
			t.Errorf("%s: Encrypt = %v, %v, want %v", name, m.Encrypt, err, want)
		}
	}
}

// FuzzWish reads what it is given as it is, and also as instructions for a
// well-formed document of which it is known what it says.
func FuzzWish(f *testing.F) {
	for _, seed := range []string{
		"<device><encrConfig>true</encrConfig></device>", "<a><encrConfig>1</b></a>", "\xff\xfe<\x00a\x00/\x00>\x00",
		`<?xml version="1.0" encoding="iso-8859-1"?><a/>`, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", "ABCDEFGHIJKLMNOP",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := configfiles.ReadMaster(strings.NewReader(string(data)))
		if err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("err = %v, which names no line", err)
		}
		checkByUnmarshal(t, data, m, err)

		document, want := makeDocument(data)
		m, err = configfiles.ReadMaster(strings.NewReader(document))
		if err != nil || m.Encrypt != want {
			t.Errorf("Encrypt = %v, %v, want %v of\n%q", m.Encrypt, err, want, document)
		}
	})
}

// checkByUnmarshal compares with what encoding/xml makes of the whole document.
func checkByUnmarshal(t *testing.T, data []byte, m configfiles.Master, err error) {
	var document struct {
		Wishes []string `xml:"encrConfig"`
	}
	if xml.Unmarshal(data, &document) != nil || strings.Contains(fmt.Sprint(err), "elements within") {
		return
	}
	want := false
	for _, w := range document.Wishes {
		w = strings.TrimSpace(w)
		want = want || w == "1" || strings.EqualFold(w, "true")
	}
	if err != nil || m.Encrypt != want {
		t.Errorf("Encrypt = %v, %v, want %v", m.Encrypt, err, want)
	}
}

// makeDocument makes a document by instructions of one byte, and says what it
// wishes. The first byte is the encoding.
func makeDocument(instructions []byte) (document string, wish bool) {
	encodings := []struct {
		label    string
		encoding encoding.Encoding
	}{
		{"", encoding.Nop}, {"utf-8", unicode.UTF8BOM}, {"us-ascii", encoding.Nop}, {"ISO-8859-1", charmap.ISO8859_1},
		{"UTF-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)}, {"UTF-16", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	}
	chosen := encodings[0]
	if len(instructions) > 0 {
		chosen = encodings[int(instructions[0])%len(encodings)]
		instructions = instructions[1:]
	}
	var b strings.Builder
	if chosen.label != "" {
		fmt.Fprintf(&b, `<?xml version="1.0" encoding="%s"?>`, chosen.label)
	}
	b.WriteString("<device>")
	depth := 0
	for _, i := range instructions {
		switch i % 10 {
		case 0:
			if depth < 100 {
				b.WriteString(`<a xsi:type="b">`)
				depth++
			}
		case 1:
			if depth > 0 {
				b.WriteString("</a>")
				depth--
			}
		case 2:
			b.WriteString("<!-- <encrConfig>true</encrConfig> -->")
		case 3:
			b.WriteString("<![CDATA[<encrConfig>true</encrConfig>]]>")
		case 4:
			b.WriteString(`<b encrConfig="true"/>true`)
		case 5:
			b.WriteString("<encrConfig>false</encrConfig>")
		case 6, 7, 8, 9:
			texts := []string{" TRUE\n", "<!-- -->1", "t<![CDATA[ru]]>e", "tr<x>false</x>ue"}
			fmt.Fprintf(&b, "<encrConfig>%s</encrConfig>\n", texts[i%4])
			wish = wish || depth == 0
		}
	}
	b.WriteString(strings.Repeat("</a>", depth) + "</device>")
	document, _ = chosen.encoding.NewEncoder().String(b.String()) // all of it is ASCII
	return document, wish
}

func BenchmarkReadMaster(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "tftpboot", "SEP0011223344AA.cnf.xml"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := configfiles.ReadMaster(strings.NewReader(string(data))); err != nil {
			b.Fatal(err)
		}
	}
}
