// SPDX-License-Identifier: Apache-2.0

// Package tftp serves a configfiles.Source over one UDP socket, read only.
package tftp

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"cfgsrv/configfiles"
)

// Config is what a Server is made of.
type Config struct {
	Listener string // the name in records and logs: "tftp"
	Addr     string // HOST:PORT; without a host IPv4 and IPv6 both
	// Generation returns what the next request is served from. It is called
	// once for each, but not before Serve.
	Generation func() Generation
	// Record is told of every request at its end, by one goroutine; nil tells
	// nobody.
	Record func(context.Context, configfiles.Record)
	// Log is for what is not a request; nil discards it.
	Log *slog.Logger
}

// Server is a TFTP server (RFC 1350, RFC 2347 to 2349, RFC 7440) on one UDP
// address. It is a listener: bound when it is made, then served once, then shut
// down.
type Server struct {
	front *front
	addr  net.Addr

	mu      sync.Mutex
	serving bool
	drained chan struct{} // closed when nothing is left
}

// New binds the sockets of c. The answers of a server that listens on several
// addresses leave from the address that was asked.
func New(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Record == nil {
		c.Record = func(context.Context, configfiles.Record) {}
	}
	f, addr, err := newFront(c)
	if err != nil {
		return nil, fmt.Errorf("binding %s: %w", c.Addr, err)
	}
	return &Server{front: f, addr: addr, drained: make(chan struct{})}, nil
}

// Addr is the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.addr }

// Serve answers requests until Shutdown and until every transfer has ended, then
// returns nil. It may be called once; after Shutdown it returns at once.
func (s *Server) Serve() error {
	s.mu.Lock()
	stopped := s.front.stopping.Load()
	s.serving = !stopped
	s.mu.Unlock()
	if stopped {
		return nil
	}
	defer close(s.drained)
	if err := s.front.serve(); err != nil {
		return fmt.Errorf("serving %s: %w", s.addr, err)
	}
	return nil
}

// Restart begins the next generation. There is nothing to do: each request takes
// the newest one by itself and keeps it to its end.
func (s *Server) Restart() {}

// Shutdown takes no more requests, waits for the transfers under way until ctx
// ends, then tells their clients and cuts them. What was cut stands in its
// record; the error is always nil. A second call waits too.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	select {
	case <-s.drained:
	case <-ctx.Done():
		s.front.cutNow()
		s.front.wake()
		<-s.drained
	}
	return nil
}

// stop begins the end, once; Shutdown waits for it.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.front.stopping.Swap(true) {
		return
	}
	if s.serving {
		s.front.wake()
		return
	}
	s.front.close()
	close(s.drained)
}
