// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	pintftp "github.com/pin/tftp/v3"
)

// handing is what the front hands on to the library: the reads in netascii.
//
// The library knows neither which address was asked nor zones, answers from a
// port of its own, and has one error code. So its client is a relay on the
// loopback interface, and what it says there leaves by the front's own port and
// path; refusals are the front's to send.
type handing struct {
	mu      sync.Mutex
	waiting []*transfer          // for the library to take
	byPort  map[uint16]*transfer // of the relay; those that the library has not begun
	now     *transfer            // what the library has just taken
	running sync.WaitGroup       // relays
}

// loopback is where relays are.
var loopback = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}

// mostRelayed, in bytes, is the largest block that the library is asked for.
const mostRelayed = defaultBlockSize

// How the library sends: one that answers no more is given up after 5.25 s.
const (
	libraryInterval = 250 * time.Millisecond
	libraryRetries  = 20
)

// newLibrary is the library with what it needs to stand behind f.
func newLibrary(f *front) *pintftp.Server {
	l := pintftp.NewServer(f.read, nil)
	l.SetTimeout(libraryInterval)
	l.SetRetries(libraryRetries)
	l.SetBackoff(func(int) time.Duration { return 0 })
	l.SetBlockSizeNegotiation(false) // it takes our word
	l.SetHook(f)
	return l
}

func (h *handing) next() *transfer {
	if len(h.waiting) == 0 {
		return nil
	}
	h.now, h.waiting = h.waiting[0], h.waiting[1:]
	return h.now
}

// relay stands for a client towards the library.
type relay struct {
	conn    *net.UDPConn
	theirs  atomic.Pointer[netip.AddrPort] // the library's transfer identifier, once known
	request []byte                         // as the library can read it
	begun   atomic.Bool                    // the client has answered
}

func (r *relay) addr() *net.UDPAddr { return r.conn.LocalAddr().(*net.UDPAddr) }

// toLibrary passes on what the client says.
func (r *relay) toLibrary(p []byte) {
	if to := r.theirs.Load(); to != nil {
		_, _ = r.conn.WriteToUDPAddrPort(p, *to)
	}
}

// handOn gives t to the library.
func (f *front) handOn(t *transfer) {
	conn, err := net.ListenUDP("udp4", loopback)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		f.end(t, err, f.out)
		return
	}
	t.phase = handedOn
	t.relay = &relay{conn: conn, request: f.respelled(t)}
	f.handing.mu.Lock()
	f.handing.byPort[uint16(t.relay.addr().Port)] = t
	f.handing.mu.Unlock()
	f.handing.waiting = append(f.handing.waiting, t)
	f.handing.running.Go(func() { f.fromLibrary(t) })
}

// respelled is t's request in the one spelling that the library reads.
func (f *front) respelled(t *transfer) []byte {
	var options []string
	want := t.request.want
	if want.blksize >= plainBlockSize { // it ignores a smaller one
		size := f.mtu.blockSize(t.id.peer, min(want.blksize, t.gen.blockSize(), mostRelayed))
		options = append(options, "blksize", strconv.Itoa(size))
	}
	if want.tsize {
		options = append(options, "tsize", "0")
	}
	return requestIn("netascii", t.request.name, options...)
}

// fromLibrary passes on what the library says, until the relay is closed. When t
// has ended for another reason, the library is told.
func (f *front) fromLibrary(t *transfer) {
	out := f.newSender()
	var buffer [headerSize + mostRelayed]byte
	for {
		n, from, err := t.relay.conn.ReadFromUDPAddrPort(buffer[:])
		if err != nil {
			return
		}
		p := buffer[:n]
		t.relay.theirs.Store(&from)
		t.mu.Lock()
		if t.phase == ended {
			t.relay.toLibrary(errorPacket(codeUndefined, "ended"))
		} else if op := opcode(p); op == opDATA || op == opOACK {
			out.packet(t.id.port, &t.path, p)
		}
		t.mu.Unlock()
		f.flush(out)
	}
}

// read is the library's handler of read requests. It returns an error in any
// case: the library leaks its socket if a handler has not used it.
func (f *front) read(_ string, to io.ReaderFrom) error {
	t := f.handing.take(to)
	if t == nil {
		return errors.New("not handed on")
	}
	defer t.relay.conn.Close()
	a, err := f.find(t)
	var sent int64
	r := &streamReader{s: &a.stream}
	t.mu.Lock()
	hasEnded := t.phase == ended
	if !hasEnded {
		t.record.Device, t.record.As = a.name.Device, a.as
	}
	t.mu.Unlock()
	if err == nil && !hasEnded {
		err = recovering(func() (err error) {
			sent, err = sendBy(to, r)
			return err
		})
		err = transferError(err, r)
	}
	a.stream.close()
	out := f.newSender()
	defer f.flush(out)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != ended {
		t.record.Bytes = sent
	}
	if err != nil && f.cut.Err() != nil {
		f.cutShort(t, out)
	}
	f.end(t, err, out)
	return errors.New("done")
}

// take is the transfer that the library has made to out of.
func (h *handing) take(to any) *transfer {
	client, ok := to.(interface{ RemoteAddr() net.UDPAddr })
	if !ok {
		return nil
	}
	addr := client.RemoteAddr()
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.byPort[uint16(addr.Port)]
	delete(h.byPort, uint16(addr.Port))
	return t
}

// sendBy lets the library send r, and returns how many bytes that were.
func sendBy(to io.ReaderFrom, r *streamReader) (int64, error) {
	if announcer, ok := to.(interface{ SetSize(int64) }); ok {
		announcer.SetSize(r.netasciiSize())
	}
	return to.ReadFrom(r)
}

// transferError says in a plain sentence why the library ended a transfer. It
// has no types for that: a client that stopped answering is the timeout of the
// last read, one that sent an ERROR is an error of no type.
func transferError(err error, r *streamReader) error {
	var fault *contentError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &fault):
		return err
	case !errors.As(err, &network):
		return &abortedError{reasonGivenUp, err}
	case !network.Timeout():
		return &abortedError{reasonNetwork, err}
	case r.at == r.s.size:
		return &abortedError{reasonLastBlock, nil}
	}
	return &abortedError{reasonSilent, nil}
}

// OnSuccess is nothing to the front.
func (f *front) OnSuccess(pintftp.TransferStats) {}

// OnFailure hears of requests that the library could not begin.
func (f *front) OnFailure(stats pintftp.TransferStats, err error) {
	if stats.RemoteAddr != nil {
		return // its handler knows
	}
	t := f.handing.now
	if t == nil {
		return
	}
	f.handing.mu.Lock()
	delete(f.handing.byPort, uint16(t.relay.addr().Port))
	f.handing.mu.Unlock()
	t.relay.conn.Close()
	defer f.flush(f.out)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.end(t, err, f.out)
}

// streamReader reads a stream from its begin to its end.
type streamReader struct {
	s  *stream
	at int64
}

func (r *streamReader) Read(p []byte) (int, error) {
	if r.at == r.s.size {
		return 0, io.EOF
	}
	if !r.s.holds(r.at + 1) {
		if err := r.s.read(r.at); err != nil {
			return 0, err
		}
	}
	held := r.s.offset + int64(len(r.s.kept))
	n := copy(p, r.s.slice(r.at, held))
	r.at += int64(n)
	return n, nil
}

// netasciiSize is how many bytes the whole content has in netascii, where CR and
// LF become two each (RFC 764). It is zero, which the library leaves out of its
// answer, if a large file would have to be read for it.
func (r *streamReader) netasciiSize() int64 {
	if r.s.content != nil {
		return 0
	}
	n := r.s.size
	for _, c := range r.s.kept {
		if c == '\n' || c == '\r' {
			n++
		}
	}
	return n
}
