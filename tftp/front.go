// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	pintftp "github.com/pin/tftp/v3"
	"golang.org/x/sys/unix"
)

const (
	// maxPorts is how many ports the transfers share. One of its own for each
	// would cost as much as two blocks; what RFC 1350 section 4 wants of it is
	// that a client's address and the server's port name one transfer.
	maxPorts = 8
	// tick is how often deadlines are looked at.
	tick = 20 * time.Millisecond
	// mostTurns is how often everything is received before a tick is due in any
	// case.
	mostTurns = 16
	// remembered is for how long at least a late datagram is told from a strange
	// one.
	remembered = time.Second
	// maxWorkers limits those that look for files while sources hang.
	maxWorkers = 256
)

// front is what stands in front of the library: it owns the sockets, admits or
// refuses every request, and answers the plain ones itself. To the library it is
// a net.PacketConn on which only the others come in (handon.go).
//
// One goroutine, that of ReadFrom, receives everything and sends on; it never
// waits for a file. Workers look for files, read them, and send the first block.
type front struct {
	config   Config
	log      *slog.Logger
	entrance *socket
	ports    []*socket
	poller   *poller
	batch    *batch
	out      *sender

	transfers *transfers
	work      *queue // those whose file must be opened or read on
	records   *queue // those that have ended
	mtu       mtus
	whole     atomic.Bool // see sender
	begun     time.Time   // where the front's time begins

	handing handing
	pin     *pintftp.Server

	// cut ends when what is under way must end.
	cut    context.Context
	cutNow context.CancelFunc

	woken    atomic.Bool
	stopping atomic.Bool
	armed    bool          // a tick will come
	forgot   time.Duration // when transfers last forgot
	taken    uint64        // from work, at the last tick
	due      []*transfer
	others   sync.WaitGroup // goroutines
	workers  int
}

// newFront binds the sockets of c.
func newFront(c Config) (*front, net.Addr, error) {
	f := &front{
		config:    c,
		log:       c.Log.With("listener", c.Listener),
		batch:     newBatch(),
		transfers: newTransfers(),
		work:      newQueue(),
		records:   newQueue(),
		begun:     time.Now(),
	}
	f.out = f.newSender()
	f.handing.byPort = map[uint16]*transfer{}
	f.cut, f.cutNow = context.WithCancel(context.Background())
	f.pin = newLibrary(f)
	addr, err := f.bind()
	if err != nil {
		f.close()
		return nil, nil, err
	}
	return f, addr, nil
}

// bind makes the sockets.
func (f *front) bind() (addr net.Addr, err error) {
	if f.entrance, addr, err = listen(f.config.Addr, receiveBuffer, f.log); err != nil {
		return nil, err
	}
	if f.poller, err = newPoller(); err != nil {
		return nil, err
	}
	if err := f.poller.add(f.entrance); err != nil {
		return nil, err
	}
	for range maxPorts {
		port, err := sibling(f.entrance, receiveBuffer)
		if err != nil {
			return nil, err
		}
		f.ports = append(f.ports, port)
		if err := f.poller.add(port); err != nil {
			return nil, err
		}
	}
	f.whole.Store(segments(f.entrance))
	return addr, nil
}

// serve lets the library call ReadFrom until the end, and leaves nothing behind.
func (f *front) serve() error {
	defer f.close()
	f.startWorkers()
	defer f.wait()
	defer f.handing.running.Wait()
	return f.pin.Serve(f)
}

// close frees everything that serve does not.
func (f *front) close() {
	f.cutNow()
	if f.entrance != nil {
		f.entrance.close()
	}
	for _, port := range f.ports {
		port.close()
	}
	if f.poller != nil {
		f.poller.close()
	}
}

// now is the front's time.
func (f *front) now() time.Duration { return time.Since(f.begun) }

func (f *front) newSender() *sender { return &sender{whole: &f.whole} }

// turn waits for datagrams, or for the time, and does what follows from it.
func (f *front) turn() {
	events, err := f.poller.wait()
	if err != nil {
		f.log.Error("cannot wait for requests", "err", err)
		f.stopping.Store(true)
	}
	f.hear(events)
	if len(events) == 0 {
		// What has come must not be missed because nobody has looked yet.
		for range mostTurns {
			if events = f.poller.now(); len(events) == 0 {
				break
			}
			f.hear(events)
		}
		f.tick()
	}
	if !f.armed {
		f.arm()
	}
	if waiting, _ := f.work.state(); waiting > 0 {
		runtime.Gosched() // let the workers begin, also on one processor
	}
}

// hear takes what has come to the sockets of events.
func (f *front) hear(events []unix.EpollEvent) {
	asked := false
	for _, e := range events {
		if e.Fd == int32(f.entrance.fd) {
			asked = true
			continue
		}
		for _, port := range f.ports {
			if e.Fd == int32(port.fd) {
				f.receiveFrom(port)
			}
		}
	}
	// Last, because a client that asks for its next file has acknowledged the
	// one before it.
	if asked {
		f.receiveFrom(f.entrance)
	}
}

// receiveFrom takes what has come to port.
func (f *front) receiveFrom(port *socket) {
	for i := range f.batch.receive(port) {
		p := f.batch.datagram(i)
		switch op := opcode(p); {
		case port == f.entrance && (op == opRRQ || op == opWRQ):
			f.ask(p, f.batch.answerable(i))
		default:
			f.pass(port, p, i)
		}
	}
	f.flush(f.out)
}

// flush sends what out has collected. No transfer may be locked.
func (f *front) flush(out *sender) {
	for _, u := range out.flush() {
		u.of.mu.Lock()
		f.cannotSend(u.of, u.err, out)
		u.of.mu.Unlock()
	}
}

// pass gives p to its transfer, or says that there is none.
func (f *front) pass(port *socket, p []byte, i int) {
	op := opcode(p)
	if op == 0 {
		return
	}
	t, late := f.transfers.find(identifiers{f.batch.path(i).peer(), port})
	switch {
	case t != nil:
		f.receive(t, p, f.out)
	case late || op == opERROR: // an ERROR is never answered
	case op <= opOACK:
		f.complain(port, i, codeUnknown, "unknown transfer")
	default:
		f.complain(port, i, codeIllegal, errMalformed.Error())
	}
}

// complain answers what is no request of anybody's. It is not worth a record.
func (f *front) complain(port *socket, i int, code uint16, reason string) {
	to := f.batch.answerable(i)
	f.log.Debug("datagram refused", "remote", to.peer(), "reason", reason)
	f.out.packet(port, to, errorPacket(code, reason))
}

// ask admits a request or refuses it.
func (f *front) ask(datagram []byte, from *path) {
	if f.stopping.Load() {
		return // the client will ask again, and find another server
	}
	peer := from.peer()
	r, err := parseRequest(datagram)
	gen := f.config.Generation()
	if older := f.transfers.newest(peer); older != nil && f.repeats(older, r.raw, gen) {
		f.log.Debug("request ignored", "remote", peer, "file", r.name, "reason", errRepeated)
		return
	}
	t := f.newTransfer(r, peer, from, gen)
	if err = f.admit(t, err); err != nil {
		f.refuse(t, err)
		return
	}
	f.transfers.add(t)
	if r.isOctet() {
		f.work.put(t)
		return
	}
	f.handOn(t)
}

// admit says why t may not run. err is what was found out about its request.
func (f *front) admit(t *transfer, err error) error {
	switch {
	case err != nil:
		return err
	case t.request.op == opWRQ:
		return errReadOnly
	case !t.request.isOctet() && !t.request.isNetascii():
		return errMode
	case !f.transfers.hasRoom(t.id.peer.Addr(), t.gen):
		return errBusy
	}
	if unrecorded, _ := f.records.state(); unrecorded >= 2*t.gen.maxTransfers() {
		return errBusy
	}
	return nil
}

func (f *front) newTransfer(r request, peer netip.AddrPort, from *path, gen Generation) *transfer {
	t := &transfer{
		id:      identifiers{peer, f.entrance},
		path:    *from,
		request: r,
		gen:     gen,
		begun:   time.Now(),
	}
	if !gen.SinglePort {
		t.id.port = f.freePort(peer)
	}
	t.record.Listener, t.record.Remote = f.config.Listener, peer
	t.record.File, t.record.Gen = r.name, gen.Number
	return t
}

// freePort is the first one that peer does not use and did not use just now; else
// any that it does not use, unless it uses them all. For most peers it is the
// same, so that many datagrams come and go in one call.
func (f *front) freePort(peer netip.AddrPort) *socket {
	for _, port := range f.ports {
		if t, late := f.transfers.find(identifiers{peer, port}); t == nil && !late {
			return port
		}
	}
	n := rand.IntN(len(f.ports))
	for range f.ports {
		if t, _ := f.transfers.find(identifiers{peer, f.ports[n]}); t == nil {
			break
		}
		n = (n + 1) % len(f.ports)
	}
	return f.ports[n]
}

// repeats says whether the request raw is older's once more, and sends the
// answer again if that is what the client waits for. A second stream would only
// confuse it (RFC 1350 section 4).
//
// Otherwise the client has left older: it asks for another file, or was
// restarted, or has got everything and the last acknowledgement was lost. It may
// also be on its way, and so may a copy of the request; then older goes on.
func (f *front) repeats(older *transfer, raw string, gen Generation) bool {
	older.mu.Lock()
	defer older.mu.Unlock()
	if older.phase == ended {
		return false
	}
	now := f.now()
	if older.request.raw == raw {
		if !older.hasBegun() {
			if older.phase == sending && !older.reading {
				f.resend(older, f.out)
			}
			return true
		}
		if older.phase == sending && !older.window.complete() && now-older.heardAt < grace {
			return true
		}
	}
	if older.id.port == f.entrance || gen.SinglePort {
		f.end(older, older.abandoned(reasonMovedOn), f.out) // two cannot be told apart
		return false
	}
	if !older.left {
		older.left = true
		older.deadline.Store(int64(now + grace))
	}
	return false
}

// tick does what the time has come for.
func (f *front) tick() {
	f.woken.Store(false)
	now := f.now()
	if f.cut.Err() != nil {
		f.cutAll()
	}
	f.due = f.transfers.due(now, f.due[:0])
	for _, t := range f.due {
		f.expire(t, f.out)
	}
	clear(f.due)
	f.flush(f.out)
	if now-f.forgot >= remembered {
		f.forgot = now
		f.transfers.forget()
	}
	f.relieve()
	if f.stopping.Load() {
		f.closeEntrance()
	}
	f.arm()
}

// arm sets when the next tick comes.
func (f *front) arm() {
	f.armed = !f.transfers.idle()
	if f.armed {
		f.poller.until(time.Now().Add(tick))
	} else {
		f.poller.until(time.Time{})
	}
	if f.woken.Load() { // since tick began
		f.poller.wake()
	}
}

// wake makes a tick come now.
func (f *front) wake() {
	f.woken.Store(true)
	f.poller.wake()
}

// cutAll ends every transfer with an ERROR.
func (f *front) cutAll() {
	for _, t := range f.transfers.all(nil) {
		t.mu.Lock()
		f.cutShort(t, f.out)
		t.mu.Unlock()
	}
}

// closeEntrance takes no more requests, once no transfer needs the socket.
func (f *front) closeEntrance() {
	if f.entrance.fd >= 0 && !f.transfers.use(f.entrance) {
		f.entrance.close()
	}
}

// finished says that nothing is left to do.
func (f *front) finished() bool {
	return f.stopping.Load() && f.entrance.fd < 0 && f.transfers.running() == 0
}

// LocalAddr is not the address of the front, only one that the library can read.
func (f *front) LocalAddr() net.Addr { return loopback }

// ReadFrom serves until a request comes that is the library's, or until the end.
// It is the one loop of the front, and called by the library alone.
func (f *front) ReadFrom(p []byte) (int, net.Addr, error) {
	f.handing.now = nil
	for {
		if t := f.handing.next(); t != nil {
			return copy(p, t.relay.request), t.relay.addr(), nil
		}
		if f.finished() {
			// Here, between two requests: from outside it would race with the
			// library's own counting of its transfers.
			f.pin.Shutdown()
			return 0, nil, net.ErrClosed
		}
		f.turn()
	}
}

// WriteTo is never called: the library answers from sockets of its own.
func (f *front) WriteTo([]byte, net.Addr) (int, error) { return 0, net.ErrWriteToConnected }

// Close is the library's way to end ReadFrom, which ends by itself.
func (f *front) Close() error { return nil }

// SetDeadline and the other two are never called.
func (f *front) SetDeadline(time.Time) error      { return nil }
func (f *front) SetReadDeadline(time.Time) error  { return nil }
func (f *front) SetWriteDeadline(time.Time) error { return nil }
