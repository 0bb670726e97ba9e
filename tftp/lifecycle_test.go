// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// under returns ctx with a deadline in d.
func under(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func (s *server) shutdown(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := s.Shutdown(under(t, d)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	return time.Since(begun)
}

// nothingLeft checks that a server that has gone holds nothing.
func nothingLeft(t *testing.T, goroutines, fds int) {
	t.Helper()
	waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines && descriptors(t) <= fds })
}

func TestShutdownBeforeServe(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	s := newServer(t, "127.0.0.1:0", Generation{Files: files{}})
	s.shutdown(t, within)
	nothingLeft(t, goroutines, fds)
	if err := s.Serve(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	nothingLeft(t, goroutines, fds)
}

func TestShutdownAtTheStartOfServe(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	for range 200 {
		s := newServer(t, "127.0.0.1:0", Generation{Files: files{}})
		go func() { s.served <- s.Serve() }()
		s.shutdown(t, within)
		if err := <-s.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	nothingLeft(t, goroutines, fds)
}

func TestShutdownTwice(t *testing.T) {
	s := startLocal(t, files{"file": "x"})
	s.get(t, "file")
	first := make(chan time.Duration)
	go func() { first <- s.shutdown(t, within) }()
	s.shutdown(t, within)
	<-first
	s.shutdown(t, within)
}

func TestShutdownLetsTransfersFinish(t *testing.T) {
	want := text(5000, 1)
	s := startLocal(t, files{"file": want})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	data, tid := p.data(1)
	done := make(chan time.Duration)
	go func() { done <- s.shutdown(t, within) }()
	// The socket is closed once its port can be had again.
	waitFor(t, func() bool {
		again, err := New(Config{Addr: s.addr})
		if err == nil {
			_ = again.Shutdown(t.Context())
		}
		return err == nil
	})
	select {
	case <-done:
		t.Fatal("Shutdown did not wait for the transfer")
	default:
	}
	p.send(tid, ackPacket(1))
	if got := data + p.fetch(2, plainBlockSize); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	<-done
	if r := s.record(t); r.Outcome != configfiles.Served {
		t.Errorf("record %+v", r)
	}
}

func TestShutdownCutsAtTheDeadline(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	s := newServer(t, "127.0.0.1:0", Generation{Files: files{"file": text(5000, 1)}})
	go func() { s.served <- s.Serve() }()
	phones := []*phone{}
	for range 20 {
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask("file")
		p.data(1)
		phones = append(phones, p)
	}
	took := s.shutdown(t, 100*time.Millisecond)
	if took < 100*time.Millisecond || took > time.Second {
		t.Errorf("cut after %s", took)
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	for _, p := range phones {
		if got := *p.refusal(); got.Message != reasonShutdown {
			t.Errorf("the client heard %+v", got)
		}
		if r := s.record(t); r.Outcome != configfiles.Aborted || r.Reason != reasonShutdown {
			t.Errorf("record %+v", r)
		}
		p.conn.Close()
	}
	nothingLeft(t, goroutines, fds)
}

func TestShutdownCutsASlowSource(t *testing.T) {
	opened := make(chan struct{})
	s := startLocal(t, sourceFunc(func(ctx context.Context, _ configfiles.Request) (*configfiles.File, error) {
		close(opened)
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	<-opened
	if took := s.shutdown(t, 50*time.Millisecond); took > time.Second {
		t.Errorf("cut after %s", took)
	}
	if r := s.record(t); r.Outcome != configfiles.Aborted || r.Reason != reasonShutdown {
		t.Errorf("record %+v", r)
	}
}

func TestShutdownUnderLoadLosesNoTransferThatBegan(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	want := text(20_000, 1)
	for range 10 {
		s := newServer(t, "127.0.0.1:0", Generation{Files: files{"file": want}})
		go func() { s.served <- s.Serve() }()
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan string, 8)
		for range cap(results) {
			go func() { results <- getUntilGone(ctx, s.addr) }()
		}
		for range 4 {
			s.record(t)
		}
		s.shutdown(t, within)
		cancel()
		for range cap(results) {
			if fault := <-results; fault != "" {
				t.Error(fault)
			}
		}
		close(s.records)
		for r := range s.records {
			if r.Outcome != configfiles.Served && r.Reason != reasonGivenUp {
				t.Errorf("record %+v", r)
			}
		}
		if err := <-s.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	nothingLeft(t, goroutines, fds)
}

// getUntilGone asks again and again until nobody answers. It returns what went
// wrong with a transfer that had begun.
func getUntilGone(ctx context.Context, addr string) string {
	for {
		var b strings.Builder
		n, err := Get(ctx, addr, "file", &b)
		switch {
		case err != nil && n > 0:
			return err.Error()
		case err != nil:
			return ""
		}
	}
}
