// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	// Generation is called once for each connection, when it is accepted.
	Generation func() Generation
	Store      *Store
	LSC        Folder
	// Record is called once for each connection, at its end; nil: nobody is told.
	Record func(context.Context, Record)
	Log    *slog.Logger // nil: none

	MaxConnections int           // zero: 4096
	MaxPerAddress  int           // zero: 1024
	MessageLimit   time.Duration // for the handshake, and for each message; zero: 10 s
	KeyLimit       time.Duration // for an RSA key, which an old phone takes minutes to make; zero: 5 min
}

// Server is a CAPF server on one socket. It implements listeners.Listener.
type Server struct {
	cfg       Config
	socket    net.Listener
	registrar *registrar
	guesses   guesses
	gate      *gate
	// sessionID is drawn at random: the proof of FORMATS 6.6 that signs it is
	// then good for one session alone.
	sessionID func() uint32
	now       func() time.Time

	cut    context.Context // ends every session
	cutAll context.CancelFunc
	work   sync.WaitGroup // one for each connection
	mu     sync.Mutex
	closed bool
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
	cfg.KeyLimit = cmp.Or(cfg.KeyLimit, 5*time.Minute)
	socket, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", cfg.Listener, err)
	}
	s := &Server{
		cfg:       cfg,
		socket:    socket,
		registrar: &registrar{store: cfg.Store, folder: cfg.LSC},
		gate:      newGate(cmp.Or(cfg.MaxConnections, 4096), cmp.Or(cfg.MaxPerAddress, 1024)),
		sessionID: func() uint32 { return 1 + rand.Uint32N(1<<31-1) },
		now:       time.Now,
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

// Restart implements listeners.Listener. There is nothing to do: a session has
// the generation of its beginning, and there are no idle connections.
func (s *Server) Restart() {}

// Shutdown implements listeners.Listener.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.socket.Close()
	}
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
			return fmt.Errorf("cutting %d sessions: %w", n, ctx.Err())
		}
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// admit starts a session unless there are too many. It does not wait for the
// device.
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
