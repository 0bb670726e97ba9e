// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cfgsrv/configfiles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within is how long a test waits for what must happen.
const within = 10 * time.Second

// silence is how long a test listens for what must not happen.
const silence = 100 * time.Millisecond

// sourceFunc is a configfiles.Source.
type sourceFunc func(context.Context, configfiles.Request) (*configfiles.File, error)

func (f sourceFunc) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	return f(ctx, req)
}

// files is a configfiles.Source in memory.
type files map[string]string

func (f files) Open(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
	s, ok := f[req.Name.Asked]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return fileOf(s), nil
}

func fileOf(s string) *configfiles.File {
	return &configfiles.File{Size: int64(len(s)), Content: readSeekNopCloser{bytes.NewReader([]byte(s))}}
}

type readSeekNopCloser struct{ io.ReadSeeker }

func (readSeekNopCloser) Close() error { return nil }

// text is n bytes with every character of netascii's trouble, the same for the
// same seed.
func text(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "\r\n\x00abc"[r.IntN(6)]
	}
	return string(b)
}

// server is a running Server and what it told.
type server struct {
	*Server
	addr       string
	generation atomic.Pointer[Generation]
	records    chan configfiles.Record
	log        syncBuffer
	served     chan error
}

func newServer(t testing.TB, addr string, gen Generation) *server {
	t.Helper()
	s := &server{records: make(chan configfiles.Record, 1000), served: make(chan error, 1)}
	s.generation.Store(&gen)
	var err error
	s.Server, err = New(Config{
		Listener:   "tftp",
		Addr:       addr,
		Generation: func() Generation { return *s.generation.Load() },
		Record: func(_ context.Context, r configfiles.Record) {
			select {
			case s.records <- r:
			default: // of a test that does not look
			}
		},
		Log: slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = s.Addr().String()
	return s
}

// start serves gen until the test ends, then cuts what is left.
func start(t testing.TB, addr string, gen Generation) *server {
	t.Helper()
	s := newServer(t, addr, gen)
	go func() { s.served <- s.Serve() }()
	t.Cleanup(func() {
		s.cutShort(t)
		if err := <-s.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

func (s *server) cutShort(t testing.TB) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func startLocal(t testing.TB, f configfiles.Source) *server {
	t.Helper()
	return start(t, "127.0.0.1:0", Generation{Number: 7, Files: f})
}

// record waits for the next record.
func (s *server) record(t testing.TB) configfiles.Record {
	t.Helper()
	select {
	case r := <-s.records:
		return r
	case <-time.After(within):
		t.Fatal("no record of the request")
	}
	panic("unreachable")
}

// noRecord checks that no further request was recorded.
func (s *server) noRecord(t testing.TB) {
	t.Helper()
	select {
	case r := <-s.records:
		t.Errorf("unexpected record %+v", r)
	default:
	}
}

func (s *server) get(t testing.TB, name string) string {
	t.Helper()
	got, err := getString(t, s.addr, name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func getString(t testing.TB, addr, name string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	n, err := Get(t.Context(), addr, name, &b)
	if n != int64(b.Len()) {
		t.Errorf("Get returned %d, wrote %d", n, b.Len())
	}
	return b.String(), err
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// phone is a client that does only what a test tells it.
type phone struct {
	t     testing.TB
	conn  *net.UDPConn
	to    netip.AddrPort // the server's listening port
	heard [1 << 16]byte
}

// newPhone is one at the address local, or anywhere if that is empty.
func newPhone(t testing.TB, local, server string) *phone {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(local)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &phone{t: t, conn: conn, to: netip.MustParseAddrPort(server)}
}

func (p *phone) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *phone) ask(name string, options ...string) { p.send(p.to, requestPacket(name, options...)) }

func (p *phone) send(to netip.AddrPort, packet []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(packet, to); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next datagram within d, or nil. It is valid until the next.
func (p *phone) hear(d time.Duration) ([]byte, netip.AddrPort) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(d))
	n, from, err := p.conn.ReadFromUDPAddrPort(p.heard[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, from
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.heard[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// answer is the next datagram.
func (p *phone) answer() ([]byte, netip.AddrPort) {
	p.t.Helper()
	b, from := p.hear(within)
	if b == nil {
		p.t.Fatal("no answer")
	}
	return b, from
}

// data is the content of the next datagram, which must be this block. The one
// before it may come again, if this machine is slow.
func (p *phone) data(block uint16) (content string, from netip.AddrPort) {
	p.t.Helper()
	b, from := p.answer()
	for block > 1 && opcode(b) == opDATA && binary.BigEndian.Uint16(b[2:]) == block-1 {
		b, from = p.answer()
	}
	if opcode(b) != opDATA || binary.BigEndian.Uint16(b[2:]) != block {
		p.t.Fatalf("got %.40q, want DATA %d", b, block)
	}
	return string(b[headerSize:]), from
}

// options are what the next datagram grants.
func (p *phone) options() (granted map[string]string, from netip.AddrPort) {
	p.t.Helper()
	b, from := p.answer()
	if opcode(b) != opOACK {
		p.t.Fatalf("got %.40q, want an OACK", b)
	}
	granted = map[string]string{}
	fields := bytes.Split(bytes.TrimSuffix(b[2:], []byte{0}), []byte{0})
	for i := 0; i+1 < len(fields); i += 2 {
		granted[string(fields[i])] = string(fields[i+1])
	}
	return granted, from
}

// refusal is the next datagram, which must be an ERROR. Data may come again
// before it, if this machine is slow.
func (p *phone) refusal() *RemoteError {
	p.t.Helper()
	b, _ := p.answer()
	for opcode(b) == opDATA {
		b, _ = p.answer()
	}
	if opcode(b) != opERROR || b[len(b)-1] != 0 {
		p.t.Fatalf("got %.40q, want an ERROR", b)
	}
	e := &RemoteError{}
	if !errors.As(remoteError(b), &e) {
		p.t.Fatal("unreachable")
	}
	return e
}

// fetch acknowledges blocks of the given size from block on until the last one.
func (p *phone) fetch(block uint16, size int) string {
	p.t.Helper()
	var all []byte
	for ; ; block++ {
		data, from := p.data(block)
		all = append(all, data...)
		p.send(from, ackPacket(block))
		if len(data) < size {
			return string(all)
		}
	}
}

// descriptors is how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}
