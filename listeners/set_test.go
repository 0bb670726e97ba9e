// SPDX-License-Identifier: Apache-2.0

package listeners_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-multierror"
	"go.uber.org/goleak"

	"cfgsrv/listeners"
	"cfgsrv/listeners/listenertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBook keeps what is logged, without the facts that differ from run to run.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, slog.LevelKey, "took", "addr":
			return slog.Attr{}
		}
		return a
	}}))
}

func (b *logBook) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSpace(b.buf.String()), "\n")
}

// newSet returns a Set that is shut down at the end of the test.
func newSet(t *testing.T) (*listeners.Set, *logBook) {
	t.Helper()
	book := new(logBook)
	s := listeners.New(listeners.Config{Log: book.logger()})
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return s, book
}

// tcp is a wanted listener of that name. A port of 0 in addr is chosen by the
// system.
func tcp(name, addr string) listeners.Wanted {
	return listeners.Wanted{Name: name, Addr: addr, Listen: func() (listeners.Listener, error) {
		return listenertest.NewTCP(addr)
	}}
}

const anyPort = "127.0.0.1:0"

func prepare(t *testing.T, s *listeners.Set, wanted ...listeners.Wanted) *listeners.Change {
	t.Helper()
	c, err := s.Prepare(t.Context(), wanted)
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	return c
}

func addrOf(t *testing.T, s *listeners.Set, name string) net.Addr {
	t.Helper()
	addr, ok := s.Addr(name)
	if !ok {
		t.Fatalf("no address of %s", name)
	}
	return addr
}

func begin(t *testing.T, addr net.Addr) *listenertest.Request {
	t.Helper()
	r, err := listenertest.Begin(addr)
	if err != nil {
		t.Fatalf("beginning a request: %v", err)
	}
	return r
}

// wantGeneration lets r end and checks which generation has answered it.
func wantGeneration(t *testing.T, r *listenertest.Request, want uint64) {
	t.Helper()
	got, err := r.Finish()
	if err != nil {
		t.Fatalf("finishing a request: %v", err)
	}
	if got != want {
		t.Errorf("answered by generation %d, want %d", got, want)
	}
}

// waitClosed waits until nobody listens at addr any more.
func waitClosed(t *testing.T, addr net.Addr) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		l, err := net.Listen("tcp", addr.String())
		if err == nil {
			l.Close()
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("%s is still open", addr)
}

func wantNames(t *testing.T, s *listeners.Set, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.Names()); diff != "" {
		t.Errorf("running: %s", diff)
	}
}

func TestRestartKeepsSocketsAndWhatIsUnderWay(t *testing.T) {
	s, book := newSet(t)
	wanted := []listeners.Wanted{tcp("http", anyPort), tcp("phones", anyPort)}
	prepare(t, s, wanted...).Commit(1)
	wantNames(t, s, "http", "phones")
	addr := addrOf(t, s, "phones")
	old := begin(t, addr)

	c := prepare(t, s, wanted...)
	wantGeneration(t, begin(t, addr), 1) // Prepare touches nothing
	c.Commit(2)
	if got := addrOf(t, s, "phones"); got.String() != addr.String() {
		t.Errorf("phones moved from %s to %s", addr, got)
	}
	wantGeneration(t, begin(t, addr), 2)
	wantGeneration(t, old, 1)

	want := []string{
		`msg="listener started" listener=http gen=1`,
		`msg="listener started" listener=phones gen=1`,
		`msg="listener restarted" listener=http gen=2`,
		`msg="listener restarted" listener=phones gen=2`,
	}
	if diff := cmp.Diff(want, book.lines()); diff != "" {
		t.Error(diff)
	}
}

func TestChangeWithinAGenerationRestartsNothing(t *testing.T) {
	s, book := newSet(t)
	prepare(t, s, tcp("http", anyPort), tcp("phones", anyPort)).Commit(1)
	prepare(t, s, tcp("http", anyPort)).Commit(1)                         // one stopped
	prepare(t, s, tcp("http", anyPort), tcp("phones", anyPort)).Commit(1) // and started
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 1)
	prepare(t, s, tcp("http", anyPort), tcp("phones", anyPort)).Commit(2)
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 2)

	want := []string{
		`msg="listener started" listener=http gen=1`,
		`msg="listener started" listener=phones gen=1`,
		`msg="listener started" listener=phones gen=1`,
		`msg="listener restarted" listener=http gen=2`,
		`msg="listener restarted" listener=phones gen=2`,
	}
	got := slices.DeleteFunc(book.lines(), func(l string) bool { return strings.Contains(l, "listener stopped") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// lingering keeps its socket a moment longer than it takes to begin the end.
type lingering struct {
	*listenertest.TCP
	leave chan struct{}
}

func (l lingering) Shutdown(ctx context.Context) error {
	<-l.leave
	return l.TCP.Shutdown(ctx)
}

func TestStartWaitsForTheSocketOfTheOneThatLeaves(t *testing.T) {
	s, _ := newSet(t)
	inner, err := listenertest.NewTCP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	old := lingering{inner, make(chan struct{})}
	prepare(t, s, listeners.Wanted{Name: "http", Listen: func() (listeners.Listener, error) { return old, nil }}).Commit(1)
	prepare(t, s).Commit(1)

	again := tcp("http", inner.Addr().String())
	var tries int
	listen := again.Listen
	again.Listen = func() (listeners.Listener, error) {
		if tries++; tries == 2 { // the first has failed
			close(old.leave)
		}
		return listen()
	}
	prepare(t, s, again).Commit(1)
	if tries < 2 {
		t.Errorf("bound at the first try")
	}
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 1)
}

func TestFailedPrepareChangesNothing(t *testing.T) {
	s, _ := newSet(t)
	prepare(t, s, tcp("http", anyPort)).Commit(1)
	other, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var bound net.Addr
	good := listeners.Wanted{Name: "tvs", Addr: anyPort, Listen: func() (listeners.Listener, error) {
		l, err := listenertest.NewTCP(anyPort)
		bound = l.Addr()
		return l, err
	}}

	_, err = s.Prepare(t.Context(), []listeners.Wanted{
		tcp("http", anyPort), tcp("phones", other.Addr().String()), good, tcp("jabber", "nonsense"),
	})
	var all *multierror.Error
	if !errors.As(err, &all) || len(all.Errors) != 2 {
		t.Fatalf("Prepare returned %v, want the faults of phones and jabber", err)
	}
	for i, name := range []string{"phones", "jabber"} {
		var fault *listeners.BindError
		if !errors.As(all.Errors[i], &fault) || fault.Listener != name {
			t.Errorf("fault %d is %v, want a BindError of %s", i, all.Errors[i], name)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %q", err)
	}
	waitClosed(t, bound)
	wantNames(t, s, "http")
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 1)
}

func TestAbortClosesWhatPrepareBound(t *testing.T) {
	s, _ := newSet(t)
	prepare(t, s, tcp("http", anyPort)).Commit(1)
	fresh, err := listenertest.NewTCP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, s, listeners.Wanted{Name: "tvs", Listen: func() (listeners.Listener, error) { return fresh, nil }})
	c.Abort()
	waitClosed(t, fresh.Addr())
	c.Commit(2)
	c.Abort()
	wantNames(t, s, "http")
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 1)
}

func TestRemovedListenerDrains(t *testing.T) {
	s, book := newSet(t)
	prepare(t, s, tcp("http", anyPort), tcp("tvs", anyPort)).Commit(1)
	addr := addrOf(t, s, "tvs")
	r := begin(t, addr)
	prepare(t, s, tcp("http", anyPort)).Commit(2)
	wantNames(t, s, "http")
	waitClosed(t, addr)
	wantGeneration(t, r, 1)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if want := `msg="listener stopped" listener=tvs`; !slices.Contains(book.lines(), want) {
		t.Errorf("want %s logged, got\n%s", want, strings.Join(book.lines(), "\n"))
	}
}

func TestNewAddressIsANewSocket(t *testing.T) {
	s, _ := newSet(t)
	prepare(t, s, tcp("http", anyPort)).Commit(1)
	addr := addrOf(t, s, "http")
	old := begin(t, addr)
	prepare(t, s, tcp("http", "localhost:0")).Commit(2)
	waitClosed(t, addr)
	wantGeneration(t, old, 1)
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 1) // the first of the new listener
}

// failing is a listener whose socket fails when told so.
type failing struct {
	listeners.Listener
	fail chan error
}

func (f failing) Serve() error { return <-f.fail }

func TestFailedServeIsReported(t *testing.T) {
	s, book := newSet(t)
	fail := make(chan error)
	broken := func(name string) listeners.Wanted {
		return listeners.Wanted{Name: name, Listen: func() (listeners.Listener, error) {
			l, err := listenertest.NewTCP(anyPort)
			return failing{l, fail}, err
		}}
	}
	prepare(t, s, broken("http")).Commit(1)
	errSocket := errors.New("the socket broke")
	fail <- errSocket
	err := <-s.Failed()
	if !errors.Is(err, errSocket) || !strings.HasPrefix(err.Error(), "http: ") {
		t.Errorf("Failed delivered %v, want %v with the name of the listener", err, errSocket)
	}

	prepare(t, s, broken("a"), broken("b")).Commit(2)
	fail <- errSocket
	fail <- errSocket // one of the two finds no room in Failed
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-s.Failed()
	if log := strings.Join(book.lines(), "\n"); strings.Count(log, `msg="listener failed"`) != 1 {
		t.Errorf("want one failure logged, got\n%s", log)
	}
}

func TestShutdownDrainsAllAtOnce(t *testing.T) {
	s, _ := newSet(t)
	prepare(t, s, tcp("http", anyPort), tcp("phones", anyPort)).Commit(1)
	addrs := []net.Addr{addrOf(t, s, "http"), addrOf(t, s, "phones")}
	requests := []*listenertest.Request{begin(t, addrs[0]), begin(t, addrs[1])}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	for _, addr := range addrs {
		waitClosed(t, addr)
	}
	for _, r := range requests {
		wantGeneration(t, r, 1)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown again: %v", err)
	}
	wantNames(t, s)
	if _, ok := s.Addr("http"); ok {
		t.Error("http still has an address")
	}
}

func TestShutdownCutsWhenItsContextEnds(t *testing.T) {
	s, book := newSet(t)
	prepare(t, s, tcp("http", anyPort), tcp("removed", anyPort), tcp("idle", anyPort)).Commit(1)
	busy := begin(t, addrOf(t, s, "http"))
	removed := begin(t, addrOf(t, s, "removed"))
	prepare(t, s, tcp("http", anyPort), tcp("idle", anyPort)).Commit(2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Shutdown(ctx)
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "http: ") {
		t.Errorf("Shutdown returned %v, want the cut of http", err)
	}
	for name, r := range map[string]*listenertest.Request{"http": busy, "removed": removed} {
		if _, err := r.Finish(); err == nil {
			t.Errorf("the request to %s was not cut", name)
		}
	}
	if log := strings.Join(book.lines(), "\n"); !strings.Contains(log, `msg="listener cut" listener=removed`) {
		t.Errorf("the cut of the removed listener is not logged:\n%s", log)
	}
}

func TestAfterShutdownNothingStarts(t *testing.T) {
	s, _ := newSet(t)
	fresh, err := listenertest.NewTCP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, s, listeners.Wanted{Name: "http", Listen: func() (listeners.Listener, error) { return fresh, nil }})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	c.Commit(1)
	waitClosed(t, fresh.Addr())
	wantNames(t, s)
	if _, err := s.Prepare(t.Context(), nil); !errors.Is(err, listeners.ErrShutdown) {
		t.Errorf("Prepare after Shutdown returned %v, want ErrShutdown", err)
	}
}

func TestOneChangeAtATime(t *testing.T) {
	s, _ := newSet(t)
	first := prepare(t, s, tcp("http", anyPort))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Prepare(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare while a change is open returned %v, want context.Canceled", err)
	}
	second := make(chan error, 1)
	go func() {
		c, err := s.Prepare(context.Background(), []listeners.Wanted{tcp("http", anyPort)})
		if err == nil {
			c.Commit(2)
		}
		second <- err
	}()
	first.Commit(1)
	if err := <-second; err != nil {
		t.Errorf("Prepare after the change: %v", err)
	}
	wantGeneration(t, begin(t, addrOf(t, s, "http")), 2)
}

// endless is a listener whose request never ends by itself.
type endless struct{ stopped chan struct{} }

func (e endless) Addr() net.Addr { return &net.TCPAddr{Port: 6970} }
func (e endless) Restart()       {}
func (e endless) Serve() error {
	<-e.stopped
	return nil
}

func (e endless) Shutdown(ctx context.Context) error {
	<-ctx.Done()
	close(e.stopped)
	return ctx.Err()
}

func TestRemovedListenerIsCutAfterDrain(t *testing.T) {
	for _, tt := range []struct {
		name        string
		drain, want time.Duration
	}{
		{"default", 0, 5 * time.Minute},
		{"as configured", time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := listeners.New(listeners.Config{Drain: tt.drain})
				l := endless{make(chan struct{})}
				prepare(t, s, listeners.Wanted{Name: "tftp", Listen: func() (listeners.Listener, error) { return l, nil }}).Commit(1)
				start := time.Now()
				prepare(t, s).Commit(2)
				<-l.stopped
				if got := time.Since(start); got != tt.want {
					t.Errorf("cut after %s, want %s", got, tt.want)
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		})
	}
}
