// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/configfiles"
	"cfgsrv/listeners"
	"cfgsrv/listeners/listenertest"
)

var _ listeners.Listener = (*Server)(nil)

func TestListener(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			listenertest.Run(t, func(t *testing.T) listenertest.Subject { return subject(t, mode) })
		})
	}
}

// subject is a server whose requests are held up by their source.
func subject(t *testing.T, mode string) listenertest.Subject {
	type hold struct{ begun, end chan bool }
	var holds sync.Map // by name
	gen := Generation{Files: source(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
		h, _ := holds.Load(req.Name.Asked)
		close(h.(hold).begun)
		select {
		case <-h.(hold).end:
			return files{req.Name.Asked: content(100)}.Open(ctx, req)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})}
	config := clientTLS()
	if mode == "http" {
		config = nil
	} else {
		gen.TLS = serverTLS(t, 1)
	}
	s := newSite(t, "127.0.0.1:0", gen, usualTimes)
	begin := func() (func() error, error) {
		p, err := newPhone(t, "127.0.0.1", s.Addr(), config)
		if err != nil {
			return nil, err
		}
		h, name := hold{make(chan bool), make(chan bool)}, p.LocalAddr().String()
		holds.Store(name, h)
		p.send("GET", "/"+name)
		<-h.begun
		return func() error {
			defer p.Close()
			close(h.end)
			_, err := p.readReply("GET")
			return err
		}, nil
	}
	return listenertest.Subject{Listener: s, Begin: begin}
}

func TestShutdownEndsWhoHasNoRequest(t *testing.T) {
	s := newSite(t, "127.0.0.1:0", Generation{Files: served, TLS: serverTLS(t, 1)}, usualTimes)
	go func() { s.served <- s.Serve() }()
	silent, kept := s.dial(nil), s.dial(clientTLS())
	kept.get("/ringlist.xml")
	late := s.dial(clientTLS())
	waitFor(t, "all to be in", func() bool { return s.conns.count(waiting) == 2 && s.conns.count(idle) == 1 })
	down := make(chan bool)
	go func() { s.shutdown(); close(down) }()
	waitFor(t, "the end to begin", s.conns.isClosing)
	if got := late.get("/ringlist.xml"); got.StatusCode != 200 || !got.Close {
		t.Errorf("who was connected got %s, close %t", got.Status, got.Close)
	}
	if !kept.isEnded() {
		t.Error("the idle connection goes on")
	}
	if !silent.isEnded() {
		t.Error("the silent connection goes on")
	}
	<-down
	if err := <-s.served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestShutdownTellsHowManyItCut(t *testing.T) {
	s := newSite(t, "127.0.0.1:0", Generation{Files: files{"large": strings.Repeat("x", 32<<20)}}, usualTimes)
	go func() { s.served <- s.Serve() }()
	for range 3 {
		p := s.dial(nil)
		p.send("GET", "/large")
		if _, err := p.r.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all to be served", func() bool { return s.conns.count(serving) == 3 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := s.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "cutting 3 requests: context deadline exceeded" {
		t.Errorf("Shutdown returned %v", err)
	}
	for range 3 {
		if r := s.record(); r.Outcome != configfiles.Aborted || r.Bytes == 0 || r.Bytes >= 32<<20 {
			t.Errorf("record %+v", r)
		}
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestNoDescriptorIsLeft(t *testing.T) {
	before := descriptors(t)
	s := newSite(t, "127.0.0.1:0", Generation{Files: served, TLS: serverTLS(t, 1)}, usualTimes)
	go func() { s.served <- s.Serve() }()
	for range 20 {
		phone := s.dial(clientTLS())
		phone.get("/ringlist.xml")
		phone.Close()
		half := s.dial(nil)
		half.Write([]byte{22, 3, 1})
		half.Close()
	}
	s.shutdown()
	<-s.served
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of descriptors: %v", err)
	}
	return len(entries)
}

func TestPortInUse(t *testing.T) {
	s := start(t, Generation{})
	if _, err := New(Config{Addr: s.Addr().String()}); err == nil {
		t.Error("two servers are bound to one port")
	}
}

func TestConfigWithoutLogAndRecord(t *testing.T) {
	s, err := New(Config{Addr: "127.0.0.1:0", Generation: func() Generation { return Generation{Files: served} }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	phone, err := newPhone(t, "127.0.0.1", s.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := phone.get("/ringlist.xml"); got.StatusCode != 200 {
		t.Errorf("got %s", got.Status)
	}
	phone.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
