// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"cfgsrv/configfiles"
)

const (
	reasonShutdown  = "the server is shutting down"
	reasonMovedOn   = "the client asked for another file"
	reasonSilent    = "the client stopped answering"
	reasonLastBlock = "the client did not acknowledge the last block; it may have it"
	reasonNetwork   = "the network does not carry the answer"
	reasonGivenUp   = "the client gave up"
)

const (
	// clientPatience is how long a client may say nothing before it is given up, or
	// clientIntervals of the interval that it asked for, if that is more.
	clientPatience  = 5 * time.Second
	clientIntervals = 4
	// grace is how long a transfer that its client seems to have left waits for
	// an acknowledgement that is still on the way.
	grace = 250 * time.Millisecond
)

// phase is how far a transfer has come.
type phase uint8

const (
	opening  phase = iota // its file is being looked for
	sending               // this package sends it
	handedOn              // the library sends it
	ended
)

// transfer is one request and what follows from it.
type transfer struct {
	id      identifiers
	path    path
	request request
	gen     Generation
	begun   time.Time
	older   *transfer // of the same client; guarded by transfers

	// deadline is when something must be done about it, in the front's time;
	// zero is never.
	deadline atomic.Int64

	// apart says that the kernel cannot cut windows on the way to the client.
	apart atomic.Bool

	mu      sync.Mutex
	phase   phase
	reading bool // a worker reads on in stream, which nobody else may touch
	left    bool // its client has asked for something else since
	record  configfiles.Record
	options options
	oack    []byte
	stream  stream
	window  window
	rtt     rtt
	sentAt  time.Duration // when the last window was sent; zero if not for the first time
	heardAt time.Duration // when the client last carried it on
	relay   *relay        // when handedOn
}

// hasBegun says that the client has answered.
func (t *transfer) hasBegun() bool {
	switch t.phase {
	case sending:
		return t.window.begun()
	case handedOn:
		return t.relay.begun.Load()
	}
	return false
}

// start begins to send what s holds, with the options that were granted.
func (f *front) start(t *transfer, granted options, s stream, out *sender) {
	t.phase = sending
	t.options, t.stream = granted, s
	t.window = newWindow(granted, s.size)
	t.rtt.agreed = granted.interval()
	if granted.any() {
		t.oack = granted.oack(s.size)
	}
	t.heardAt = f.now()
	f.advance(t, out)
}

// receive takes a datagram of t's client.
func (f *front) receive(t *transfer, p []byte, out *sender) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.phase == ended:
	case t.phase == handedOn:
		t.relay.begun.Store(true)
		t.left = false
		t.deadline.Store(0)
		t.relay.toLibrary(p)
	case opcode(p) == opERROR:
		f.end(t, &abortedError{reasonGivenUp, remoteError(p)}, out)
	case opcode(p) == opACK && t.phase == sending:
		f.acknowledged(t, block(p), out)
	}
}

func (f *front) acknowledged(t *transfer, block uint16, out *sender) {
	switch t.window.acknowledge(block) {
	case nothingNew:
		return
	case gap:
		// Sooner it is a copy of the one before: what it would tell about was
		// not there yet.
		if t.sentAt == 0 || f.now()-t.sentAt < t.rtt.smoothed/2 {
			return
		}
		t.window.believe()
		t.sentAt = 0
	case progress:
		f.heard(t)
		if t.window.done() {
			f.end(t, nil, out)
			return
		}
	}
	f.advance(t, out)
}

// heard notes that the client carries t on.
func (f *front) heard(t *transfer) {
	now := f.now()
	if t.sentAt > 0 {
		t.rtt.sample(now - t.sentAt) // not of what was sent twice: RFC 6298 section 3
	}
	t.rtt.heard()
	t.heardAt, t.sentAt, t.left = now, now, false
}

// advance sends what the window allows, and sets when to be disappointed.
func (f *front) advance(t *transfer, out *sender) {
	if t.reading {
		return // the worker will
	}
	first, count := t.window.next()
	size := int64(t.options.blockSize())
	switch end := (first + count - 1) * size; {
	case first == 0:
		out.packetOf(t, t.oack)
	case !t.stream.holds(end):
		out.send() // the worker changes what is kept
		t.reading = true
		t.deadline.Store(0)
		f.work.put(t)
		return
	default:
		out.blocks(t, first, count, int(size), t.stream.slice((first-1)*size, end))
	}
	t.window.advance(count)
	t.deadline.Store(int64(f.now() + t.rtt.interval()))
}

// readOn lets one worker read the next part of t's file.
func (f *front) readOn(t *transfer, out *sender) {
	t.mu.Lock()
	from := max(t.window.acked, 0) * int64(t.options.blockSize())
	t.mu.Unlock()
	err := recovering(func() error { return t.stream.read(from) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = false
	switch {
	case t.phase == ended:
		t.stream.close()
	case err != nil:
		f.end(t, err, out)
	default:
		t.heardAt = f.now() // the delay was ours
		t.sentAt = t.heardAt
		f.advance(t, out)
	}
}

// expire does what t's deadline is for.
func (f *front) expire(t *transfer, out *sender) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := f.now()
	if d := t.deadline.Load(); t.phase == ended || d == 0 || d > int64(now) {
		return
	}
	switch {
	case t.phase == handedOn:
		f.end(t, &abortedError{reasonMovedOn, nil}, out)
	case t.left:
		f.end(t, t.abandoned(reasonMovedOn), out)
	case now-t.heardAt >= max(clientPatience, clientIntervals*t.rtt.agreed):
		f.end(t, t.abandoned(reasonSilent), out)
	default:
		t.rtt.expired()
		f.resend(t, out)
	}
}

// abandoned is the error of a client that went away, for this reason or after
// it had everything.
func (t *transfer) abandoned(reason string) error {
	if t.phase == sending && t.window.complete() {
		reason = reasonLastBlock
	}
	return &abortedError{reason, nil}
}

// resend sends once more what was not acknowledged.
func (f *front) resend(t *transfer, out *sender) {
	t.window.rewind()
	t.sentAt = 0
	f.advance(t, out)
}

// cannotSend ends t when the network takes nothing.
func (f *front) cannotSend(t *transfer, err error, out *sender) {
	if errors.Is(err, unix.EMSGSIZE) {
		f.mtu.forget(t.id.peer) // the next request gets smaller blocks
	}
	f.end(t, &abortedError{reasonNetwork, err}, out)
}

// end ends t as err says, with an ERROR to its client if that is due.
func (f *front) end(t *transfer, err error, out *sender) {
	if t.phase == ended {
		return
	}
	r := replyTo(err)
	if r.outcome != configfiles.Served && r.outcome != configfiles.Aborted {
		// Whether it arrives the client alone knows: RFC 1350 section 7.
		out.packet(t.id.port, &t.path, errorPacket(r.code, r.reason))
		if t.id.port == f.entrance {
			out.send() // which is closed when nobody uses it any more
		}
	}
	if t.phase == sending {
		t.record.Bytes = min(max(t.window.high, 0)*int64(t.options.blockSize()), t.stream.size)
	}
	if !t.reading {
		t.stream.close()
		t.stream.kept = nil
	}
	if t.phase == handedOn {
		t.relay.toLibrary(errorPacket(codeUndefined, "ended"))
	}
	t.phase = ended
	t.deadline.Store(0)
	t.record.Outcome = r.outcome
	t.record.Reason, t.record.Err = r.told()
	t.record.Took = time.Since(t.begun)
	f.transfers.remove(t)
	f.records.put(t)
}

// cutShort ends t because the server ends.
func (f *front) cutShort(t *transfer, out *sender) {
	if t.phase != ended {
		out.packet(t.id.port, &t.path, errorPacket(codeUndefined, reasonShutdown))
		f.end(t, &abortedError{reasonShutdown, nil}, out)
	}
}

// refuse ends t, which was not admitted.
func (f *front) refuse(t *transfer, err error) {
	r := replyTo(err)
	f.out.packet(t.id.port, &t.path, errorPacket(r.code, r.reason))
	t.phase = ended
	t.record.Outcome = r.outcome
	t.record.Reason, t.record.Err = r.told()
	t.record.Took = time.Since(t.begun)
	f.records.put(t)
}
