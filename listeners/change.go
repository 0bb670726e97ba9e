// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Wanted is one listener that should run.
type Wanted struct {
	Name string
	// Addr is the address as configured. A listener that runs is kept while its
	// Addr stays the same; a change of it means a new socket.
	Addr string
	// Listen makes the listener, if it does not run yet.
	Listen func() (Listener, error)
}

// Change is the step from the running listeners to the wanted ones. It must be
// ended by Commit or Abort, from one goroutine; what comes after that does
// nothing, so Abort may be deferred.
type Change struct {
	set     *Set
	next    []*server // all that run afterwards: kept and fresh, as wanted
	fresh   []*server // bound, not yet served
	removed []*server
	ended   bool
}

// Prepare binds the wanted listeners that do not run, and touches none that
// does. It tries all of them: the error names every fault, each a *BindError,
// and then nothing stays bound. While another Change is open Prepare waits for
// it, at most until ctx ends.
func (s *Set) Prepare(ctx context.Context, wanted []Wanted) (*Change, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for another change of the listeners: %w", ctx.Err())
	}
	c := &Change{set: s}
	if err := c.bind(ctx, wanted); err != nil {
		c.Abort()
		return nil, err
	}
	return c, nil
}

// bind sorts the wanted listeners into kept and fresh ones, and what runs into
// kept and removed ones.
func (c *Change) bind(ctx context.Context, wanted []Wanted) error {
	c.set.mu.Lock()
	running, closed := c.set.running, c.set.closed
	c.set.mu.Unlock()
	if closed {
		return ErrShutdown
	}
	var faults []error
	for _, w := range wanted {
		if err := c.add(ctx, w, running); err != nil {
			faults = append(faults, err)
		}
	}
	for _, r := range running {
		if !slices.Contains(c.next, r) {
			c.removed = append(c.removed, r)
		}
	}
	for _, err := range faults {
		c.findHolder(err)
	}
	return join(faults...)
}

// add takes over the listener that w stands for if it is among the running
// ones, and else makes it.
func (c *Change) add(ctx context.Context, w Wanted, running []*server) error {
	if slices.ContainsFunc(c.next, func(r *server) bool { return r.name == w.Name }) {
		return &BindError{Listener: w.Name, Addr: w.Addr, Err: errors.New("two listeners of one name are wanted")}
	}
	i := slices.IndexFunc(running, func(r *server) bool { return r.name == w.Name && r.addr == w.Addr })
	if i >= 0 {
		c.next = append(c.next, running[i])
		return nil
	}
	l, err := c.listen(ctx, w)
	if err != nil {
		return err
	}
	r := &server{Listener: l, name: w.Name, addr: w.Addr}
	c.next = append(c.next, r)
	c.fresh = append(c.fresh, r)
	return nil
}

// closing is how long a removed listener may take to close its socket, which
// each does before it drains.
const closing = 2 * time.Second

// listen makes a listener. It waits for the port while that is about to be given
// up by a listener of ours: who stops one and starts it again at once must not
// fail.
func (c *Change) listen(ctx context.Context, w Wanted) (Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	for {
		l, err := w.Listen()
		if err == nil {
			return l, nil
		}
		fault := &BindError{Listener: w.Name, Addr: w.Addr, Err: err}
		if !errors.Is(err, syscall.EADDRINUSE) || !c.set.isLeaving(fault) {
			return nil, fault
		}
		select {
		case <-ctx.Done():
			return nil, fault
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// findHolder notes in the error of a taken port which of our own listeners has
// it, or which other program.
func (c *Change) findHolder(err error) {
	var e *BindError
	if !errors.As(err, &e) || !errors.Is(err, syscall.EADDRINUSE) {
		return
	}
	if i := slices.IndexFunc(c.next, e.heldBy); i >= 0 {
		e.Holder = c.next[i].name
	} else if i := slices.IndexFunc(c.removed, e.heldBy); i >= 0 {
		e.Holder, e.Leaving = c.removed[i].name, true
	} else if network := e.network(); network != "" {
		e.Program = programAt(network, e.Addr)
	}
}

// Commit makes the wanted listeners the running ones, as generation gen: it
// serves the new, restarts the kept unless they are in that generation already,
// and drains the removed in the background. The caller has put the generation
// in place before. After Shutdown it is Abort.
func (c *Change) Commit(gen uint64) {
	if c.ended {
		return
	}
	if !c.set.replace(c.next, c.fresh, c.removed) {
		c.Abort()
		return
	}
	for _, r := range c.next {
		switch {
		case slices.Contains(c.fresh, r):
			c.set.log.Info("listener started", "listener", r.name, "addr", r.Addr().String(), "gen", gen)
		case r.gen != gen:
			r.Restart()
			c.set.log.Info("listener restarted", "listener", r.name, "gen", gen)
		}
		r.gen = gen
	}
	c.end()
}

// Abort closes what Prepare has bound. What ran goes on as if nothing had been.
func (c *Change) Abort() {
	if c.ended {
		return
	}
	for _, r := range c.fresh {
		// Never served, so nothing is under way that it could wait for.
		if err := r.Shutdown(context.Background()); err != nil {
			c.set.log.Warn("listener not closed", "listener", r.name, "err", err)
		}
	}
	c.end()
}

func (c *Change) end() {
	c.ended = true
	<-c.set.turn
}
