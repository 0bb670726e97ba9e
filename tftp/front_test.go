// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// startSingle serves everything from one port.
func startSingle(t testing.TB, f configfiles.Source) *server {
	t.Helper()
	return start(t, "127.0.0.1:0", Generation{Number: 7, Files: f, SinglePort: true})
}

func TestATransferHasAPortThatIsNotTheListeningOne(t *testing.T) {
	s := startLocal(t, files{"file": text(2000, 1)})
	p := newPhone(t, "127.0.0.1", s.addr)
	for range 20 {
		p.ask("file")
		_, tid := p.data(1)
		if tid == p.to {
			t.Error("answered from the listening port")
		}
		p.send(tid, errorPacket(0, "enough"))
		s.record(t)
	}
}

func TestTheNextTransferOfAClientHasAnotherPort(t *testing.T) {
	s := startLocal(t, files{"first": text(2000, 1), "second": text(2000, 2)})
	p := newPhone(t, "127.0.0.1", s.addr)
	for range 20 {
		p.ask("first")
		_, first := p.data(1)
		p.ask("second")
		_, second := p.data(1)
		if first == second {
			t.Error("two transfers of one client share a port")
		}
		p.send(first, errorPacket(0, "enough"))
		p.send(second, errorPacket(0, "enough"))
		s.record(t)
		s.record(t)
	}
}

// What is late for one transfer must not be taken for the next one's.
func TestAPortIsNotUsedTwiceInARowForOneClient(t *testing.T) {
	s := startLocal(t, files{"file": text(100, 1)})
	p := newPhone(t, "127.0.0.1", s.addr)
	var last netip.AddrPort
	for range maxPorts {
		p.ask("file")
		_, tid := p.data(1)
		if tid == last && s.front.now() < remembered {
			t.Error("the same port once more")
		}
		last = tid
		p.send(tid, ackPacket(1))
		s.record(t)
	}
}

func TestClientsShareAPort(t *testing.T) {
	s := startLocal(t, files{"file": text(100, 1)})
	ports := map[netip.AddrPort]int{}
	for range 5 {
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask("file")
		_, tid := p.data(1)
		ports[tid]++
	}
	if len(ports) != 1 {
		t.Errorf("ports: %v", ports)
	}
}

func TestSinglePort(t *testing.T) {
	want := text(3000, 1)
	s := startSingle(t, files{"file": want})
	netascii := strings.NewReplacer("\r", "\r\x00", "\n", "\r\n").Replace(want)
	for mode, want := range map[string]string{"octet": want, "netascii": netascii} {
		p := newPhone(t, "127.0.0.1", s.addr)
		p.send(p.to, inMode(mode, requestPacket("file", "blksize", "1000")))
		_, from := p.options()
		if from != p.to {
			t.Errorf("%s: answered from %s", mode, from)
		}
		p.send(p.to, ackPacket(0))
		if got := p.fetch(1, 1000); got != want {
			t.Errorf("%s: got %d bytes, want %d", mode, len(got), len(want))
		}
		if r := s.record(t); r.Outcome != configfiles.Served || r.Bytes != int64(len(want)) {
			t.Errorf("%s: record %+v", mode, r)
		}
	}
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("missing")
	if b, from := p.answer(); opcode(b) != opERROR || from != p.to {
		t.Errorf("%q from %s", b, from)
	}
	s.record(t)
}

func TestSinglePortAndAClientThatMovedOn(t *testing.T) {
	s := startSingle(t, files{"first": text(2000, 1), "second": "second"})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("first")
	p.data(1)
	p.ask("second")
	if r := s.record(t); r.File != "first" || r.Outcome != configfiles.Aborted || r.Reason != reasonMovedOn {
		t.Errorf("record %+v", r)
	}
	if data, _ := p.data(1); data != "second" {
		t.Errorf("got %q", data)
	}
	p.send(p.to, ackPacket(1))
	if r := s.record(t); r.File != "second" || r.Outcome != configfiles.Served {
		t.Errorf("record %+v", r)
	}
}

func TestSinglePortIsOpenUntilTheLastTransferEnds(t *testing.T) {
	want := text(2000, 1)
	s := startSingle(t, files{"file": want})
	p, q := newPhone(t, "127.0.0.1", s.addr), newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	data, _ := p.data(1)
	done := make(chan time.Duration)
	go func() { done <- s.shutdown(t, within) }()
	waitFor(t, s.front.stopping.Load)
	q.ask("file")
	p.send(p.to, ackPacket(1))
	if got := data + p.fetch(2, plainBlockSize); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	<-done
	s.record(t)
	s.noRecord(t) // of q
}

func TestNetasciiLeavesFromTheAddressThatWasAsked(t *testing.T) {
	s := start(t, ":0", Generation{Files: files{"file": "a\nb"}})
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	p := newPhone(t, "127.0.0.1", net.JoinHostPort("127.0.0.2", port))
	p.send(p.to, inMode("netascii", requestPacket("file")))
	data, from := p.data(1)
	if data != "a\r\nb" || from.Addr() != p.to.Addr() {
		t.Errorf("%q from %s", data, from)
	}
	p.send(from, ackPacket(1))
	if r := s.record(t); r.Outcome != configfiles.Served || r.Remote != p.addr() {
		t.Errorf("record %+v", r)
	}
}

func TestLinkLocalAddresses(t *testing.T) {
	host := linkLocal(t)
	want := text(3000, 1)
	for _, listen := range []string{"[::]:0", net.JoinHostPort(host, "0")} {
		s := start(t, listen, Generation{Files: files{"file": want}})
		_, port, err := net.SplitHostPort(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{"octet", "netascii"} {
			p := newPhone(t, "", net.JoinHostPort(host, port))
			p.send(p.to, inMode(mode, requestPacket("file")))
			p.fetch(1, plainBlockSize)
			if r := s.record(t); r.Outcome != configfiles.Served {
				t.Errorf("%s, %s: record %+v", listen, mode, r)
			}
		}
	}
}

func TestUnknownTransfers(t *testing.T) {
	s := startLocal(t, files{"file": "content"})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	_, tid := p.data(1)
	p.send(tid, ackPacket(1))
	s.record(t)

	p.send(tid, ackPacket(1)) // late, and no fault
	stranger := newPhone(t, "127.0.0.1", s.addr)
	for _, to := range []netip.AddrPort{tid, p.to} {
		for _, packet := range [][]byte{ackPacket(5), dataPacket(1, "x"), []byte("\x00\x06tsize\x000\x00")} {
			stranger.send(to, packet)
			if b, from := stranger.answer(); opcode(b) != opERROR || block(b) != codeUnknown || from != to {
				t.Errorf("%q from %s", b, from)
			}
		}
		stranger.send(to, []byte("\x00\x09what"))
		if got := stranger.refusal(); got.Code != codeIllegal {
			t.Errorf("got %+v", got)
		}
		stranger.send(to, errorPacket(codeUnknown, "unknown transfer")) // never answered
		stranger.send(to, []byte{0, opACK})
	}
	for _, quiet := range []*phone{p, stranger} {
		if b, _ := quiet.hear(silence); b != nil {
			t.Errorf("answered with %q", b)
		}
	}
	s.noRecord(t)
}

func TestARepeatedRequestIsAnsweredAgain(t *testing.T) {
	s := startLocal(t, files{"file": text(2000, 1)})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	_, tid := p.data(1)
	begun := time.Now()
	p.ask("file")
	if _, again := p.data(1); again != tid {
		t.Errorf("first from %s, then from %s", tid, again)
	}
	if took := time.Since(begun); took > firstInterval/2 {
		t.Errorf("it came after %s, by itself", took)
	}
	p.send(tid, ackPacket(1))
	p.data(2)
	p.ask("file") // a copy that comes late
	waitFor(t, func() bool { return strings.Count(s.log.String(), "request ignored") == 2 })
	p.send(tid, ackPacket(2))
	p.data(3)
}

func TestARestartedClientGetsItsFileFromTheBegin(t *testing.T) {
	s := startLocal(t, files{"file": text(2000, 1)})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	_, old := p.data(1)
	p.send(old, ackPacket(1))
	for b, _ := p.answer(); block(b) != 2; b, _ = p.answer() {
	}
	for end := time.Now().Add(2 * grace); time.Now().Before(end); {
		p.hear(time.Until(end)) // it reboots
	}
	p.ask("file")
	for {
		b, from := p.answer()
		if from != old {
			if opcode(b) != opDATA || block(b) != 1 {
				t.Errorf("got %.20q", b)
			}
			break
		}
	}
	if r := s.record(t); r.Outcome != configfiles.Aborted || r.Reason != reasonMovedOn {
		t.Errorf("record %+v", r)
	}
}

func TestDoubledAcknowledgementsDoubleNothing(t *testing.T) {
	const blocks = 200
	// What comes again is what this machine was too slow for, and of windows at
	// most every second one.
	for window, most := range map[int]int{1: blocks / 10, 4: blocks * 6 / 10} {
		t.Run(fmt.Sprintf("windowsize %d", window), func(t *testing.T) {
			s := startLocal(t, files{"file": strings.Repeat("x", blocks*plainBlockSize)})
			p := newPhone(t, "127.0.0.1", s.addr)
			p.ask("file", "windowsize", strconv.Itoa(window))
			_, tid := p.options()
			heard := 0
			p.send(tid, ackPacket(0))
			for last := uint16(0); last <= blocks; {
				b, _ := p.answer()
				heard++
				if last = max(last, block(b)); int(last)%window == 0 || last > blocks {
					p.send(tid, ackPacket(last))
					p.send(tid, ackPacket(last))
				}
			}
			s.record(t)
			if again := heard - blocks - 1; again > most {
				t.Errorf("%d of %d blocks came again", again, blocks)
			}
		})
	}
}

// windowGet fetches in windows, as RFC 7440 has it of a client.
func windowGet(t testing.TB, addr, name string, size, window int) (string, error) {
	p := newPhone(t, "127.0.0.1", addr)
	defer p.conn.Close()
	request := requestPacket(name, "blksize", strconv.Itoa(size), "windowsize", strconv.Itoa(window))
	p.send(p.to, request)
	var got []byte
	tid, last, inWindow := netip.AddrPort{}, uint16(0), 0
	for silent := 0; silent < 40; {
		b, from := p.hear(200 * time.Millisecond)
		switch {
		case b == nil && !tid.IsValid():
			silent++
			p.send(p.to, request)
		case b == nil:
			silent++
			p.send(tid, ackPacket(last))
		case tid.IsValid() && from != tid:
		case opcode(b) == opERROR:
			return string(got), remoteError(b)
		case opcode(b) == opOACK && last == 0:
			tid = from
			p.send(tid, ackPacket(0))
		case opcode(b) == opDATA && tid.IsValid() && block(b) == last+1:
			silent = 0
			last++
			inWindow++
			got = append(got, b[headerSize:]...)
			if len(b) < headerSize+size {
				p.send(tid, ackPacket(last))
				return string(got), nil
			}
			if inWindow == window {
				inWindow = 0
				p.send(tid, ackPacket(last))
			}
		case opcode(b) == opDATA && tid.IsValid():
			inWindow = 0
			p.send(tid, ackPacket(last)) // a gap, or again
		}
	}
	return string(got), fmt.Errorf("no answer after %d bytes", len(got))
}

func TestWindows(t *testing.T) {
	content := files{}
	for _, n := range []int{0, 1, 1000, 1400, 16 * 1400, 16*1400 + 1, 300_000} {
		content[strconv.Itoa(n)] = text(n, uint64(n))
	}
	for _, whole := range []bool{true, false} {
		s := startLocal(t, content)
		if !whole {
			s.front.whole.Store(false) // as if the kernel could not
		}
		for name, want := range content {
			for _, window := range []int{1, 2, 16, 64} {
				got, err := windowGet(t, s.addr, name, 1400, window)
				if err != nil || got != want {
					t.Errorf("%s bytes, windowsize %d, cut by the kernel %t: %v, got %d", name, window, whole, err, len(got))
				}
				if r := s.record(t); r.Outcome != configfiles.Served || r.Bytes != int64(len(want)) {
					t.Errorf("record %+v", r)
				}
			}
		}
	}
}

func TestWindowsSurviveABadLine(t *testing.T) {
	t.Parallel()
	const transfers = 40
	content := files{}
	for i := range transfers {
		content[strconv.Itoa(i)] = text(i*1000, uint64(i))
	}
	for addr, single := range map[string]bool{"127.0.0.4:0": false, "127.0.0.5:0": true} {
		s := start(t, addr, Generation{Files: content, SinglePort: single})
		var running sync.WaitGroup
		for i := range transfers {
			running.Go(func() {
				line := newBadLine(t, netip.MustParseAddrPort(s.addr), uint64(1000+i))
				defer line.close()
				name := strconv.Itoa(i)
				if got, err := windowGet(t, line.addr, name, 600, 1+i%17); err != nil || got != content[name] {
					t.Errorf("%s: %v, got %d bytes, want %d", name, err, len(got), len(content[name]))
				}
			})
		}
		running.Wait()
	}
}

func TestBlockSizesOfEveryKind(t *testing.T) {
	want := text(70_000, 1)
	s := start(t, "127.0.0.1:0", Generation{Files: files{"file": want}, BlockSize: mostBlockSize})
	for _, size := range []int{8, 9, 511, 512, 513, 1428, 8192, 65463, 65464} {
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask("file", "blksize", strconv.Itoa(size))
		granted, tid := p.options()
		if granted["blksize"] != strconv.Itoa(size) {
			t.Errorf("asked for %d, granted %v", size, granted)
		}
		p.send(tid, ackPacket(0))
		if got := p.fetch(1, size); got != want {
			t.Errorf("%d: got %d bytes, want %d", size, len(got), len(want))
		}
		s.record(t)
	}
}

func TestTheAgreedTimeoutIsKept(t *testing.T) {
	t.Parallel() // on an address of its own, where no other test is late
	s := start(t, "127.0.0.8:0", Generation{Files: files{"file": "x"}})
	p := newPhone(t, "127.0.0.8", s.addr)
	p.ask("file", "timeout", "1")
	_, tid := p.options()
	begun := time.Now()
	p.options()
	if took := time.Since(begun); took < 900*time.Millisecond || took > 3*time.Second {
		t.Errorf("sent again after %s", took)
	}
	p.send(tid, errorPacket(0, "enough"))
}

// TestSlowSourcesHoldUpNobody lets more sources hang than there are workers.
func TestSlowSourcesHoldUpNobody(t *testing.T) {
	hang := make(chan struct{})
	s := startLocal(t, hanging(hang))
	defer close(hang)
	for range 12 {
		newPhone(t, "127.0.0.1", s.addr).ask("slow")
	}
	if got := s.get(t, "fast"); got != "fast" {
		t.Errorf("got %q", got)
	}
}

// hanging is a source whose file "slow" does not come before the end.
func hanging(until chan struct{}) sourceFunc {
	return func(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
		if req.Name.Asked == "slow" {
			<-until
			return nil, fs.ErrNotExist
		}
		return fileOf(req.Name.Asked), nil
	}
}

// FuzzTransfer sends a datagram to a transfer under way, which must go on unless
// that ended it.
func FuzzTransfer(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.datagram)
	}
	f.Add(ackPacket(2))
	f.Add(ackPacket(0xffff))
	want := text(3000, 1)
	s := startLocal(f, files{"file": want})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if len(datagram) > 65000 {
			t.Skip("no UDP datagram")
		}
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask("file", "windowsize", "2")
		_, tid := p.options()
		p.send(tid, datagram)
		p.send(tid, ackPacket(0))
		p.send(tid, errorPacket(0, "enough"))
		if r := s.record(t); r.Outcome != configfiles.Aborted {
			t.Errorf("record %+v", r)
		}
		if got := s.get(t, "file"); got != want {
			t.Errorf("the next phone got %d bytes", len(got))
		}
		s.record(t)
	})
}

// TestABlockAllocatesNothing guards the path that every block takes.
func TestABlockAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := startLocal(t, files{"file": strings.Repeat("x", 8<<20)})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	_, tid := p.data(1)
	p.conn.SetReadDeadline(time.Now().Add(within))
	ack := ackPacket(0)
	next := uint16(0)
	exchange := func() {
		next++
		binary.BigEndian.PutUint16(ack[2:], next)
		if _, err := p.conn.WriteToUDPAddrPort(ack, tid); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.conn.ReadFromUDPAddrPort(p.heard[:]); err != nil {
			t.Fatal(err)
		}
	}
	if got := testing.AllocsPerRun(2000, exchange); got > 0 {
		t.Errorf("%.0f allocations for a block", got)
	}
}

// TestATransferAllocatesLittle counts what a small file costs in all, the
// source's own and the client's included.
func TestATransferAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const most = 15
	s := startLocal(t, files{"file": text(400, 1)})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.conn.SetReadDeadline(time.Now().Add(within))
	request, ack := requestPacket("file"), ackPacket(1)
	fetch := func() {
		if _, err := p.conn.WriteToUDPAddrPort(request, p.to); err != nil {
			t.Fatal(err)
		}
		_, tid, err := p.conn.ReadFromUDPAddrPort(p.heard[:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.conn.WriteToUDPAddrPort(ack, tid); err != nil {
			t.Fatal(err)
		}
		<-s.records
	}
	if got := testing.AllocsPerRun(500, fetch); got > most {
		t.Errorf("%.0f allocations for a file, want at most %d", got, most)
	} else {
		t.Logf("%.0f allocations for a file", got)
	}
}
