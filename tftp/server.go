// SPDX-License-Identifier: Apache-2.0

// Package tftp serves a configfiles.Source over one UDP socket, read only.
package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	pintftp "github.com/pin/tftp/v3"

	"cfgsrv/configfiles"
)

// A client that answers no more is given up after retries+1 sendings, 5.25 s;
// at 250 ms a lost datagram costs a phone less than it notices.
const (
	retransmission = 250 * time.Millisecond
	retries        = 20
)

// How often, and how many times at most, the library's loop is told to end.
const (
	wakeInterval = 10 * time.Millisecond
	wakeAttempts = 100
)

// Config is what a Server is made of.
type Config struct {
	Listener string // the name in records and logs: "tftp"
	Addr     string // HOST:PORT; without a host IPv4 and IPv6 both
	// Generation returns what the next request is served from. It is called
	// once for each, by many goroutines, and by Restart, but not before Serve.
	Generation func() Generation
	// Record is told of every request at its end; nil tells nobody.
	Record func(context.Context, configfiles.Record)
	// Log is for what is not a request; nil discards it.
	Log *slog.Logger
}

// Server is a TFTP server (RFC 1350, RFC 2347 to 2349) on one UDP socket. It is
// a listener: bound when it is made, then served once, then shut down.
type Server struct {
	config  Config
	log     *slog.Logger
	conn    *net.UDPConn
	library *pintftp.Server
	running transfers

	// cut ends when what is under way must end.
	cut    context.Context
	cutNow context.CancelFunc

	mu       sync.Mutex
	serving  bool
	stopping bool
	looped   chan struct{} // closed when the library's loop has ended
	drained  chan struct{} // closed when nothing is left
}

// New binds the socket of c. The answers of a server that listens on several
// addresses leave from the address that was asked.
func New(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Record == nil {
		c.Record = func(context.Context, configfiles.Record) {}
	}
	log := c.Log.With("listener", c.Listener)
	conn, err := listen(c.Addr, receiveBuffer, log)
	if err != nil {
		return nil, fmt.Errorf("binding %s: %w", c.Addr, err)
	}
	s := &Server{
		config:  c,
		log:     log,
		conn:    conn,
		looped:  make(chan struct{}),
		drained: make(chan struct{}),
	}
	s.cut, s.cutNow = context.WithCancel(context.Background())
	s.library = pintftp.NewServer(s.read, s.write)
	s.library.SetTimeout(retransmission)
	s.library.SetRetries(retries)
	s.library.SetBackoff(func(int) time.Duration { return 0 })
	s.library.SetHook(failures{s})
	return s, nil
}

// Addr is the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.conn.LocalAddr() }

// Serve answers requests until Shutdown, then returns nil. It may be called
// once; after Shutdown it returns at once.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	s.serving = true
	s.mu.Unlock()
	defer close(s.looped)
	s.Restart()
	if err := s.library.Serve(s.conn); err != nil {
		return fmt.Errorf("serving %s: %w", s.Addr(), err)
	}
	return nil
}

// Restart begins the next generation. Each request takes the newest one by
// itself and keeps it to its end; what has to be told is the block size.
func (s *Server) Restart() { s.library.SetBlockSize(s.config.Generation().blockSize()) }

// Shutdown takes no more requests, waits for the transfers under way until ctx
// ends, then tells their clients and cuts them. What was cut stands in its
// record; the error is always nil. A second call waits too.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	select {
	case <-s.drained:
	case <-ctx.Done():
		s.running.cut()
		s.cutNow()
		<-s.drained
	}
	return nil
}

// stop begins the end, once; Shutdown waits for it.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.stopping = true
	if !s.serving {
		close(s.looped)
	}
	go s.drain()
}

func (s *Server) drain() {
	s.endLoop()
	<-s.looped
	// What the loop began while endLoop called Shutdown from outside.
	s.library.Shutdown()
	// The library does not close a socket that it was never given.
	s.conn.Close()
	s.cutNow()
	close(s.drained)
}

// endLoop makes the library's loop call its own Shutdown, between two requests,
// in failures: it sends the server a datagram that is none. Called from outside,
// Shutdown waits for the transfers while the loop may still begin one, which a
// sync.WaitGroup answers with a data race and at worst a panic. That is left for
// a host that does not let the server reach itself.
func (s *Server) endLoop() {
	again := time.NewTicker(wakeInterval)
	defer again.Stop()
	for range wakeAttempts {
		if _, err := s.conn.WriteToUDP([]byte{0}, s.self()); errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case <-s.looped:
			return
		case <-again.C:
		}
	}
	s.library.Shutdown()
}

// self is where the server reaches itself. A socket for all addresses is one for
// IPv4 too, also where IPv6 is switched off.
func (s *Server) self() *net.UDPAddr {
	addr := *s.conn.LocalAddr().(*net.UDPAddr)
	if addr.IP.IsUnspecified() {
		addr.IP = net.IPv4(127, 0, 0, 1)
	}
	return &addr
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// failures hears from the library what its handlers cannot.
type failures struct{ s *Server }

func (failures) OnSuccess(pintftp.TransferStats) {}

// OnFailure is called before the library sends err's own text to the client,
// and answers an ERROR with an ERROR. Both must not happen: what a client is
// told is ours to say, so the library finds the socket closed.
func (f failures) OnFailure(stats pintftp.TransferStats, err error) {
	if stats.RemoteAddr != nil {
		f.s.running.failing(peerOf(stats.RemoteAddr, stats.Tid), stats.Filename, err)
		return
	}
	if f.s.isStopping() {
		f.s.library.Shutdown()
		return
	}
	if unanswered := (*net.OpError)(nil); errors.As(err, &unanswered) {
		f.s.log.Warn("request not answered", "err", err)
		return
	}
	f.s.log.Debug("datagram ignored", "err", err)
}
