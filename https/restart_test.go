// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// tally counts what the clients of a test went through.
type tally struct {
	answered atomic.Int64
	told     atomic.Int64 // answers that said Connection: close on a kept connection
	hungUp   atomic.Int64 // kept connections that ended before a byte of the answer
	failed   atomic.Int64
}

// caller is a client that asks again and again.
type caller struct {
	site   *site
	config *tls.Config // nil without TLS
	keep   bool        // connections
	tally  *tally
}

// call asks until stop is closed.
func (c *caller) call(stop <-chan struct{}) {
	var p *phone
	var reused bool
	defer func() {
		if p != nil {
			p.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if p == nil {
			var err error
			if p, err = newPhone(c.site.t, "127.0.0.1", c.site.Addr(), c.config); err != nil {
				c.fail("connecting", err)
				p = nil
				continue
			}
			reused = false
		}
		if !c.ask(p, reused) || !c.keep {
			p.Close()
			p = nil
		}
		reused = true
	}
}

// ask tells whether the connection may be used again.
func (c *caller) ask(p *phone, reused bool) bool {
	p.SetDeadline(time.Now().Add(within))
	_, err := io.WriteString(p, "GET /block.bin HTTP/1.1\r\nHost: x\r\n\r\n")
	if err == nil {
		_, err = p.r.Peek(1)
	}
	if err != nil {
		if reused && !isTimeout(err) {
			c.tally.hungUp.Add(1)
		}
		c.fail("asking", err)
		return false
	}
	got, err := p.readReply("GET")
	if err != nil || got.StatusCode != 200 || !isOfOneGeneration(got.body) {
		c.fail("reading "+got.Status, err)
		return false
	}
	c.tally.answered.Add(1)
	if got.Close {
		c.tally.told.Add(1)
	}
	return !got.Close
}

func (c *caller) fail(doing string, err error) {
	if c.tally.failed.Add(1) < 5 {
		c.site.t.Errorf("%s: %v", doing, err)
	}
}

// blockOf is a file that says in every place of which generation it is.
func blockOf(gen uint64) string { return strings.Repeat(fmt.Sprintf("%07d\n", gen), 12<<10/8) }

func isOfOneGeneration(body string) bool {
	return len(body) == 12<<10 && strings.Count(body, body[:8]) == 12<<10/8
}

// A kept connection may end without an answer only if the server ended it idle
// while the request was on its way; a client that pauses for less than
// times.grace never sees that, and this test allows none.
func TestRestartUnderLoadLosesNothing(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) { restartUnderLoad(t, mode == "https") })
	}
}

func restartUnderLoad(t *testing.T, secure bool) {
	generation := func(n uint64) Generation {
		g := Generation{Number: n, Files: files{"block.bin": blockOf(n)}}
		if secure {
			g.TLS = serverTLS(t, int64(n))
		}
		return g
	}
	limits := usualTimes
	limits.grace = within // however slow this machine is
	s := startAt(t, "127.0.0.1:0", generation(1), limits)
	var counts tally
	var callers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 48 {
		c := &caller{site: s, keep: i < 32, tally: &counts}
		if secure {
			c.config = clientTLS()
		}
		callers.Go(func() { c.call(stop) })
	}
	for n := uint64(2); n < 22; n++ {
		before := counts.answered.Load()
		waitFor(t, "answers", func() bool { return counts.answered.Load() > before+60 })
		s.publish(generation(n))
		s.Restart()
		checkGeneration(t, s, n, secure)
	}
	close(stop)
	callers.Wait()
	t.Logf("%d answered, %d of them with Connection: close on a kept one; %d failed, %d of them on a reused connection",
		counts.answered.Load(), counts.told.Load(), counts.failed.Load(), counts.hungUp.Load())
	if counts.failed.Load() > 0 {
		t.Errorf("%d requests failed", counts.failed.Load())
	}
	if counts.told.Load() < 32 {
		t.Error("the restarts ended no kept connection")
	}
}

// checkGeneration asks for everything anew.
func checkGeneration(t *testing.T, s *site, n uint64, secure bool) {
	t.Helper()
	var config *tls.Config
	if secure {
		config = clientTLS()
	}
	p, err := newPhone(t, "127.0.0.1", s.Addr(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if secure {
		if got := p.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Uint64(); got != n {
			t.Errorf("certificate of generation %d, want %d", got, n)
		}
	}
	if got := p.get("/block.bin"); got.body != blockOf(n) || got.Close {
		t.Errorf("answer of generation %.7s, close %t, want %d", got.body, got.Close, n)
	}
}

func TestRestartEndsIdleConnections(t *testing.T) {
	limits := usualTimes
	limits.grace, limits.lastLook = 100*time.Millisecond, 10*time.Millisecond
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			gen := Generation{Number: 1, Files: served}
			var config *tls.Config
			if mode == "https" {
				gen.TLS, config = serverTLS(t, 1), clientTLS()
			}
			s := startAt(t, "127.0.0.1:0", gen, limits)
			kept, silent, quick := s.dial(config), s.dial(config), s.dial(config)
			kept.get("/ringlist.xml")
			quick.get("/ringlist.xml")
			waitFor(t, "two to be idle", func() bool { return s.conns.count(idle) == 2 })
			s.Restart()
			if got := quick.get("/ringlist.xml"); got.StatusCode != 200 || !got.Close || !quick.isEnded() {
				t.Errorf("right after the restart: %s, close %t", got.Status, got.Close)
			}
			if !kept.isEnded() {
				t.Error("the idle connection goes on")
			}
			if got := silent.get("/ringlist.xml"); got.StatusCode != 200 || !got.Close || !silent.isEnded() {
				t.Errorf("who had not asked yet: %s, close %t", got.Status, got.Close)
			}
			if got := s.dial(config).get("/ringlist.xml"); got.Close {
				t.Error("a new connection is closed after its first answer")
			}
		})
	}
}

func TestRestartLetsAnAnswerFinish(t *testing.T) {
	limits := usualTimes
	limits.grace, limits.lastLook = 50*time.Millisecond, 10*time.Millisecond
	large := strings.Repeat("x", 16<<20)
	s := startAt(t, "127.0.0.1:0", Generation{Number: 1, Files: files{"large": large}}, limits)
	phone := s.dial(nil)
	phone.send("GET", "/large")
	if _, err := phone.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	s.publish(Generation{Number: 2, Files: files{}})
	s.Restart()
	if got := phone.reply("GET"); got.body != large {
		t.Errorf("got %d bytes", len(got.body))
	}
	if r := s.record(); r.Gen != 1 || r.Outcome != configfiles.Served || r.Bytes != 16<<20 {
		t.Errorf("record %+v", r)
	}
	if !phone.isEnded() {
		t.Error("the connection goes on")
	}
}

func TestRequestAtTheEndOfIdleTimeIsAnswered(t *testing.T) {
	// An idle time that is over as soon as it begins leaves only the last look.
	limits := usualTimes
	limits.idle, limits.lastLook = time.Nanosecond, 5*time.Second
	s := startAt(t, "127.0.0.1:0", Generation{Files: served}, limits)
	phone := s.dial(nil)
	for range 3 {
		if got := phone.get("/block.bin"); got.StatusCode != 200 {
			t.Errorf("got %s", got.Status)
		}
	}
}

func TestTicketsEndWithTheirGeneration(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s := start(t, Generation{Number: 1, Files: served, TLS: serverTLS(t, 1)})
			config := clientTLS(func(c *tls.Config) {
				c.MaxVersion = version
				c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
			})
			resumed := func() bool {
				t.Helper()
				phone := s.dial(config)
				phone.get("/ringlist.xml") // the ticket comes with the answer
				state := phone.Conn.(*tls.Conn).ConnectionState()
				if r := s.record(); (r.TLS.Cert == "resumed") != state.DidResume {
					t.Errorf("record says %q, client resumed: %t", r.TLS.Cert, state.DidResume)
				}
				return state.DidResume
			}
			if resumed() {
				t.Error("resumed what had not begun")
			}
			if !resumed() {
				t.Error("did not resume")
			}
			s.publish(Generation{Number: 2, Files: served, TLS: serverTLS(t, 2)})
			s.Restart()
			if resumed() {
				t.Error("resumed a session of an older generation")
			}
			if !resumed() {
				t.Error("did not resume in the new generation")
			}
		})
	}
}

func TestGenerationIsTakenOncePerRequest(t *testing.T) {
	second := Generation{Number: 2, Files: files{}}
	started := make(chan *site, 1)
	s := start(t, Generation{Number: 1, Files: source(func(context.Context, configfiles.Request) (*configfiles.File, error) {
		(<-started).publish(second)
		return nil, errors.New("of the first")
	})})
	started <- s
	s.dial(nil).get("/x")
	if r := s.record(); r.Gen != 1 {
		t.Errorf("record of generation %d", r.Gen)
	}
}
