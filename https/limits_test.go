// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// impatient has short limits where a test would wait for long ones.
func impatient() times {
	t := usualTimes
	t.patience = 20 * time.Millisecond
	return t
}

// held is a source that holds requests up for names that begin with "held".
func held(release <-chan struct{}) configfiles.Source {
	return source(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
		if strings.HasPrefix(req.Name.Asked, "held") {
			<-release
		}
		return files{req.Name.Asked: "<r/>"}.Open(ctx, req)
	})
}

func TestBusy(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		for _, limit := range []string{"in all", "per address"} {
			t.Run(mode+" "+limit, func(t *testing.T) {
				release := make(chan struct{})
				gen := Generation{Number: 1, Files: held(release)}
				if limit == "in all" {
					gen.MaxConnections = 2
				} else {
					gen.MaxPerAddress = 2
				}
				var config *tls.Config
				if mode == "https" {
					gen.TLS, config = serverTLS(t, 1), clientTLS()
				}
				s := start(t, gen)
				at := []*phone{s.dial(config), s.dial(config)}
				for _, p := range at {
					p.send("GET", "/held")
				}
				waitFor(t, "both to be served", func() bool { return s.conns.count(serving) == 2 })

				late := s.dial(config)
				got := late.get("/ringlist.xml")
				if got.StatusCode != 503 || got.body != busy+"\n" || !got.Close || got.Header.Get("Retry-After") != "5" || !late.isEnded() {
					t.Errorf("got %s %q, close %t", got.Status, got.body, got.Close)
				}
				if r := s.record(); r.Outcome != configfiles.Busy || r.Reason != busy || r.File != "ringlist.xml" || (r.TLS != nil) != (config != nil) {
					t.Errorf("record %+v", r)
				}
				if limit == "per address" {
					if got := s.dialFrom("127.0.0.2", config).get("/ringlist.xml"); got.StatusCode != 200 {
						t.Errorf("another address got %s", got.Status)
					}
				}
				close(release)
				for _, p := range at {
					if got := p.reply("GET"); got.StatusCode != 200 {
						t.Errorf("who was served got %s", got.Status)
					}
				}
				// Both are idle now, and one gives way.
				waitFor(t, "both to be idle", func() bool { return s.conns.count(idle) >= 2 })
				if got := s.dial(config).get("/ringlist.xml"); got.StatusCode != 200 {
					t.Errorf("afterwards: %s", got.Status)
				}
			})
		}
	}
}

func TestWhoGivesWay(t *testing.T) {
	limits := impatient()
	s := startAt(t, "127.0.0.1:0", Generation{Files: served, MaxPerAddress: 3}, limits)
	silent := s.dial(nil)
	waitFor(t, "the silent one to be in", func() bool { return s.conns.count(waiting) == 1 })
	first, second := s.dial(nil), s.dial(nil)
	for n, p := range []*phone{first, second} {
		p.get("/ringlist.xml")
		waitFor(t, "it to be idle", func() bool { return s.conns.count(idle) == n+1 })
	}
	s.dial(nil).get("/ringlist.xml")
	if !first.isEnded() {
		t.Error("the longest idle did not give way first")
	}
	waitFor(t, "the new one to be idle", func() bool { return s.conns.count(idle) == 2 })
	if got := second.get("/ringlist.xml"); got.StatusCode != 200 || got.Close {
		t.Errorf("who was idle for less time got %s, close %t", got.Status, got.Close)
	}
	// Three that have sent nothing yet leave only the silent one to go.
	waitFor(t, "both to be idle", func() bool { return s.conns.count(idle) == 2 })
	s.dial(nil)
	s.dial(nil)
	waitFor(t, "the idle ones to go", func() bool { return s.conns.count(idle) == 0 })
	waitFor(t, "patience to end", func() bool { return s.conns.canSpare(limits.patience) })
	if got := s.dial(nil).get("/ringlist.xml"); got.StatusCode != 200 {
		t.Errorf("the new one got %s", got.Status)
	}
	if !silent.isEnded() {
		t.Error("the silent one did not give way")
	}
}

// canSpare tells whether a connection would give way to another now.
func (cs *connections) canSpare(patience time.Duration) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.all.dispensable(time.Now().Add(-patience)) != nil
}

func TestTurnedAway(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			gen := Generation{Files: served, MaxPerAddress: 1}
			if mode == "https" {
				gen.TLS = serverTLS(t, 1)
			}
			// No patience ends, so all but one are to be refused.
			limits := usualTimes
			limits.patience, limits.refusal = within, within
			s := startAt(t, "127.0.0.1:0", gen, limits)
			crowd := make([]*phone, 1+maxTurnedAway)
			for i := range crowd {
				crowd[i] = s.dial(nil)
			}
			waitFor(t, "them to be in", func() bool { return s.conns.count(refused) == maxTurnedAway })
			answer, err := io.ReadAll(s.dial(nil))
			if err != nil {
				t.Fatal(err)
			}
			if mode == "https" {
				if string(answer) != busyAlert {
					t.Errorf("got % x", answer)
				}
			} else {
				resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(answer))), nil)
				if err != nil || resp.StatusCode != 503 || !strings.HasSuffix(string(answer), "\r\n\r\n"+busy+"\n") {
					t.Errorf("got %q, %v", answer, err)
				}
			}
			waitFor(t, "the log to say so", func() bool {
				return strings.Contains(s.log.String(), `msg="turned away, too many connections" listener=phones`)
			})
			for _, p := range crowd {
				p.Close()
			}
			waitFor(t, "the refused to go", func() bool { return s.conns.count(refused) == 0 })
		})
	}
}

func TestRefusedHaveLittleTime(t *testing.T) {
	limits := usualTimes
	limits.refusal = 50 * time.Millisecond
	s := startAt(t, "127.0.0.1:0", Generation{Files: served, MaxConnections: 1}, limits)
	s.dial(nil)
	waitFor(t, "it to be in", func() bool { return s.conns.count(waiting) == 1 })
	if !s.dial(nil).isEnded() {
		t.Error("a connection above the limit goes on")
	}
}

func TestTenThousandIdleConnections(t *testing.T) {
	n := 10000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n = min(n, int(limit.Cur)-2000)
	if n < 2000 {
		t.Skipf("only %d descriptors", limit.Cur)
	}
	limits := impatient()
	s := startAt(t, "127.0.0.1:0", Generation{Files: served}, limits)
	crowd := make([]net.Conn, n)
	for i := range crowd {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd[i] = c
	}
	waitFor(t, "patience to end", func() bool { return s.conns.canSpare(limits.patience) })
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		if got := s.dialFrom(host, nil).get("/block.bin"); got.StatusCode != 200 {
			t.Errorf("%s got %s", host, got.Status)
		}
	}
	if got := s.conns.count(waiting); got > 1024 {
		t.Errorf("%d connections of one address are open", got)
	}
}

func TestSlowRequestsAreCut(t *testing.T) {
	limits := usualTimes
	limits.request = 100 * time.Millisecond
	begins := map[string]string{
		"silent":          "",
		"half a head":     "GET /ringlist.xml HTTP/1.1\r\nHost: x\r\n",
		"half a hello":    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"drop after drop": "drip",
	}
	for name, begin := range begins {
		t.Run(name, func(t *testing.T) {
			gen := Generation{Files: served}
			if name == "half a hello" {
				gen.TLS = serverTLS(t, 1)
			}
			s := startAt(t, "127.0.0.1:0", gen, limits)
			phone := s.dial(nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if begin != "drip" {
					io.WriteString(phone, begin)
					return
				}
				for range time.Tick(10 * time.Millisecond) {
					if _, err := phone.Write([]byte("G")); err != nil {
						return
					}
				}
			}()
			// An answer may come first, so far as there was a request.
			if _, err := io.Copy(io.Discard, phone); isTimeout(err) {
				t.Error("the connection goes on")
			}
			phone.Close()
			<-done
		})
	}
}

func TestIdleConnectionsAreCut(t *testing.T) {
	limits := usualTimes
	limits.idle, limits.lastLook = 50*time.Millisecond, 10*time.Millisecond
	s := startAt(t, "127.0.0.1:0", Generation{Files: served}, limits)
	phone := s.dial(nil)
	phone.get("/ringlist.xml")
	if !phone.isEnded() {
		t.Error("the connection goes on")
	}
}

func TestStalledClientIsCut(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			limits := usualTimes
			limits.stall = 100 * time.Millisecond
			const size = 16 << 20
			s, phone := startLarge(t, mode, size, limits)
			phone.send("GET", "/large")
			r := s.record()
			if r.Outcome != configfiles.Aborted || r.Bytes == 0 || r.Bytes >= size || r.Err == nil {
				t.Errorf("record %+v", r)
			}
			got, err := phone.readReply("GET")
			if err == nil || int64(len(got.body)) > r.Bytes {
				t.Errorf("the client has %d bytes, the record says %d", len(got.body), r.Bytes)
			}
		})
	}
}

// The kernel takes megabytes for a slow client, and then nothing for far longer
// than times.stall.
func TestSlowClientIsServed(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			limits := usualTimes
			limits.stall = 100 * time.Millisecond
			const size = 8 << 20
			s, phone := startLarge(t, mode, size, limits)
			phone.send("GET", "/large")
			resp, err := http.ReadResponse(phone.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			sum := sha256.New()
			for err == nil {
				<-tick.C
				_, err = io.CopyN(sum, resp.Body, 64<<10)
			}
			if want := sha256.Sum256([]byte(content(size))); !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("got something else: %v", err)
			}
			if r := s.record(); r.Outcome != configfiles.Served || r.Bytes != size || r.Took < 5*limits.stall {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// startLarge serves a file from the disk, so that plain HTTP takes the way
// through the kernel.
func startLarge(t *testing.T, mode string, size int, limits times) (*site, *phone) {
	t.Helper()
	gen := Generation{Files: onDisk{t.TempDir()}.with(t, "large", size)}
	var config *tls.Config
	if mode == "https" {
		gen.TLS, config = serverTLS(t, 1), clientTLS()
	}
	s := startAt(t, "127.0.0.1:0", gen, limits)
	return s, s.dial(config)
}

func TestClientThatLeavesIsAborted(t *testing.T) {
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			const size = 16 << 20
			s, phone := startLarge(t, mode, size, usualTimes)
			phone.send("GET", "/large")
			n, err := io.CopyN(io.Discard, phone.r, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			phone.Close()
			if r := s.record(); r.Outcome != configfiles.Aborted || r.Bytes < n-4096 || r.Bytes >= size || r.Err == nil {
				t.Errorf("record %+v", r)
			}
		})
	}
	for _, mode := range []string{"http", "https"} {
		t.Run("before the answer by "+mode, func(t *testing.T) {
			left := make(chan struct{})
			gen := Generation{Files: source(func(ctx context.Context, _ configfiles.Request) (*configfiles.File, error) {
				close(left)
				<-ctx.Done()
				return nil, ctx.Err()
			})}
			var config *tls.Config
			if mode == "https" {
				gen.TLS, config = serverTLS(t, 1), clientTLS()
			}
			s := start(t, gen)
			phone := s.dial(config)
			phone.send("GET", "/x")
			<-left
			phone.Close()
			if r := s.record(); r.Outcome != configfiles.Aborted || r.Err == nil {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestAddressOf(t *testing.T) {
	tests := []struct{ a, b string }{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"fe80::1%eth0", "fe80::"},
	}
	for _, tt := range tests {
		if got := addressOf(netip.MustParseAddr(tt.a)).String(); got != tt.b {
			t.Errorf("%s counts as %s, want %s", tt.a, got, tt.b)
		}
	}
}

func TestQueue(t *testing.T) {
	var q, other queue
	members := make([]member, 4)
	order := func(q *queue) (s string) {
		for m := q.first; m != nil; m = m.next {
			for i := range members {
				if m == &members[i] {
					s += fmt.Sprint(i)
				}
			}
		}
		return s
	}
	for i := range members {
		q.push(&members[i])
	}
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"all", func() {}, "0123"},
		{"from the middle to the end", func() { q.push(&members[1]) }, "0231"},
		{"from the end to the end", func() { q.push(&members[1]) }, "0231"},
		{"the first to another", func() { other.push(&members[0]) }, "231"},
		{"the last leaves", func() { members[1].leave() }, "23"},
		{"who is nowhere leaves", func() { members[1].leave() }, "23"},
		{"the rest leaves", func() { members[2].leave(); members[3].leave() }, ""},
	}
	for _, step := range steps {
		step.do()
		if got := order(&q); got != step.want || q.n != len(step.want) {
			t.Errorf("%s: %q and a count of %d, want %q", step.name, got, q.n, step.want)
		}
	}
	if order(&other) != "0" || other.n != 1 || q.last != nil {
		t.Error("the queues are mixed up")
	}
}

func TestDescriptorsThatRunOutAreWonBack(t *testing.T) {
	s := start(t, Generation{Files: served})
	phone := s.dial(nil)
	phone.get("/ringlist.xml")
	waitFor(t, "it to be idle", func() bool { return s.conns.count(idle) == 1 })
	s.gate.relieve(&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
	if !phone.isEnded() {
		t.Error("the idle connection did not give way")
	}
	if !strings.Contains(s.log.String(), `level=WARN msg="out of file descriptors" listener=phones`) {
		t.Errorf("the log says %s", s.log)
	}
	s.gate.relieve(syscall.EMFILE) // nobody is left to give way
}
