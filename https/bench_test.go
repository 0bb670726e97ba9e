// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// asker asks for one file again and again on one connection and allocates
// nothing, so that what is counted is the server's.
type asker struct {
	net.Conn
	t       testing.TB
	request []byte
	answer  []byte
}

func newAsker(t testing.TB, s *site, config *tls.Config, name string, size int) *asker {
	t.Helper()
	p := s.dial(config)
	p.SetDeadline(time.Time{})
	a := &asker{Conn: p.Conn, t: t, request: []byte("GET /" + name + " HTTP/1.1\r\nHost:198.51.100.0:6970\r\n\r\n")}
	p.Write(a.request)
	var head []byte
	for !bytes.HasSuffix(head, endOfHead) {
		b, err := p.r.ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		head = append(head, b)
	}
	if _, err := io.CopyN(io.Discard, p.r, int64(size)); err != nil {
		t.Fatal(err)
	}
	a.answer = make([]byte, len(head)+size)
	return a
}

func (a *asker) ask() {
	a.Write(a.request)
	if _, err := io.ReadFull(a, a.answer); err != nil {
		a.t.Fatal(err)
	}
}

// opened is a source whose answer costs nothing but its content.
type opened struct{ text []byte }

func (o opened) Open(context.Context, configfiles.Request) (*configfiles.File, error) {
	return &configfiles.File{Size: int64(len(o.text)), ModTime: modified, Content: memory{bytes.NewReader(o.text)}}, nil
}

func BenchmarkKeepAlive(b *testing.B) {
	for _, mode := range []string{"http", "https"} {
		for _, size := range []int{12 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s %d KiB", mode, size>>10), func(b *testing.B) {
				a := benchmarked(b, mode, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					a.ask()
				}
			})
		}
	}
}

func benchmarked(t testing.TB, mode string, size int) *asker {
	t.Helper()
	gen := Generation{Files: opened{bytes.Repeat([]byte{'x'}, size)}}
	var config *tls.Config
	if mode == "https" {
		gen.TLS, config = serverTLS(t, 1), clientTLS()
	}
	return newAsker(t, start(t, gen), config, "block.bin", size)
}

// Most of what is left is the source's, and what http.ServeContent says.
func TestAllocations(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			a := benchmarked(t, mode, 12<<10)
			for range 100 {
				a.ask()
			}
			if got := testing.AllocsPerRun(500, a.ask); got > 15 {
				t.Errorf("%.0f allocations per request", got)
			}
		})
	}
}

func BenchmarkConnections(b *testing.B) {
	for _, mode := range []string{"http", "https"} {
		b.Run(mode, func(b *testing.B) {
			gen := Generation{Files: opened{bytes.Repeat([]byte{'x'}, 12<<10)}}
			var config *tls.Config
			if mode == "https" {
				gen.TLS, config = serverTLS(b, 1), clientTLS()
			}
			s := start(b, gen)
			b.ReportAllocs()
			for b.Loop() {
				p, err := newPhone(b, "127.0.0.1", s.Addr(), config)
				if err != nil {
					b.Fatal(err)
				}
				p.get("/block.bin")
				p.Close()
			}
		})
	}
}
