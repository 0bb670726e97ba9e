// SPDX-License-Identifier: Apache-2.0

// Package listenertest checks that a listener keeps the promises of
// listeners.Listener, and holds a small one that does.
package listenertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cfgsrv/listeners"
)

// Subject is a listener under test, and how to keep it busy.
type Subject struct {
	listeners.Listener
	// Begin starts a request on a connection of its own and returns once the
	// listener works on it. The request stays under way until finish is called;
	// that returns nil only if the answer came whole, and leaves no goroutine. Nil if
	// no request of this listener can be held up: then nothing is checked that
	// needs one.
	Begin func() (finish func() error, err error)
}

// Run checks listeners made by factory, a fresh one for every case, bound to a
// port that the system chose. It looks for goroutines left over, so nothing
// else may run beside it: t and its parents must not be parallel.
func Run(t *testing.T, factory func(t *testing.T) Subject) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			s := factory(t)
			if c.busy && s.Begin == nil {
				t.Skip("no request of this listener can be held up")
			}
			if err := c.check(s); err != nil {
				t.Error(err)
			}
			release(t, s)
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

// release shuts s down once more, should a check have given up before.
func release(t *testing.T, s Subject) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown at the end: %v", err)
	}
}

// cases are the promises, each with the check that it is kept.
var cases = []struct {
	name  string
	busy  bool // needs Begin
	check func(Subject) error
}{
	{"shutdown without serve closes the socket", false, closesUnserved},
	{"serve after shutdown returns nil", false, servesNoMore},
	{"serve returns nil on shutdown", false, servesUntilShutdown},
	{"shutdown twice is harmless", false, shutsDownTwice},
	{"restart is harmless at any time", false, restartsAnyTime},
	{"restart lets what is under way finish", true, restartsBusy},
	{"shutdown drains", true, drains},
	{"shutdown cuts when its context ends", true, cuts},
}

const (
	patience = 10 * time.Second       // for what must happen
	haste    = 100 * time.Millisecond // in which a Shutdown that does not drain shows itself
)

func closesUnserved(s Subject) error {
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown: %w", err)
	}
	return bindAgain(s.Addr())
}

func servesNoMore(s Subject) error {
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown: %w", err)
	}
	return receive("Serve", serve(s))
}

func servesUntilShutdown(s Subject) error {
	served := serve(s)
	if err := request(s); err != nil {
		return err
	}
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown: %w", err)
	}
	if err := receive("Serve", served); err != nil {
		return err
	}
	return bindAgain(s.Addr())
}

func shutsDownTwice(s Subject) error {
	served := serve(s)
	var together sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		together.Go(func() { errs[i] = s.Shutdown(context.Background()) })
	}
	together.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("Shutdown, several at once: %w", err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown again: %w", err)
	}
	return receive("Serve", served)
}

func restartsAnyTime(s Subject) error {
	s.Restart()
	served := serve(s)
	if err := request(s); err != nil {
		return err
	}
	s.Restart()
	if err := request(s); err != nil {
		return fmt.Errorf("after Restart: %w", err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown: %w", err)
	}
	s.Restart()
	return receive("Serve", served)
}

func restartsBusy(s Subject) error {
	served := serve(s)
	finish, err := s.Begin()
	if err != nil {
		return fmt.Errorf("beginning a request: %w", err)
	}
	s.Restart()
	if err := request(s); err != nil {
		return errors.Join(fmt.Errorf("while an older request is under way: %w", err), finish())
	}
	if err := finish(); err != nil {
		return fmt.Errorf("the request under way during Restart: %w", err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		return fmt.Errorf("Shutdown: %w", err)
	}
	return receive("Serve", served)
}

func drains(s Subject) error {
	served := serve(s)
	finish, err := s.Begin()
	if err != nil {
		return fmt.Errorf("beginning a request: %w", err)
	}
	down := shutdown(s, context.Background())
	select {
	case err := <-down:
		return errors.Join(fmt.Errorf("Shutdown returned %v while a request was under way", err), finish())
	case <-time.After(haste):
	}
	if err := finish(); err != nil {
		return fmt.Errorf("the request under way during Shutdown: %w", err)
	}
	if err := receive("Shutdown", down); err != nil {
		return err
	}
	return receive("Serve", served)
}

func cuts(s Subject) error {
	served := serve(s)
	finish, err := s.Begin()
	if err != nil {
		return fmt.Errorf("beginning a request: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), haste)
	defer cancel()
	down := shutdown(s, ctx)
	select {
	case err = <-down:
	case <-time.After(patience):
		err = errors.New("nothing yet")
	}
	answer := finish()
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("Shutdown that had to cut a request returned %v, want an error that wraps ctx.Err()", err)
	}
	if answer == nil {
		return errors.New("Shutdown returned while a request was under way, and did not cut it")
	}
	return receive("Serve", served)
}

func serve(s Subject) <-chan error {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return served
}

func shutdown(s Subject, ctx context.Context) <-chan error {
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctx) }()
	return down
}

// receive waits for what the call has returned, which must be nil.
func receive(call string, result <-chan error) error {
	select {
	case err := <-result:
		if err != nil {
			return fmt.Errorf("%s returned %w, want nil", call, err)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s did not return", call)
	}
}

// request makes one whole request, if the subject can make any.
func request(s Subject) error {
	if s.Begin == nil {
		return nil
	}
	finish, err := s.Begin()
	if err != nil {
		return fmt.Errorf("beginning a request: %w", err)
	}
	if err := finish(); err != nil {
		return fmt.Errorf("a request: %w", err)
	}
	return nil
}

// bindAgain tells whether the address of a listener that was shut down is free.
func bindAgain(addr net.Addr) error {
	var (
		socket interface{ Close() error }
		err    error
	)
	switch addr.(type) {
	case *net.UDPAddr:
		socket, err = net.ListenPacket(addr.Network(), addr.String())
	default:
		socket, err = net.Listen(addr.Network(), addr.String())
	}
	if err != nil {
		return fmt.Errorf("the socket is still open after Shutdown: %w", err)
	}
	return socket.Close()
}
