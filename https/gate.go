// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// bind opens the socket.
func bind(addr string) (*net.TCPListener, error) {
	// Idle connections have a time limit of their own.
	config := net.ListenConfig{KeepAlive: -1}
	// No phone speaks it, and it costs each connection.
	config.SetMultipathTCP(false)
	socket, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := socket.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T is no TCP socket", socket), socket.Close())
	}
	return tcp, nil
}

// gate lets connections in, with the TLS of the generation that then runs.
type gate struct {
	*net.TCPListener
	accept    func() (*net.TCPConn, error) // of the listener
	server    *Server
	exhausted meter
	overflows meter
	turned    atomic.Int64 // connections that found no room even for a 503
}

// open lets connections in until the socket is closed, or broken.
func (g *gate) open(take func(*conn)) error {
	const shortest, longest = 5 * time.Millisecond, 100 * time.Millisecond
	for pause := shortest; ; {
		tcp, err := g.accept()
		switch {
		case err == nil:
			pause = shortest
			if c := g.admit(tcp); c != nil {
				take(c)
			}
		case !isShortage(err):
			return err
		default:
			g.relieve(err)
			time.Sleep(pause)
			pause = min(2*pause, longest)
		}
	}
}

// isShortage tells whether accepting failed for want of what may be there again
// in a moment.
func isShortage(err error) bool {
	for _, lacking := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, lacking) {
			return true
		}
	}
	return false
}

// relieve closes a connection that can be spared if descriptors have run out.
func (g *gate) relieve(err error) {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return
	}
	if g.exhausted.pass(time.Now()) {
		g.server.log.Warn("out of file descriptors", "err", err)
	}
	if w := g.server.conns.shed(); w != nil {
		w.TCPConn.Close()
	}
}

// admit returns nil if the connection cannot stay.
func (g *gate) admit(tcp *net.TCPConn) *conn {
	s := g.server
	// The epoch comes first: a restart in between makes an old connection with
	// the new generation's TLS, never the other way round.
	epoch := s.conns.current()
	gen := s.conf.Generation()
	c, err := newConn(s, tcp, gen.TLS)
	if err != nil {
		return nil
	}
	v, shed := s.conns.enter(&c.wire, epoch, limits{gen.maxConnections(), gen.maxPerAddress()})
	if shed != nil {
		shed.TCPConn.Close()
	}
	switch v {
	case admitted, toRefuse:
		return c
	case overflow:
		g.turnAway(c)
	case tooLate:
		tcp.Close()
	}
	return nil
}

const (
	// busyAnswer is for a client of plain HTTP that nobody will read.
	busyAnswer = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n" + busy + "\n"
	// busyAlert is what TLS has instead: a fatal alert internal_error.
	busyAlert = "\x15\x03\x01\x00\x02\x02\x50"
)

// turnAway says goodbye at once, without waiting for a request. The write fits
// into the empty buffer of the new connection.
func (g *gate) turnAway(c *conn) {
	answer := busyAnswer
	if c.secure != nil {
		answer = busyAlert
	}
	io.WriteString(c.TCPConn, answer)
	c.TCPConn.Close()
	n := g.turned.Add(1)
	if g.overflows.pass(time.Now()) {
		g.server.log.LogAttrs(context.Background(), slog.LevelWarn, "turned away, too many connections",
			slog.String("remote", c.remote.String()), slog.Int64("total", n))
	}
}
