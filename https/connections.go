// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// state is what a connection is doing.
type state uint8

const (
	waiting state = iota // no whole request has come yet
	idle                 // between two requests
	serving              // a request is under way
	refused              // above the limits, to be answered 503
	states
)

// roster has the connections of one address, or all.
type roster [states]queue

// counted is how many connections count against a limit.
func (r *roster) counted() int { return r[waiting].n + r[idle].n + r[serving].n }

func (r *roster) isEmpty() bool { return r.counted()+r[refused].n == 0 }

// dispensable is the connection that gives way to a new one: the longest idle,
// else the one that longest has sent no whole request, unless that came after
// latest. It is nil if all are at work.
func (r *roster) dispensable(latest time.Time) *wire {
	if m := r[idle].first; m != nil {
		return m.wire
	}
	if m := r[waiting].first; m != nil && m.wire.since.Before(latest) {
		return m.wire
	}
	return nil
}

// place is what connections knows of one connection; its lock guards it.
type place struct {
	epoch     uint64 // of connections, when this one was accepted
	state     state
	since     time.Time // of the state
	asked     time.Time // read deadline that was asked for; zero is none
	overall   member
	atAddress member
	address   netip.Addr
}

// connections are the open connections of a Server: who may stay, and until
// when.
type connections struct {
	times times
	gone  chan struct{} // closed when the last one has ended after close

	mu        sync.Mutex
	epoch     uint64    // counts restarts
	closed    time.Time // zero until close
	running   int       // connections that somebody works on, the shed ones too
	all       roster
	addresses map[netip.Addr]*roster
}

func newConnections(t times) *connections {
	return &connections{times: t, gone: make(chan struct{}), addresses: make(map[netip.Addr]*roster)}
}

// addressOf is what a limit per address counts: an IPv4 address, or the /64 of
// an IPv6 one, since a host can take any address of its /64.
func addressOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// verdict is what becomes of a new connection.
type verdict uint8

const (
	admitted verdict = iota
	toRefuse         // it may stay for a 503
	overflow         // no room even for that
	tooLate          // the server is shutting down
)

// limits are a generation's numbers.
type limits struct{ all, perAddress int }

// enter decides about w, which was accepted in epoch. If another connection
// has to give way, enter returns that one, which the caller closes.
func (cs *connections) enter(w *wire, epoch uint64, most limits) (verdict, *wire) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.isClosed() {
		return tooLate, nil
	}
	here := cs.addresses[w.address]
	if here == nil {
		here = new(roster)
	}
	shed, ok := cs.makeRoom(here, most)
	v, s := admitted, waiting
	if !ok {
		if cs.all[refused].n >= maxTurnedAway {
			return overflow, nil
		}
		v, s = toRefuse, refused
	}
	cs.addresses[w.address] = here
	cs.running++
	w.epoch = epoch
	cs.move(w, s)
	return v, shed
}

// makeRoom takes one connection out if a limit is reached, and tells whether
// another may come in.
func (cs *connections) makeRoom(here *roster, most limits) (shed *wire, ok bool) {
	crowded := here
	switch {
	case here.counted() >= most.perAddress:
	case cs.all.counted() >= most.all:
		crowded = &cs.all
	default:
		return nil, true
	}
	shed = crowded.dispensable(time.Now().Add(-cs.times.patience))
	if shed == nil {
		return nil, false
	}
	cs.forget(shed)
	return shed, true
}

// shed takes the most dispensable connection out, for the caller to close; nil
// if all are at work.
func (cs *connections) shed() *wire {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	w := cs.all.dispensable(time.Now())
	if w != nil {
		cs.forget(w)
	}
	return w
}

// move needs the lock.
func (cs *connections) move(w *wire, s state) {
	w.state, w.since = s, time.Now()
	cs.all[s].push(&w.overall)
	cs.addresses[w.address][s].push(&w.atAddress)
}

// forget takes w out of the count. It needs the lock.
func (cs *connections) forget(w *wire) {
	if w.overall.in == nil {
		return
	}
	w.overall.leave()
	w.atAddress.leave()
	if cs.addresses[w.address].isEmpty() {
		delete(cs.addresses, w.address)
	}
}

// change moves w from one of two states to another, and tells whether it was
// in one of them. A connection that was shed or is to be refused stays so.
func (cs *connections) change(w *wire, to state, from ...state) bool {
	if w.overall.in == nil {
		return false
	}
	for _, s := range from {
		if w.state == s {
			cs.move(w, to)
			return true
		}
	}
	return false
}

// begin notes that a whole request has come on w.
func (cs *connections) begin(w *wire) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.change(w, serving, waiting, idle)
}

// rest notes that w has been answered and waits for another request.
func (cs *connections) rest(w *wire) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.change(w, idle, serving)
}

// stir notes that bytes have come on w.
func (cs *connections) stir(w *wire) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.change(w, waiting, idle) {
		// The deadline of the idle connection may have passed, but not that of
		// the request that saves it.
		w.asked = w.since.Add(cs.times.request)
		cs.applyDeadline(w)
	}
}

// leave notes that nobody works on w any more.
func (cs *connections) leave(w *wire) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.forget(w)
	cs.running--
	if cs.isClosed() && cs.running == 0 {
		close(cs.gone)
	}
}

// current is the epoch of connections accepted from now on.
func (cs *connections) current() uint64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.epoch
}

// mustEnd tells whether w may answer no further request.
func (cs *connections) mustEnd(w *wire) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return w.epoch != cs.epoch || w.state == refused
}

// isRefused tells whether w came above the limits.
func (cs *connections) isRefused(w *wire) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return w.state == refused
}

// setReadDeadline limits a read on w.
func (cs *connections) setReadDeadline(w *wire, t time.Time) error {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	w.asked = t
	return cs.applyDeadline(w)
}

// applyDeadline sets what was asked for, or an earlier end of ours. It needs
// the lock, so that a request and restart do not undo each other's.
func (cs *connections) applyDeadline(w *wire) error {
	t := w.asked
	if end := cs.end(w); !end.IsZero() && (t.IsZero() || end.Before(t)) {
		t = end
	}
	return w.TCPConn.SetReadDeadline(t)
}

// end is when w has to end for our own reasons; zero is never.
func (cs *connections) end(w *wire) time.Time {
	switch {
	case w.state == serving:
		return time.Time{}
	case cs.isClosed() && w.state == idle:
		return cs.closed
	case cs.isClosed():
		return cs.closed.Add(cs.times.drain)
	case w.state == refused:
		return w.since.Add(cs.times.refusal)
	case w.state == idle && w.epoch != cs.epoch:
		return w.since.Add(cs.times.grace)
	}
	return time.Time{}
}

// lastLook gives a read on w, whose deadline has passed, the time to find what
// came just before, and tells whether w is idle and so has any use for it.
func (cs *connections) lastLook(w *wire) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if w.state != idle {
		return false
	}
	return w.TCPConn.SetReadDeadline(time.Now().Add(cs.times.lastLook)) == nil
}

// restart begins a new epoch.
func (cs *connections) restart() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.epoch++
	cs.hurry(idle)
}

// close begins the last epoch, in which nobody enters.
func (cs *connections) close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.isClosed() {
		return
	}
	cs.closed = time.Now()
	cs.epoch++
	for _, s := range []state{idle, waiting, refused} {
		cs.hurry(s)
	}
	if cs.running == 0 {
		close(cs.gone)
	}
}

// hurry makes the connections in a state heed a change of their end.
func (cs *connections) hurry(s state) {
	for m := cs.all[s].first; m != nil; m = m.next {
		cs.applyDeadline(m.wire)
	}
}

func (cs *connections) isClosed() bool { return !cs.closed.IsZero() }

func (cs *connections) isClosing() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.isClosed()
}

// drain waits after close until every connection has ended. When ctx ends it
// cuts those that are left, and returns how many requests that broke off.
func (cs *connections) drain(ctx context.Context) int {
	select {
	case <-cs.gone:
		return 0
	default:
	}
	select {
	case <-cs.gone:
		return 0
	case <-ctx.Done():
	}
	n := cs.cut()
	<-cs.gone
	return n
}

func (cs *connections) cut() (requests int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for s := range cs.all {
		for m := cs.all[s].first; m != nil; m = m.next {
			m.wire.TCPConn.Close()
		}
	}
	return cs.all[serving].n
}
