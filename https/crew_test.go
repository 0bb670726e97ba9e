// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// TestCrewServesMoreThanRest has more connections at work at once than
// goroutines may rest, twice, and sees that everybody goes home.
func TestCrewServesMoreThanRest(t *testing.T) {
	const many = 3 * maxResting
	var served sync.WaitGroup
	var ahead chan struct{}
	w := newCrew(func(*front, *conn) {
		<-ahead
		served.Done()
	})
	for range 2 {
		ahead = make(chan struct{})
		served.Add(many)
		for range many {
			w.take(nil)
		}
		close(ahead)
		served.Wait()
	}
	w.dismiss()
	w.wait()
}

// TestCrewStays has many served after a storm, by those who stayed.
func TestCrewStays(t *testing.T) {
	const storm = maxResting + 10
	fronts := map[*front]bool{}
	served := make(chan *front)
	w := newCrew(func(f *front, _ *conn) { served <- f })
	for range storm {
		w.take(nil)
	}
	for range storm {
		fronts[<-served] = true
	}
	for range 3 * maxResting {
		waitFor(t, "some to rest", func() bool { return len(w.rest) == maxResting })
		w.take(nil)
		fronts[<-served] = true
	}
	w.dismiss()
	w.wait()
	if len(fronts) != storm {
		t.Errorf("it took %d goroutines, want %d", len(fronts), storm)
	}
}

// TestHandingOverGivesNoMoreTime is about a client that sends a head byte by
// byte: net/http, which gets the connection after the first, has only what is
// left of the time for it.
func TestHandingOverGivesNoMoreTime(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := newSite(t, "127.0.0.1:0", Generation{Files: served}, usualTimes)
	defer s.shutdown()
	c, err := newConn(s.Server, ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	by := time.Now().Add(3 * time.Second)
	if err := c.SetReadDeadline(by); err != nil {
		t.Fatal(err)
	}
	io.WriteString(theirs, "G")
	if f := newFront(); !f.serve(c) || !c.headBy.Equal(by) {
		t.Errorf("handed over with time until %v, want %v", c.headBy, by)
	}
	for _, tt := range []struct {
		name              string
		left, asked, want time.Time
	}{
		{"later", by, by.Add(time.Second), by},
		{"earlier", by, by.Add(-time.Second), by.Add(-time.Second)},
		{"none", by, time.Time{}, by},
		{"for the next request", time.Time{}, by.Add(2 * time.Second), by.Add(2 * time.Second)},
	} {
		c.headBy = tt.left
		if err := c.SetReadDeadline(tt.asked); err != nil {
			t.Fatal(err)
		}
		if !c.asked.Equal(tt.want) {
			t.Errorf("%s: the deadline is %v, want %v", tt.name, c.asked, tt.want)
		}
		if !c.headBy.IsZero() {
			t.Errorf("%s: it holds for the next request too", tt.name)
		}
	}
}

func tcpPair(t *testing.T) (*net.TCPConn, net.Conn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	theirs, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return ours, theirs
}

// TestRequestAndGoodbyeAtOnce is a client that sends its request and ends its
// side in one: it still gets its answer.
func TestRequestAndGoodbyeAtOnce(t *testing.T) {
	for _, target := range []string{"/ringlist.xml", "/ringlist%2exml"} { // ours, and net/http's
		t.Run(target, func(t *testing.T) {
			s := start(t, Generation{Files: served, TLS: serverTLS(t, 1)})
			raw, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			raw.SetDeadline(time.Now().Add(within))
			joined := &corked{Conn: raw}
			client := tls.Client(joined, clientTLS())
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			joined.held = true
			io.WriteString(client, "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
			client.CloseWrite()
			if err := joined.release(); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(client)
			if err != nil || !strings.HasSuffix(string(answer), "<r/>") {
				t.Errorf("got %q, %v", answer, err)
			}
			if r := s.record(); r.Outcome != configfiles.Served {
				t.Errorf("recorded as %s", r.Outcome)
			}
		})
	}
}

// corked keeps what is written while held.
type corked struct {
	net.Conn
	held bool
	kept []byte
}

func (c *corked) Write(p []byte) (int, error) {
	if !c.held {
		return c.Conn.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

func (c *corked) release() error {
	c.held = false
	c.SetDeadline(time.Now().Add(within)) // CloseWrite has left one in the past
	_, err := c.Conn.Write(c.kept)
	return err
}

// TestPanicOnOneConnection ends that one, and no other.
func TestPanicOnOneConnection(t *testing.T) {
	s := start(t, Generation{Files: served, TLS: panicking(serverTLS(t, 1))})
	if _, err := newPhone(t, "127.0.0.1", s.Addr(), clientTLS()); err == nil {
		t.Fatal("there was a handshake without a certificate")
	}
	s.publish(Generation{Files: served, TLS: serverTLS(t, 1)})
	if r := s.dial(clientTLS()).get("/ringlist.xml"); r.StatusCode != 200 {
		t.Errorf("got %s", r.Status)
	}
	if log := s.log.String(); !strings.Contains(log, "panic while serving a connection") || !strings.Contains(log, "no idea") {
		t.Errorf("the log says\n%s", log)
	}
}

func panicking(config *tls.Config) *tls.Config {
	config.Certificates = nil
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("no idea") }
	return config
}

// TestAcceptingGoesOnAfterAShortage runs out of descriptors twice.
func TestAcceptingGoesOnAfterAShortage(t *testing.T) {
	s := newSite(t, "127.0.0.1:0", Generation{Files: served}, usualTimes)
	defer s.shutdown()
	ours, _ := tcpPair(t)
	results := []error{os.NewSyscallError("accept4", syscall.EMFILE), syscall.ENFILE, nil, net.ErrClosed}
	s.gate.accept = func() (*net.TCPConn, error) {
		err := results[0]
		if results = results[1:]; err != nil {
			return nil, err
		}
		return ours, nil
	}
	var taken []*conn
	err := s.gate.open(func(c *conn) { taken = append(taken, c) })
	if !errors.Is(err, net.ErrClosed) || len(taken) != 1 {
		t.Errorf("took %d connections, and ended with %v", len(taken), err)
	}
	for _, c := range taken {
		s.conns.leave(&c.wire)
	}
}

func TestShortages(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOBUFS: true, syscall.ENOMEM: true,
		&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}: true,
		net.ErrClosed: false, syscall.EINVAL: false, syscall.EBADF: false,
	} {
		if got := isShortage(err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// TestServeTellsWhyItCannotAccept is a socket that breaks.
func TestServeTellsWhyItCannotAccept(t *testing.T) {
	s := newSite(t, "127.0.0.1:0", Generation{Files: served}, usualTimes)
	s.gate.TCPListener.Close()
	if err := s.Serve(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v", err)
	}
	s.Shutdown(context.Background())
	if err := s.Serve(); err != nil {
		t.Errorf("after Shutdown Serve returned %v", err)
	}
}
