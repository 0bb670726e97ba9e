// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"cfgsrv/tvs/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// recorded is every message that the reference daemon and client exchanged, and
// the beginning and the end of the ones that a technote shows.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	text, err := os.ReadFile("../../testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "C->S"), strings.HasPrefix(line, "S->C"):
			all = append(all, nil)
		case strings.HasPrefix(line, "    "):
			b, err := hex.DecodeString(strings.ReplaceAll(line[10:min(58, len(line))], " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			all[len(all)-1] = append(all[len(all)-1], b...)
		}
	}
	if len(all) != 8 {
		t.Fatalf("%d recorded messages, want 8", len(all))
	}
	query := "\x57\x01\x03\x00\x00\x00\x03\xe9\x00\x26\x01\x00\x18\x01CP-8861-SEPB000B4BA0AEE\x03\x00\x05CN=x\x00\x05\x00\x00"
	answer := "\x57\x01\x04\xf7\x00\x00\x03\xe9\x00\x10\x07\x00\x01\x00\x08\x00\x02\x00\x03\x09\x00\x04\x00\x01\x51\x80"
	return append(all, []byte(query), []byte(answer))
}

func TestRecordedMessagesRoundTrip(t *testing.T) {
	for _, b := range recorded(t) {
		for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b))} {
			m, err := wire.Read(r)
			if err != nil {
				t.Errorf("Read(%x): %v", b, err)
				continue
			}
			if got, err := m.Marshal(); err != nil || !bytes.Equal(got, b) {
				t.Errorf("Marshal = %x, %v; want %x", got, err, b)
			}
		}
	}
}

func TestElements(t *testing.T) {
	all := recorded(t)
	query, err := wire.Read(bytes.NewReader(all[len(all)-2]))
	if err != nil {
		t.Fatal(err)
	}
	if got := query.DeviceName(); got != "CP-8861-SEPB000B4BA0AEE" {
		t.Errorf("DeviceName = %q", got)
	}
	if got := query.Text(wire.Subject); got != "CN=x" {
		t.Errorf("Text = %q", got)
	}
	if got := query.Text(wire.Issuer); got != "" {
		t.Errorf("Text of an absent element = %q", got)
	}
	if _, err := query.Uint8(wire.Status); !errors.Is(err, wire.ErrSyntax) {
		t.Errorf("Uint8 of an absent element: %v, want ErrSyntax", err)
	}
	answer, err := wire.Read(bytes.NewReader(all[len(all)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := answer.Uint32(wire.TTL); got != 86400 || err != nil {
		t.Errorf("Uint32 = %d, %v", got, err)
	}
	if _, err := answer.Uint32(wire.Roles); !errors.Is(err, wire.ErrSyntax) {
		t.Errorf("Uint32 of two bytes: %v, want ErrSyntax", err)
	}
	want := []wire.Element{query.Elements[0], query.Elements[1]}
	if d := cmp.Diff(want, []wire.Element{wire.Name("CP-8861-SEPB000B4BA0AEE"), wire.Text(wire.Subject, "CN=x")}); d != "" {
		t.Errorf("(-read +made):\n%s", d)
	}
}

func TestReadRefuses(t *testing.T) {
	const frame = "\x57\x01\x01\x00\x00\x00\x00\x01"
	for name, test := range map[string]struct {
		in   string
		want error
	}{
		"nothing":           {"", io.EOF},
		"another protocol":  {"GET / HTTP/1.1\r\n", wire.ErrSyntax},
		"another version":   {"\x57\x02\x01\x00\x00\x00\x00\x01\x00\x00", wire.ErrSyntax},
		"part of a header":  {frame, io.ErrUnexpectedEOF},
		"no body":           {frame + "\x00\x04", io.ErrUnexpectedEOF},
		"part of a body":    {frame + "\x00\x04\x07", io.ErrUnexpectedEOF},
		"element too long":  {frame + "\x00\x04\x07\x00\x02\x00", wire.ErrSyntax},
		"half an element":   {frame + "\x00\x06\x07\x00\x01\x00\x08\x00", wire.ErrSyntax},
		"too many elements": {frame + "\x00\xc3" + strings.Repeat("\x63\x00\x00", 65), wire.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := wire.Read(strings.NewReader(test.in)); !errors.Is(err, test.want) {
				t.Errorf("Read = %v, want %v", err, test.want)
			}
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	big := make([]byte, 40000)
	for name, e := range map[string][]wire.Element{
		"body over 64 KiB":    {{Tag: 2, Value: big}, {Tag: 2, Value: big}},
		"element over 64 KiB": {{Tag: 2, Value: make([]byte, 1<<16)}},
		"too many elements":   make([]wire.Element, 65),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (wire.Message{Elements: e}).Marshal(); !errors.Is(err, wire.ErrSyntax) {
				t.Errorf("Marshal = %v, want ErrSyntax", err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, b := range recorded(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		m, err := wire.Read(r)
		if err != nil {
			return
		}
		got, err := m.Marshal()
		if err != nil {
			t.Fatalf("what was read does not marshal: %v", err)
		}
		if want := b[:len(b)-r.Len()]; !bytes.Equal(got, want) {
			t.Fatalf("Marshal = %x, want %x", got, want)
		}
		_, _, _ = m.DeviceName(), m.Text(wire.Issuer), m.Value(wire.Serial) // they must not panic
	})
}
