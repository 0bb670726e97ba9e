// SPDX-License-Identifier: Apache-2.0

// Package https serves a configfiles.Source over one TCP socket, plain or TLS.
package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"cfgsrv/configfiles"
)

// Config is what a Server is made of.
type Config struct {
	// Listener is the listener's name: http, phones or jabber.
	Listener string
	// Addr is HOST:PORT; with :PORT it is IPv4 and IPv6.
	Addr string
	// Generation returns the running generation; required. It is called once
	// for every connection and once for every request, which keeps what it got.
	Generation func() Generation
	// Record is told of every request at its end; nil tells nobody.
	Record func(context.Context, configfiles.Record)
	Log    *slog.Logger // nil: silent
}

// Generation is what a Server serves from. It is never modified.
type Generation struct {
	Number uint64
	Files  configfiles.Source
	// TLS is for connections accepted from now on, and a fresh one in every
	// generation: one that shares its ticket keys would resume old sessions.
	// Nil serves plain HTTP. If the connection of a ClientHelloInfo has a method
	// Presented(unit string), GetCertificate tells it what it presents, by
	// Unpresented(reason string) why nothing suits the client.
	TLS *tls.Config
	// Identify says which device the client's certificate proves, in Device or
	// Unproved of its answer; the rest of it is not looked at. It is not called
	// without a certificate. Nil proves nothing.
	Identify func(chain []*x509.Certificate) configfiles.Requester
	// MaxConnections and MaxPerAddress are how many connections may be open in
	// all, and from one IPv4 address or one IPv6 /64. 0 is 8192 and 1024. Above
	// them an idle connection gives way to a new one, else one that has sent no
	// request for half a second; if all are at work, the new one gets a 503.
	MaxConnections, MaxPerAddress int
}

func (g *Generation) maxConnections() int {
	if g.MaxConnections > 0 {
		return g.MaxConnections
	}
	return 8192
}

func (g *Generation) maxPerAddress() int {
	if g.MaxPerAddress > 0 {
		return g.MaxPerAddress
	}
	return 1024
}

// Server answers GET and HEAD on one socket. It is a listeners.Listener.
type Server struct {
	conf    Config
	log     *slog.Logger
	times   times
	conns   *connections
	gate    *gate
	crew    *crew
	desk    *desk
	http    *http.Server
	begin   sync.Mutex
	over    bool  // Serve has nothing to begin any more; begin guards it
	failed  meter // of failed handshakes in the log
	ciphers cipherNames
	bulks   bulks
	// working counts the requests being answered.
	working atomic.Int64
}

// New binds conf.Addr.
func New(conf Config) (*Server, error) { return newServer(conf, usualTimes) }

func newServer(conf Config, t times) (*Server, error) {
	socket, err := bind(conf.Addr)
	if err != nil {
		return nil, fmt.Errorf("binding %s: %w", conf.Addr, err)
	}
	log := conf.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		conf:    conf,
		log:     log.With("listener", conf.Listener),
		times:   t,
		conns:   newConnections(t),
		failed:  meter{most: 20},
		ciphers: newCipherNames(),
	}
	s.gate = &gate{TCPListener: socket, accept: socket.AcceptTCP, server: s, exhausted: meter{most: 1}, overflows: meter{most: 1}}
	s.crew = newCrew(s.attend)
	s.desk = newDesk(socket.Addr())
	s.http = s.newHTTP()
	return s, nil
}

// newHTTP makes the one http.Server of s. It is never shut down by its own
// means, which would hang up on connections that were accepted but not yet
// read; connections does that.
func (s *Server) newHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      handler{s},
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.times.request,
		IdleTimeout:                  s.times.idle,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		ConnState:                    s.follow,
		ConnContext:                  func(ctx context.Context, c net.Conn) context.Context { return withConn(ctx, c.(*conn)) },
	}
}

// follow hears from net/http how a connection fares.
func (s *Server) follow(nc net.Conn, state http.ConnState) {
	c := nc.(*conn)
	switch state {
	case http.StateIdle:
		c.rest()
	case http.StateClosed:
		s.conns.leave(&c.wire)
	case http.StateNew, http.StateActive, http.StateHijacked:
	}
}

// Addr implements listeners.Listener.
func (s *Server) Addr() net.Addr { return s.gate.Addr() }

// Serve implements listeners.Listener.
func (s *Server) Serve() error {
	if !s.start() {
		return nil
	}
	err := s.gate.open(s.crew.take)
	s.crew.dismiss()
	if s.conns.isClosing() {
		return nil
	}
	// Who is connected is served until Shutdown, which waits for all.
	return fmt.Errorf("accepting connections: %w", err)
}

// start begins what serves connections, and is false after Shutdown.
func (s *Server) start() bool {
	s.begin.Lock()
	defer s.begin.Unlock()
	if !s.over {
		s.crew.work.Go(func() { _ = s.http.Serve(s.desk) }) // it ends with the desk
	}
	return !s.over
}

// finish lets start begin nothing more.
func (s *Server) finish() {
	s.begin.Lock()
	defer s.begin.Unlock()
	s.over = true
}

// Restart implements listeners.Listener. A connection that was accepted before
// answers one more request, with Connection: close, or ends when it has been
// idle for a second: a client that uses it without longer pauses loses nothing.
func (s *Server) Restart() { s.conns.restart() }

// Shutdown implements listeners.Listener. Under way is a request whose head has
// come; a connection that has not got so far has a second to make one.
func (s *Server) Shutdown(ctx context.Context) error {
	s.finish()
	s.conns.close()
	err := s.gate.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	n := s.conns.drain(ctx)
	s.desk.Close()
	s.crew.wait()
	if n > 0 {
		return errors.Join(err, fmt.Errorf("cutting %d requests: %w", n, ctx.Err()))
	}
	return err
}
