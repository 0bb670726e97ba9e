// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	pintftp "github.com/pin/tftp/v3"

	"cfgsrv/configfiles"
)

// badLine stands between one client and the server. Of every hundred datagrams
// it loses five, doubles five and holds ten back for a while, by a sequence of
// its own.
type badLine struct {
	t      *testing.T
	addr   string       // what the client takes for the server
	back   *net.UDPConn // what the server takes for the client
	server netip.Addr   // others may know the port of back from another life
	mu     sync.Mutex
	random *rand.Rand
	client netip.AddrPort
	fronts map[uint16]*net.UDPConn // by the server's port, so that its identifiers stay apart
	open   sync.WaitGroup
}

func newBadLine(t *testing.T, server netip.AddrPort, seed uint64) *badLine {
	l := &badLine{t: t, server: server.Addr(), random: rand.New(rand.NewPCG(seed, 0)), fronts: map[uint16]*net.UDPConn{}}
	l.back = l.listen()
	l.open.Go(l.fromServer)
	l.addr = l.front(server).LocalAddr().String()
	return l
}

func (l *badLine) listen() *net.UDPConn {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		l.t.Error(err)
		return nil
	}
	return conn
}

// close ends the line and waits for it.
func (l *badLine) close() {
	l.back.Close()
	l.mu.Lock()
	for _, f := range l.fronts {
		f.Close()
	}
	l.mu.Unlock()
	l.open.Wait()
}

// front is where the client talks to this port of the server.
func (l *badLine) front(server netip.AddrPort) *net.UDPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fronts[server.Port()]
	if f == nil {
		f = l.listen()
		l.fronts[server.Port()] = f
		l.open.Go(func() { l.fromClient(f, server) })
	}
	return f
}

func (l *badLine) fromClient(front *net.UDPConn, server netip.AddrPort) {
	for {
		b := make([]byte, 2000)
		n, client, err := front.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		l.mu.Lock()
		l.client = client
		l.mu.Unlock()
		l.pass(func() { l.back.WriteToUDPAddrPort(b[:n], server) })
	}
}

func (l *badLine) fromServer() {
	for {
		b := make([]byte, 2000)
		n, server, err := l.back.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if server.Addr().Unmap() != l.server {
			continue
		}
		front := l.front(server)
		l.mu.Lock()
		client := l.client
		l.mu.Unlock()
		l.pass(func() { front.WriteToUDPAddrPort(b[:n], client) })
	}
}

func (l *badLine) pass(send func()) {
	l.mu.Lock()
	chance, hold := l.random.IntN(100), time.Duration(l.random.IntN(20))*time.Millisecond
	l.mu.Unlock()
	switch {
	case chance < 5:
	case chance < 10:
		send()
		send()
	case chance < 20:
		l.open.Add(1)
		time.AfterFunc(hold, func() {
			defer l.open.Done()
			send()
		})
	default:
		send()
	}
}

func TestFilesSurviveABadLine(t *testing.T) {
	t.Parallel()
	const transfers = 60
	content := files{}
	for i := range transfers {
		content[strconv.Itoa(i)] = text(i*400, uint64(i))
	}
	s := start(t, "127.0.0.3:0", Generation{Files: content})
	server := netip.MustParseAddrPort(s.addr)
	var running sync.WaitGroup
	for i := range transfers {
		running.Go(func() {
			line := newBadLine(t, server, uint64(i))
			defer line.close()
			get := getString
			if i%2 == 1 {
				get = libraryGet
			}
			name := strconv.Itoa(i)
			if got, err := get(t, line.addr, name); err != nil || got != content[name] {
				t.Errorf("%s: %v, got %d bytes, want %d", name, err, len(got), len(content[name]))
			}
		})
	}
	running.Wait()
	s.cutShort(t)
	close(s.records)
	for r := range s.records {
		if r.Outcome != configfiles.Served && r.Outcome != configfiles.Aborted {
			t.Errorf("record %+v", r)
		}
	}
}

// libraryGet fetches with the library's client, in blocks of 512 bytes.
func libraryGet(t testing.TB, addr, name string) (string, error) {
	t.Helper()
	c, err := pintftp.NewClient(addr)
	if err != nil {
		return "", err
	}
	c.SetTimeout(300 * time.Millisecond)
	c.SetRetries(20)
	c.SetBackoff(func(int) time.Duration { return 0 })
	from, err := c.Receive(name, "octet")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	_, err = from.WriteTo(io.Writer(&b))
	return b.String(), err
}
