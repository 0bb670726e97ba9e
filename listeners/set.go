// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
)

// ErrShutdown is returned by Prepare once Shutdown was called.
var ErrShutdown = errors.New("the listeners are shut down")

// Config is what a Set needs; the zero value will do.
type Config struct {
	// Drain is how long a listener that is no longer wanted may finish what is
	// under way; default 5 minutes, enough for a firmware over a slow line.
	Drain time.Duration
	Log   *slog.Logger // nil: none
}

// Set is the running listeners. It changes in two steps: Prepare binds what is
// new without touching what runs, and the Change that it returns is then
// committed or aborted. All methods may be called by several goroutines.
type Set struct {
	log   *slog.Logger
	drain time.Duration

	turn   chan struct{} // holds a token while a Change is open
	failed chan error
	cut    context.Context // ends what removed listeners still have under way
	cutAll context.CancelFunc
	work   sync.WaitGroup // every Serve, and the drain of every removed listener

	mu      sync.Mutex
	running []*server // in the order of the last change
	leaving []*server // removed and not yet drained
	closed  bool      // nothing is added to work any more
}

// server is a listener with what it was wanted for.
type server struct {
	Listener
	name, addr string
	gen        uint64 // of the last change; the open Change has it
}

// New returns an empty Set, to be released by Shutdown.
func New(cfg Config) *Set {
	s := &Set{
		log:    cfg.Log,
		drain:  cmp.Or(cfg.Drain, 5*time.Minute),
		turn:   make(chan struct{}, 1),
		failed: make(chan error, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.cut, s.cutAll = context.WithCancel(context.Background())
	return s
}

// Failed delivers the error of a listener whose Serve ended by itself, with its
// name. That listener is not replaced: whoever receives should end the program.
// Only the first one not yet received is kept, any other is logged.
func (s *Set) Failed() <-chan error { return s.failed }

// Names are the running listeners in the order in which they were wanted.
func (s *Set) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, len(s.running))
	for i, r := range s.running {
		names[i] = r.name
	}
	return names
}

// Addr is the address at which the listener of that name runs.
func (s *Set) Addr(name string) (net.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.running, func(r *server) bool { return r.name == name })
	if i < 0 {
		return nil, false
	}
	return s.running[i].Addr(), true
}

// Shutdown stops all listeners at once, those already removed included. Each
// may finish what is under way until ctx ends; the error names those that were
// cut. When it returns, no goroutine of the Set or its listeners is left. A
// Change still open can then only be aborted. A second call waits as well, and
// returns nil.
func (s *Set) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	running := s.running
	s.running = nil
	s.mu.Unlock()

	defer s.cutAll()
	defer context.AfterFunc(ctx, s.cutAll)()
	errs := make([]error, len(running))
	var stopping sync.WaitGroup
	for i, r := range running {
		stopping.Go(func() { errs[i] = s.stop(ctx, r) })
	}
	stopping.Wait()
	s.work.Wait()
	return join(errs...)
}

// stop drains r until ctx ends.
func (s *Set) stop(ctx context.Context, r *server) error {
	start := time.Now()
	if err := r.Shutdown(ctx); err != nil {
		return fmt.Errorf("%s: stopping: %w", r.name, err)
	}
	s.log.Info("listener stopped", "listener", r.name, "took", time.Since(start))
	return nil
}

// replace makes next the running listeners: it serves the fresh and drains the
// removed. It does nothing and returns false after Shutdown.
func (s *Set) replace(next, fresh, removed []*server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running = next
	s.leaving = append(s.leaving, removed...)
	for _, r := range fresh {
		s.work.Go(func() { s.serve(r) })
	}
	for _, r := range removed {
		s.work.Go(func() { s.retire(r) })
	}
	return true
}

func (s *Set) serve(r *server) {
	err := r.Serve()
	if err == nil {
		return
	}
	select {
	case s.failed <- fmt.Errorf("%s: serving: %w", r.name, err):
	default:
		s.log.Error("listener failed", "listener", r.name, "err", err)
	}
}

// retire drains a listener that is no longer wanted.
func (s *Set) retire(r *server) {
	ctx, cancel := context.WithTimeout(s.cut, s.drain)
	defer cancel()
	if err := s.stop(ctx, r); err != nil {
		s.log.Warn("listener cut", "listener", r.name, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = slices.DeleteFunc(s.leaving, func(l *server) bool { return l == r })
}

// isLeaving says whether a listener that was removed had the port that err says
// is taken. Draining, it has it no longer, but for the moment until its socket
// is closed.
func (s *Set) isLeaving(err *BindError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.leaving, err.heldBy)
}

// join makes one error of those that are not nil.
func join(errs ...error) error {
	all := multierror.Append(nil, errs...)
	all.ErrorFormat = oneLine
	return all.ErrorOrNil()
}

// oneLine suits journald, where every line is a record.
func oneLine(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}
