// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

func TestParseRefuses(t *testing.T) {
	whole := tlvtest.Read(t, "itl/serial-one.tlv")
	size := mustParse(t, whole).header.Size
	record := func(b ...byte) []byte { return append(slices.Clone(whole[:size]), b...) }
	enc := tlvtest.Read(t, "enc/pad0/*.enc.sgn")
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":             {nil, "byte 0: the file ends before its header's length is told"},
		"other file":          {[]byte("<?xml version=\"1.0\"?>"), "byte 0: this is neither a trust list nor a signed file"},
		"encrypted file":      {enc, "byte 0: version 2.0 is not that of a trust list"},
		"over 64 KiB":         {make([]byte, MaxSize+1), "byte 65536: the list has 65537 bytes and phones take 65536: remove records"},
		"short record":        {record(1, 0, 2, 0), "byte 356: a record has to begin with its length"},
		"record of 4 bytes":   {record(1, 0, 2, 0, 4, 4, 0, 2, 0, 0), "byte 356: RECORDLENGTH is 4 where 10 bytes are left"},
		"record past the end": {record(1, 0, 2, 0xff, 0xff), "byte 356: RECORDLENGTH is 65535 where 5 bytes are left"},
		"other tag first":     {record(4, 0, 2, 0, 0, 1, 0, 2, 0, 10), "byte 356: a record has to begin with its length"},
		"no role":             {record(1, 0, 2, 0, 9, 2, 0, 1, 0), "byte 356: the record has no FUNCTION"},
		"role twice":          {record(1, 0, 2, 0, 15, 4, 0, 2, 0, 0, 4, 0, 2, 0, 3), "byte 366: FUNCTION stands twice"},
		"role of 1 byte":      {record(1, 0, 2, 0, 9, 4, 0, 1, 0), "byte 361: FUNCTION has 1 bytes instead of 2"},
		"value past the end":  {record(1, 0, 2, 0, 10, 4, 0xff, 0xff, 0, 0), "byte 361: FUNCTION states 65535 bytes where 2 are left"},
		"cut tag":             {record(1, 0, 2, 0, 7, 4, 0), "byte 361: FUNCTION is cut off"},
		"name without NUL":    {record(1, 0, 2, 0, 14, 4, 0, 2, 0, 0, 3, 0, 1, 'x'), "byte 366: SUBJECTNAME does not end with its only NUL"},
		"name with two":       {record(1, 0, 2, 0, 16, 4, 0, 2, 0, 0, 3, 0, 3, 'x', 0, 0), "byte 366: SUBJECTNAME does not end with its only NUL"},
		"host without NUL":    {record(1, 0, 2, 0, 14, 4, 0, 2, 0, 0, 2, 0, 1, 'x'), "byte 366: DNSNAME does not end with a NUL"},
		"address of 3 bytes":  {record(1, 0, 2, 0, 16, 4, 0, 2, 0, 0, 10, 0, 3, 1, 2, 3), "byte 366: IPADDRESS has 3 bytes instead of 4 or 16"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.data)
			var p *ParseError
			if !errors.As(err, &p) || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	whole := tlvtest.Read(t, "itl/serial-one.tlv")
	size := mustParse(t, whole).header.Size
	for name, record := range map[string]string{
		"no certificate":          "\x01\x00\x02\x00\x10" + "\x04\x00\x02\x00\x15" + "\x03\x00\x03t2\x00",
		"certificate's hash":      "\x01\x00\x02\x00\x11" + "\x04\x00\x02\x00\x15" + "\x0b\x00\x00" + "\x0c\x00\x01\x01",
		"unknown tag":             "\x01\x00\x02\x00\x0e" + "\x04\x00\x02\x00\x15" + "\x63\x00\x01x",
		"unknown role":            "\x01\x00\x02\x00\x0a" + "\x04\x00\x02\x01\x00",
		"host of a token":         "\x01\x00\x02\x00\x0e" + "\x04\x00\x02\x00\x15" + "\x02\x00\x01\x00",
		"host of two NULs":        "\x01\x00\x02\x00\x0f" + "\x04\x00\x02\x00\x15" + "\x02\x00\x02\x00\x00",
		"tags that nest outside":  "\x01\x00\x02\x00\x0e" + "\x04\x00\x02\x00\x00" + "\x09\x00\x01x",
		"tag 13 is not padding":   "\x01\x00\x02\x00\x0e" + "\x04\x00\x02\x00\x00" + "\x0d\x00\x01x",
		"emptied with an address": "\x01\x00\x02\x00\x11" + "\x04\x00\x02\x00\x02" + "\x0a\x00\x04\x0a\x00\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			data := append(slices.Clone(whole[:size]), record...)
			if l := mustParse(t, data); !bytes.Equal(l.Marshal(), data) {
				t.Error("marshalled to other bytes")
			}
		})
	}
}

// resigned is data, a list of the vectors, after change had its header and
// records, signed again with the key it was signed with.
func resigned(t *testing.T, data []byte, change func(*List)) []byte {
	t.Helper()
	l := mustParse(t, slices.Clone(data))
	key := tlvtest.SignerOf(t, l.header).Key
	change(l)
	sum, err := l.header.Sum(bytes.NewReader(l.body()))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign(nil, sum, l.Digest())
	if err != nil {
		t.Fatal(err)
	}
	copy(l.header.Signature(), sig)
	return l.Marshal()
}

func TestVerifyRefuses(t *testing.T) {
	const who = "CN=ITLRECOVERY_ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US (serial 60:6E:C6:D6:C9:26:33:CF:66:F2:5C:02:78:1D:5B:E1)"
	noRecord := "the list is signed by " + who + " and has no SAST record of that issuer and serial number"
	for name, test := range map[string]struct {
		change func(*List)
		want   string
	}{
		"serial number":   {func(l *List) { l.records[0].Serial()[0]++ }, noRecord},
		"issuer":          {func(l *List) { l.records[0].value(tagIssuerName)[0]++ }, noRecord},
		"role":            {func(l *List) { l.records[0].value(tagFunction)[1] = byte(TVS) }, noRecord},
		"no certificate":  {func(l *List) { l.records[0].fields = without(l.records[0].fields, tagCertificate) }, "checking the signature of " + who + ": the record holds no certificate"},
		"bad certificate": {func(l *List) { l.records[0].DER()[0] = 0 }, "checking the signature of " + who + ": parsing the certificate of the SAST record: x509: malformed certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			l := mustParse(t, resigned(t, tlvtest.Read(t, "itl/ITLFile.tlv"), test.change))
			if err := l.Verify(); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// without is fields without one tag, with the record's length made right.
func without(fields tlv.Fields, tag byte) tlv.Fields {
	fields = slices.DeleteFunc(slices.Clone(fields), func(f tlv.Field) bool { return f.Tag == tag })
	size := len(fields.Append(nil))
	copy(fields[0].Value, []byte{byte(size >> 8), byte(size)})
	return fields
}

// The order of a header's tags, the containers' lengths and unknown tags do not
// matter to the signature check.
func TestVerifyTakesAnyLayout(t *testing.T) {
	for name, change := range map[string]func(*List){
		"timestamp before the name": func(l *List) {
			f := l.header.Fields
			i := slices.IndexFunc(f, func(f tlv.Field) bool { return f.Tag == tlv.TagFileName })
			f[i], f[i+1] = f[i+1], f[i]
		},
		"container lengths": func(l *List) {
			for i := range l.header.Fields {
				l.header.Fields[i].Claim /= 2
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole := tlvtest.Read(t, "itl/ITLFile.tlv")
			data := resigned(t, whole, change)
			if bytes.Equal(data, whole) {
				t.Fatal("nothing was changed")
			}
			l := mustParse(t, data)
			if err := l.Verify(); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(l.Marshal(), data) {
				t.Error("marshalled to other bytes")
			}
		})
	}
}

// A certificate that is in a list under several roles is found by each of them.
func TestFind(t *testing.T) {
	l := mustParse(t, tlvtest.Read(t, "cucm/CTLFile.tlv"))
	who := l.SignedBy()
	if r, ok := l.Find(who, TFTP, CCMTFTP); !ok || r.Role() != CCMTFTP || r.Host() != "gigantic-6" || r.Address().String() != "10.35.48.106" {
		t.Errorf("found %v, %v", r, ok)
	}
	if r, ok := l.Find(who, TVS); ok {
		t.Errorf("found %v", r)
	}
	who.Issuer = strings.ToLower(who.Issuer)
	if r, ok := l.Find(who, SAST); ok {
		t.Errorf("found %v under another spelling", r)
	}
}

func TestSpecRefusesWhatCannotBeBuilt(t *testing.T) {
	l := mustParse(t, slices.Clone(tlvtest.Read(t, "itl/serial-one.tlv")))
	l.records[0].fields = without(l.records[0].fields, tagCertificate)
	_, err := l.Spec()
	if want := "reading record 1: the record holds no certificate"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestKindFollowsTheNameInside(t *testing.T) {
	for pattern, want := range map[string]Kind{"itl/ITLSEP*.tlv": ITL, "ctl/CTLSEP*.tlv": CTL, "itl/pad-a.tlv": ITL} {
		if got := mustParse(t, tlvtest.Read(t, pattern)).Kind(); got != want {
			t.Errorf("%s is of kind %s, want %s", pattern, got, want)
		}
	}
}

// What a length claims costs nothing before it is known to be true.
func TestHostileLengthsAllocateNothing(t *testing.T) {
	whole := tlvtest.Read(t, "itl/serial-one.tlv")
	size := mustParse(t, whole).header.Size
	claims := func(header string) []byte { return []byte("\x01\x00\x02\x01\x02\x02\x00\x02" + header) }
	for name, data := range map[string][]byte{
		"header":            claims("\xff\xff"),
		"first field":       claims("\xff\xfc" + "\x0e\xff\xff" + strings.Repeat("x", 65000)),
		"same field often":  claims("\xff\xfc" + strings.Repeat("\x63\x00\x00", 21836)),
		"containers only":   claims("\xff\xfc" + strings.Repeat("\x03\xff\xff", 21836)),
		"record":            append(slices.Clone(whole[:size]), 1, 0, 2, 0xff, 0xff),
		"field of a record": append(slices.Clone(whole[:size]), 1, 0, 2, 0, 8, 9, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(data); err == nil {
				t.Fatal("taken")
			}
			// A header that is whole may be parsed first; that is 20 fields.
			if got := tlvtest.AllocatedBytes(func() { Parse(data) }); got > 3<<10 {
				t.Errorf("%d bytes allocated", got)
			}
		})
	}
}
