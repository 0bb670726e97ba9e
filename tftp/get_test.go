// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

func TestGetTellsTheServersOwnWords(t *testing.T) {
	s := startLocal(t, sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) {
		return nil, &configfiles.DeniedError{Reason: "this device must present its LSC"}
	}))
	_, err := getString(t, s.addr, "file")
	var remote *RemoteError
	if !errors.As(err, &remote) || *remote != (RemoteError{2, "this device must present its LSC"}) {
		t.Errorf("got %v", err)
	}
	if want := "getting file from " + s.addr + ": this device must present its LSC"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestGetByName(t *testing.T) {
	s := start(t, "localhost:0", Generation{Files: files{"file": "content"}})
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := getString(t, "localhost:"+port, "file"); err != nil || got != "content" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGetRefusesWhatItCannotAsk(t *testing.T) {
	for name, addr := range map[string]string{
		"a\x00b":                 "127.0.0.1:69",
		strings.Repeat("n", 500): "127.0.0.1:69",
		"no port":                "127.0.0.1",
		"bad port":               "127.0.0.1:nothing",
	} {
		if _, err := getString(t, addr, name); err == nil || !strings.HasPrefix(err.Error(), "getting ") {
			t.Errorf("%.20q from %s: %v", name, addr, err)
		}
	}
}

func TestGetOfALongName(t *testing.T) {
	name := strings.Repeat("folder/", 100)[:maxRequest-len(requestPacket("", "blksize", "1428"))-1] + "f"
	s := startLocal(t, files{name: "content"})
	if got := s.get(t, name); got != "content" {
		t.Errorf("got %q", got)
	}
}

// peer is a server that does only what a test tells it.
type peer struct{ *phone }

func newPeer(t *testing.T) peer { return peer{newPhone(t, "127.0.0.1", "127.0.0.1:1")} }

type got struct {
	content string
	err     error
}

// get asks the peer, and returns the request's sender and the later result.
func (p peer) get(t *testing.T, ctx context.Context, w io.Writer) (client netip.AddrPort, result chan got) {
	t.Helper()
	result = make(chan got, 1)
	go func() {
		var b bytes.Buffer
		_, err := Get(ctx, p.addr().String(), "file", io.MultiWriter(&b, w))
		result <- got{b.String(), err}
	}()
	b, client := p.answer()
	if string(b) != "\x00\x01file\x00octet\x00blksize\x001428\x00" {
		t.Fatalf("got %q", b)
	}
	return client, result
}

func dataPacket(block uint16, content string) []byte {
	p := ackPacket(block)
	p[1] = opDATA
	return append(p, content...)
}

func TestGetFromPeers(t *testing.T) {
	block := text(512, 1)
	tests := []struct {
		name    string
		answers [][]byte
		want    string
		err     string // empty: none
	}{
		{"without options", [][]byte{dataPacket(1, block), dataPacket(2, "end")}, block + "end", ""},
		{"a smaller block", [][]byte{[]byte("\x00\x06BLKSIZE\x008\x00"), dataPacket(1, "12345678"), dataPacket(2, "")}, "12345678", ""},
		{"blocks again and too early", [][]byte{dataPacket(1, block), dataPacket(1, "x"), dataPacket(3, "x"), dataPacket(0, "x"), dataPacket(2, "end")}, block + "end", ""},
		{"an answer to the options again", [][]byte{[]byte("\x00\x06blksize\x00512\x00"), []byte("\x00\x06blksize\x00512\x00"), dataPacket(1, "end")}, "end", ""},
		{"what is no packet", [][]byte{{}, {0}, {0, 3}, {9, 9, 9, 9}, ackPacket(1), requestPacket("x"), dataPacket(1, "end")}, "end", ""},
		{"an error in between", [][]byte{dataPacket(1, block), errorPacket(3, "disk full")}, block, "disk full"},
		{"an error without words", [][]byte{{0, 5, 0, 9}}, "", "TFTP error 9"},
		{"a block too long", [][]byte{dataPacket(1, block+"x")}, "", "more than 512 bytes"},
		{"a block size that was not asked for", [][]byte{[]byte("\x00\x06blksize\x009000\x00")}, "", `block size of "9000"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t)
			client, result := p.get(t, t.Context(), io.Discard)
			for _, a := range tt.answers {
				p.send(client, a)
			}
			r := <-result
			if r.content != tt.want || (tt.err == "") != (r.err == nil) || (r.err != nil && !strings.Contains(r.err.Error(), tt.err)) {
				t.Errorf("got %d bytes, %v; want %d, %q", len(r.content), r.err, len(tt.want), tt.err)
			}
		})
	}
}

func TestGetListensOnlyToTheServer(t *testing.T) {
	p, stranger := newPeer(t), newPeer(t)
	client, result := p.get(t, t.Context(), io.Discard)
	p.send(client, []byte("\x00\x06blksize\x00512\x00"))
	p.answer() // ACK 0: it knows the server now
	stranger.send(client, dataPacket(1, "wrong"))
	p.send(client, dataPacket(1, "right"))
	if r := <-result; r.content != "right" || r.err != nil {
		t.Errorf("got %q, %v", r.content, r.err)
	}
}

func TestGetIsCancelled(t *testing.T) {
	for _, answered := range []bool{false, true} {
		p := newPeer(t)
		ctx, cancel := context.WithCancel(t.Context())
		client, result := p.get(t, ctx, io.Discard)
		if answered {
			p.send(client, dataPacket(1, text(512, 1)))
			p.answer()
		}
		begun := time.Now()
		cancel()
		if r := <-result; !errors.Is(r.err, context.Canceled) {
			t.Errorf("got %v", r.err)
		}
		if took := time.Since(begun); took > patience/2 {
			t.Errorf("took %s", took)
		}
		if answered && p.refusal().Message != "the client gave up" {
			t.Error("the server was not told")
		}
	}
}

func TestADownloadFromNobody(t *testing.T) {
	p, client := newPeer(t), newPeer(t)
	d := &download{conn: client.conn, server: p.addr(), patience: 10 * time.Millisecond, sent: requestPacket("file")}
	if _, err := d.run(t.Context(), io.Discard); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for range attempts {
		if b, _ := p.answer(); !bytes.Equal(b, d.sent) {
			t.Errorf("got %q", b)
		}
	}
	if b, _ := p.hear(silence); b != nil {
		t.Errorf("then %q", b)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestGetTellsTheServerThatItCannotWrite(t *testing.T) {
	p := newPeer(t)
	client, result := p.get(t, t.Context(), fullDisk{})
	p.send(client, dataPacket(1, "content"))
	if p.refusal().Message != "the client gave up" {
		t.Error("the server was not told")
	}
	if r := <-result; r.err == nil || !strings.Contains(r.err.Error(), "disk full") {
		t.Errorf("got %v", r.err)
	}
}
