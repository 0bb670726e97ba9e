// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// hostile are datagrams at the entrance. The answer to each is silence, an
// ERROR, or for the ones that are strange but valid the file.
var hostile = []struct {
	name     string
	datagram []byte
}{
	{"nothing", []byte{}},
	{"one byte", []byte{0}},
	{"opcode alone", []byte{0, 1}},
	{"opcode zero", []byte{0, 0, 'f', 0, 'o', 0}},
	{"opcode of nothing", []byte{0, 99, 'f', 0, 'o', 0}},
	{"opcode high", []byte{255, 255, 'f', 0}},
	{"DATA", dataPacket(1, "data")},
	{"DATA cut", []byte{0, 3, 0}},
	{"ACK", ackPacket(1)},
	{"ERROR", errorPacket(1, "not found")},
	{"ERROR cut", []byte{0, 5, 0}},
	{"OACK", []byte("\x00\x06blksize\x00512\x00")},
	{"request without NUL", []byte("\x00\x01file")},
	{"request without mode", []byte("\x00\x01file\x00")},
	{"mode without NUL", []byte("\x00\x01file\x00octet")},
	{"no name, no mode", []byte("\x00\x01\x00\x00")},
	{"NULs alone", append([]byte{0, 1}, make([]byte, 500)...)},
	{"mode mail", []byte("\x00\x01file\x00mail\x00")},
	{"mode of garbage", []byte("\x00\x01file\x00\xff\xfe\x01\x00")},
	{"mode very long", requestWith("file\x00" + strings.Repeat("o", 480))},
	{"name very long", requestWith(strings.Repeat("n", 500) + "\x00octet")},
	{"name that fills the datagram", requestWith(strings.Repeat("n", 514))},
	{"name with control bytes", requestWith("a\x01\x7f\nb\x00octet")},
	{"name with a format", requestWith("%s%n%d\x00octet")},
	{"name that climbs", requestWith("../../../etc/passwd\x00octet")},
	{"absolute name", requestWith("/etc/passwd\x00octet")},
	{"option without value", requestWith("file\x00octet\x00blksize")},
	{"option without NUL", []byte("\x00\x01file\x00octet\x00blksize\x00999")},
	{"blksize zero", requestPacket("file", "blksize", "0")},
	{"blksize one", requestPacket("file", "blksize", "1")},
	{"blksize negative", requestPacket("file", "blksize", "-1")},
	{"blksize huge", requestPacket("file", "blksize", "99999999999999999999")},
	{"blksize of words", requestPacket("file", "blksize", "many")},
	{"blksize with zeros", requestPacket("file", "blksize", strings.Repeat("0", 400)+"600")},
	{"blksize that fills the request", requestPacket("large", "blksize", strings.Repeat("0", 474)+"513", "tsize", "0")},
	{"tsize negative", requestPacket("file", "tsize", "-1")},
	{"timeout and windowsize", requestPacket("file", "timeout", "255", "windowsize", "65535")},
	{"many options", requestWith("file\x00octet" + strings.Repeat("\x00a\x00b", 120))},
	{"one option often", requestWith("file\x00octet" + strings.Repeat("\x00tsize\x000", 60))},
	{"options of NULs", requestWith("file\x00octet" + strings.Repeat("\x00", 480))},
	{"517 bytes", requestWith("file\x00octet\x00" + strings.Repeat("a", 503))},
	{"10,000 bytes", requestWith("file\x00octet\x00" + strings.Repeat("a\x00", 5000))},
	{"65,000 bytes", bytes.Repeat([]byte{0, 1}, 32500)},
	{"upload", []byte("\x00\x02file\x00octet\x00")},
	{"upload cut", []byte("\x00\x02f")},
	{"upload without mode", []byte("\x00\x02file\x00")},
	{"upload with options", []byte("\x00\x02file\x00octet\x00blksize\x0065464\x00tsize\x0099999999\x00")},
}

// requestWith is a read request of these bytes and a last NUL.
func requestWith(s string) []byte { return append([]byte{0, opRRQ}, s+"\x00"...) }

func TestHostileDatagrams(t *testing.T) {
	content := files{"file": "content", "large": text(1_000_000, 1)}
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) { attack(t, content, h.datagram) })
	}
}

// attack sends datagram to a server of its own, and checks that this still
// serves, says nothing but TFTP, and leaves nothing behind.
func attack(t *testing.T, content files, datagram []byte) {
	before := descriptors(t)
	s := newServer(t, "127.0.0.1:0", Generation{Files: content})
	go func() { s.served <- s.Serve() }()
	p := newPhone(t, "127.0.0.1", s.addr)
	p.send(p.to, datagram)
	if got := s.get(t, "file"); got != content["file"] {
		t.Errorf("the next phone got %q", got)
	}
	s.cutShort(t)
	if err := <-s.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	close(s.records)
	for r := range s.records {
		if r.Outcome == configfiles.Failed {
			t.Errorf("record %+v", r)
		}
	}
	for b, _ := p.hear(time.Millisecond); b != nil; b, _ = p.hear(time.Millisecond) {
		if op := opcode(b); op != opERROR && op != opDATA && op != opOACK {
			t.Errorf("answered with %q", b)
		}
	}
	p.conn.Close()
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}

// FuzzRequest sends one datagram to a running server.
func FuzzRequest(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.datagram)
	}
	f.Add(requestPacket("file", "blksize", "1428", "tsize", "0"))
	content := files{"file": "content", "large": text(1_000_000, 1)}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if len(datagram) > 65000 {
			t.Skip("no UDP datagram")
		}
		attack(t, content, datagram)
	})
}
