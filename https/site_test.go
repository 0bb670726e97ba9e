// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// within is how long something may take that must happen.
const within = 10 * time.Second

// files is a source in memory.
type files map[string]string

var modified = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

func (f files) Open(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
	text, ok := f[req.Name.Asked]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &configfiles.File{
		Size:    int64(len(text)),
		ModTime: modified,
		Content: memory{bytes.NewReader([]byte(text))},
	}, nil
}

// source is a function as a configfiles.Source.
type source func(ctx context.Context, req configfiles.Request) (*configfiles.File, error)

func (s source) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	return s(ctx, req)
}

// site is a Server that serves, and what it told.
type site struct {
	*Server
	t       testing.TB
	gen     atomic.Pointer[Generation]
	records chan configfiles.Record
	log     *record
	served  chan error
}

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// start serves gen until the end of the test.
func start(t testing.TB, gen Generation) *site {
	t.Helper()
	return startAt(t, "127.0.0.1:0", gen, usualTimes)
}

func startAt(t testing.TB, addr string, gen Generation, limits times) *site {
	t.Helper()
	s := newSite(t, addr, gen, limits)
	go func() { s.served <- s.Serve() }()
	t.Cleanup(func() {
		s.shutdown()
		if err := <-s.served; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	return s
}

// newSite makes a site that does not serve yet.
func newSite(t testing.TB, addr string, gen Generation, limits times) *site {
	t.Helper()
	s := &site{t: t, records: make(chan configfiles.Record, 1000), served: make(chan error, 1), log: new(record)}
	s.publish(gen)
	var err error
	s.Server, err = newServer(Config{
		Listener:   "phones",
		Addr:       addr,
		Generation: func() Generation { return *s.gen.Load() },
		Record:     s.keep,
		Log:        slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, limits)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keep drops the records that a test under load does not fetch.
func (s *site) keep(_ context.Context, r configfiles.Record) {
	select {
	case s.records <- r:
	default:
	}
}

func (s *site) publish(gen Generation) { s.gen.Store(&gen) }

func (s *site) shutdown() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
}

// record is the next record.
func (s *site) record() configfiles.Record {
	s.t.Helper()
	select {
	case r := <-s.records:
		return r
	case <-time.After(within):
		s.t.Fatal("no record came")
		panic("unreachable")
	}
}

// waitFor waits until ok says so.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(within); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// phone is a client that keeps to what it is told, one connection and no
// second attempts.
type phone struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

// dial connects, over TLS if config is not nil.
func (s *site) dial(config *tls.Config) *phone {
	s.t.Helper()
	return s.dialFrom("127.0.0.1", config)
}

func (s *site) dialFrom(host string, config *tls.Config) *phone {
	s.t.Helper()
	p, err := newPhone(s.t, host, s.Addr(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { p.Close() })
	return p
}

func newPhone(t testing.TB, host string, addr net.Addr, config *tls.Config) (*phone, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, Timeout: within}
	c, err := d.Dial("tcp", addr.String())
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(within))
	if config != nil {
		secure := tls.Client(c, config)
		if err := secure.Handshake(); err != nil {
			c.Close()
			return nil, err
		}
		c = secure
	}
	return &phone{Conn: c, t: t, r: bufio.NewReader(c)}, nil
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

// get asks for a target such as "/file", with more header lines if given.
func (p *phone) get(target string, lines ...string) reply {
	p.t.Helper()
	return p.ask("GET", target, lines...)
}

func (p *phone) ask(method, target string, lines ...string) reply {
	p.t.Helper()
	p.send(method, target, lines...)
	return p.reply(method)
}

func (p *phone) send(method, target string, lines ...string) {
	p.t.Helper()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost:198.51.100.0:6970\r\n%s\r\n", method, target, strings.Join(append(lines, ""), "\r\n"))
	if _, err := io.WriteString(p, head); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) reply(method string) reply {
	p.t.Helper()
	r, err := p.readReply(method)
	if err != nil {
		p.t.Fatalf("reading the answer: %v", err)
	}
	return r
}

func (p *phone) readReply(method string) (reply, error) {
	resp, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(resp.Body)
	return reply{resp, string(body)}, err
}

// isEnded tells whether the server closes the connection before it says more.
func (p *phone) isEnded() bool {
	_, err := p.r.ReadByte()
	return err != nil && !isTimeout(err)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// count is how many connections are in a state.
func (cs *connections) count(s state) int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.all[s].n
}

// onDisk is a source of the files in a folder.
type onDisk struct{ dir string }

// with makes a file.
func (d onDisk) with(t testing.TB, name string, size int) onDisk {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content(size)), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d onDisk) Open(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
	f, err := os.Open(filepath.Join(d.dir, req.Name.Asked))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &configfiles.File{Size: info.Size(), ModTime: info.ModTime(), Content: f}, nil
}

// addrPortOf is the phone as the server sees it.
func addrPortOf(p *phone) netip.AddrPort { return addrPortOfAddr(p.LocalAddr()) }

func addrPortOfAddr(a net.Addr) netip.AddrPort {
	at := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
