// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// Config is what a Server needs.
type Config struct {
	Listener string // its name in the log
	Addr     string // HOST:PORT or :PORT
	// Generation is called when a connection is accepted, and for each request.
	Generation func() Generation
	// Record is called once for each request, at its end, and for each connection
	// that came to none; nil: nobody is told.
	Record func(context.Context, Record)
	Log    *slog.Logger // nil: none

	MaxConnections int           // zero: 4096
	MaxPerAddress  int           // zero: 1024
	MessageLimit   time.Duration // for the handshake, and for each message; zero: 10 s
	IdleLimit      time.Duration // between two requests; zero: 1 min
}

// Server is a TVS server on one socket. It implements listeners.Listener.
type Server struct {
	cfg    Config
	socket net.Listener
	gate   *gate

	cut    context.Context // ends every connection
	cutAll context.CancelFunc
	work   sync.WaitGroup // one for each connection

	mu     sync.Mutex
	closed bool
	idle   map[net.Conn]struct{} // connections between two requests
}

// New binds the server's socket.
func New(cfg Config) (*Server, error) {
	if cfg.Record == nil {
		cfg.Record = func(context.Context, Record) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.MessageLimit = cmp.Or(cfg.MessageLimit, 10*time.Second)
	cfg.IdleLimit = cmp.Or(cfg.IdleLimit, time.Minute)
	socket, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", cfg.Listener, err)
	}
	s := &Server{
		cfg:    cfg,
		socket: socket,
		gate:   newGate(cmp.Or(cfg.MaxConnections, 4096), cmp.Or(cfg.MaxPerAddress, 1024)),
		idle:   make(map[net.Conn]struct{}),
	}
	s.cut, s.cutAll = context.WithCancel(context.Background())
	return s, nil
}

// Addr implements listeners.Listener.
func (s *Server) Addr() net.Addr { return s.socket.Addr() }

// Serve implements listeners.Listener.
func (s *Server) Serve() error {
	for pause := time.Duration(0); ; {
		conn, err := s.socket.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(conn)
		case s.isClosed():
			return nil
		case !passes(err):
			return fmt.Errorf("accepting for %s: %w", s.cfg.Listener, err)
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Log.Warn("accepting paused", "listener", s.cfg.Listener, "took", pause, "err", err)
			select {
			case <-time.After(pause):
			case <-s.cut.Done():
			}
		}
	}
}

// passes tells whether an error of Accept is one connection's, or goes away
// when others end.
func passes(err error) bool {
	for _, e := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Restart implements listeners.Listener.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeIdle()
}

// Shutdown implements listeners.Listener.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.socket.Close()
	}
	s.closeIdle()
	s.mu.Unlock()

	cut := make(chan int, 1)
	stop := context.AfterFunc(ctx, func() {
		cut <- s.gate.inside()
		s.cutAll()
	})
	s.work.Wait()
	defer s.cutAll()
	if !stop() {
		if n := <-cut; n > 0 {
			return fmt.Errorf("cutting %d connections: %w", n, ctx.Err())
		}
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// rest notes that conn is between two requests. It returns false if there shall
// be none, as the server ends or another generation has begun.
func (s *Server) rest(conn net.Conn, gen uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.cfg.Generation().Number != gen {
		return false
	}
	s.idle[conn] = struct{}{}
	return true
}

// wake notes that conn has a request, or has ended.
func (s *Server) wake(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.idle, conn)
}

// closeIdle needs s.mu. It wakes those who wait, and they close their
// connections in TLS's own way.
func (s *Server) closeIdle() {
	for conn := range s.idle {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// admit starts to serve a connection unless there are too many. It does not
// wait for the phone.
func (s *Server) admit(conn net.Conn) {
	remote := addrPort(conn.RemoteAddr())
	if !s.gate.enter(remote.Addr()) {
		conn.Close()
		s.cfg.Record(s.cut, Record{
			Listener: s.cfg.Listener, Remote: remote, Outcome: Busy,
			Reason: "there are too many connections", Gen: s.cfg.Generation().Number,
		})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		s.gate.leave(remote.Addr())
		return
	}
	s.work.Go(func() { s.handle(conn, remote) })
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
