// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"cfgsrv/capf/internal/transcript"
	"cfgsrv/capf/internal/wire"

	"github.com/google/go-cmp/cmp"
)

// recorded is every message that the reference daemon and client exchanged.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	sessions, err := transcript.Load("../../testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, s := range sessions {
		for _, m := range s.Messages {
			all = append(all, m.Bytes)
		}
	}
	if len(all) < 90 {
		t.Fatalf("only %d recorded messages", len(all))
	}
	return all
}

func TestRecordedMessagesRoundTrip(t *testing.T) {
	for _, b := range recorded(t) {
		m, err := wire.Read(bytes.NewReader(b))
		if err != nil {
			t.Errorf("Read(%x): %v", b, err)
			continue
		}
		got, err := m.Marshal()
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("Marshal = %x, %v; want %x", got, err, b)
		}
	}
}

func TestMessageInPieces(t *testing.T) {
	b := recorded(t)[1]
	whole, err := wire.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	pieces, err := wire.Read(iotest.OneByteReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(whole, pieces); d != "" {
		t.Errorf("byte by byte it reads differently (-whole +pieces):\n%s", d)
	}
}

func TestReadTakesOneMessageOnly(t *testing.T) {
	all := recorded(t)
	r := bytes.NewReader(append(bytes.Clone(all[0]), all[1]...))
	for i, want := range all[:2] {
		m, err := wire.Read(r)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if got, _ := m.Marshal(); !bytes.Equal(got, want) {
			t.Errorf("message %d = %x, want %x", i, got, want)
		}
	}
	if _, err := wire.Read(r); err != io.EOF {
		t.Errorf("after the last message: %v, want io.EOF", err)
	}
}

func TestReadRefuses(t *testing.T) {
	const frame = "\x55\x02\x00\x00\x00\x01"
	for name, test := range map[string]struct {
		in   string
		want error
	}{
		"another protocol":    {"GET / HTTP/1.1\r\n", wire.ErrSyntax},
		"part of a header":    {frame, io.ErrUnexpectedEOF},
		"part of a body":      {frame + "\x00\x04\x01\x00", io.ErrUnexpectedEOF},
		"no body":             {frame + "\x00\x04", io.ErrUnexpectedEOF},
		"element too long":    {frame + "\x00\x04\x01\x00\x02\x00", wire.ErrSyntax},
		"half an element":     {frame + "\x00\x06\x01\x00\x01\x00\x02\x00", wire.ErrSyntax},
		"too many elements":   {frame + "\x00\xc3" + strings.Repeat("\x63\x00\x00", 65), wire.ErrSyntax},
		"nothing after a TLS": {"", io.EOF},
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
	for name, e := range map[string]wire.Elements{
		"body over 64 KiB":    {{Tag: wire.PublicKey, Value: big}, {Tag: wire.PublicKey, Value: big}},
		"element over 64 KiB": {{Tag: wire.PublicKey, Value: make([]byte, 1<<16)}},
		"too many elements":   make(wire.Elements, 65),
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
		m.CertificateDER() //nolint:errcheck // it must not panic
		for _, el := range m.Elements {
			if nested, err := wire.ParseElements(el.Value); err == nil {
				if got, err := nested.Marshal(); err != nil || !bytes.Equal(got, el.Value) {
					t.Fatalf("element %d marshals as %x, %v; want %x", el.Tag, got, err, el.Value)
				}
			}
		}
	})
}
