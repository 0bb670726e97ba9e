// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"cfgsrv/configfiles"
)

// conn is a connection as front and net/http see it, above TLS if there is any.
type conn struct {
	wire
	server    *Server
	transport net.Conn        // &wire, or secure
	secure    *tls.Conn       // nil without TLS
	context   context.Context // for all requests of the connection
	pending   []byte          // what has come and nobody has looked at but front
	headBy    time.Time       // until when what is pending has to become a request

	chain  []*x509.Certificate    // of the client, empty without one
	record *configfiles.TLSRecord // nil without TLS
	who    configfiles.Requester  // as judged in generation whoGen
	whoGen uint64
	judged bool

	exchange  exchange // of the request under way
	answering bool     // the handler has begun an answer, and it has not gone out
	draft     *[]byte  // gathers a small answer, so that it leaves in one write
	sent      int64    // bytes of the answer that the transport took
	head      int64    // how many of them are not content; negative until known
	broken    bool     // a write has failed
}

// newConn fails only if tcp has been closed.
func newConn(s *Server, tcp *net.TCPConn, config *tls.Config) (*conn, error) {
	socket, err := newSocket(tcp)
	if err != nil {
		return nil, err
	}
	remote := remoteOf(tcp)
	c := &conn{server: s, wire: wire{TCPConn: tcp, socket: socket, conns: s.conns, remote: remote, stall: s.times.stall}}
	c.address = addressOf(remote.Addr())
	c.overall.wire = &c.wire
	c.atAddress.wire = &c.wire
	c.transport = &c.wire
	if config != nil {
		c.secure = tls.Server(&c.wire, config)
		c.transport = c.secure
	}
	return c, nil
}

func remoteOf(tcp *net.TCPConn) netip.AddrPort {
	a, ok := tcp.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

type connKey struct{}

func withConn(ctx context.Context, c *conn) context.Context {
	c.context = context.WithValue(ctx, connKey{}, c)
	return c.context
}

func connOf(ctx context.Context) *conn { return ctx.Value(connKey{}).(*conn) }

// prepare completes the handshake. If that fails it has been told; not so if the
// connection was cut before it began.
func (c *conn) prepare() error {
	if err := c.SetReadDeadline(time.Now().Add(c.server.times.request)); err != nil {
		return err
	}
	if c.secure == nil {
		return nil
	}
	return c.shakeHands()
}

// Read is for net/http.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	return c.transport.Read(p)
}

// SetReadDeadline is for net/http, which does not know that it gets a connection
// in the middle of a request.
func (c *conn) SetReadDeadline(t time.Time) error {
	if by := c.headBy; !by.IsZero() {
		c.headBy = time.Time{}
		if t.IsZero() || by.Before(t) {
			t = by
		}
	}
	return c.wire.SetReadDeadline(t)
}

// Write keeps what it gets while there is a draft with room for it.
func (c *conn) Write(p []byte) (int, error) {
	if !c.answering {
		return c.writeRejection(p)
	}
	if c.draft != nil {
		if len(*c.draft)+len(p) <= cap(*c.draft) {
			*c.draft = append(*c.draft, p...)
			return len(p), nil
		}
		if err := c.post(); err != nil {
			return 0, err
		}
	}
	return c.send(p)
}

// ReadFrom is what net/http calls for a large content.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok || c.secure != nil || !isFile(limited.R) {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		return io.CopyBuffer(struct{ io.Writer }{c}, src, (*buf)[:smallFile])
	}
	if err := c.post(); err != nil {
		return 0, err
	}
	n, err := c.sendFile(limited)
	c.sent += n
	return n, c.cutOff(err)
}

// isFile tells whether the kernel can send what r reads.
func isFile(r io.Reader) bool {
	_, ok := r.(syscall.Conn)
	return ok
}

// rest waits for the next request, and holds nothing of the last one.
func (c *conn) rest() {
	c.answering = false
	c.exchange = exchange{}
	c.conns.rest(&c.wire)
}

// SetWriteDeadline does nothing: wire moves its own as the peer takes bytes.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// CloseWrite lets net/http end its side before the other.
func (c *conn) CloseWrite() error {
	if c.secure != nil {
		return c.secure.CloseWrite()
	}
	return c.TCPConn.CloseWrite()
}

// Close says goodbye within the five seconds that crypto/tls allows for it.
func (c *conn) Close() error {
	c.ending = true
	return c.transport.Close()
}

// writeRejection sends what net/http says to a request that it could not read,
// which the handler never sees.
func (c *conn) writeRejection(p []byte) (int, error) {
	n, err := c.transport.Write(p)
	status, _, _ := strings.Cut(string(p[:min(len(p), 200)]), "\r\n")
	c.server.tellRejection(c, status)
	return n, err
}

// requester is who asks on this connection.
func (c *conn) requester(gen *Generation) configfiles.Requester {
	if c.judged && c.whoGen == gen.Number {
		return c.who
	}
	c.who = configfiles.Requester{Transport: configfiles.HTTP, Addr: c.remote}
	if c.secure != nil {
		c.who.Transport = configfiles.HTTPS
		c.who.Chain = c.chain
	}
	if len(c.who.Chain) > 0 && gen.Identify != nil {
		judgement := gen.Identify(c.who.Chain)
		c.who.Device, c.who.Unproved = judgement.Device, judgement.Unproved
	}
	c.judged, c.whoGen = true, gen.Number
	return c.who
}
