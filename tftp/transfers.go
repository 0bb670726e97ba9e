// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"net/netip"
	"sync"
)

// transfers are those that run. The zero value is ready.
type transfers struct {
	mu     sync.Mutex
	closed bool
	all    map[*transfer]struct{}
	byPeer map[netip.AddrPort]*transfer // the newest of each
	byAddr map[netip.Addr]int           // how many of each
}

// admit lets t run, or returns errBusy or errRepeated. What was admitted must be
// removed.
//
// A request that comes again from the same address and port for the same name,
// while its transfer runs, is a repeated one: the network doubled it, or the
// first answer was lost and will be sent again. A second stream would only
// confuse the client, so it gets no answer of its own (RFC 1350 section 4). If it
// asks for another name, the client has moved on. Then older is the transfer
// that it left; the acknowledgement of its last block may still be on the way.
func (r *transfers) admit(t *transfer, gen Generation) (older *transfer, err error) {
	addr := t.peer.Addr()
	r.mu.Lock()
	defer r.mu.Unlock()
	older = r.byPeer[t.peer]
	switch {
	case older != nil && older.asked == t.asked:
		return nil, errRepeated
	case r.closed, len(r.all) >= gen.maxTransfers(), r.byAddr[addr] >= gen.maxPerAddress():
		return nil, errBusy
	}
	if r.all == nil {
		r.all = map[*transfer]struct{}{}
		r.byPeer = map[netip.AddrPort]*transfer{}
		r.byAddr = map[netip.Addr]int{}
	}
	r.all[t] = struct{}{}
	r.byPeer[t.peer] = t
	r.byAddr[addr]++
	return older, nil
}

func (r *transfers) remove(t *transfer) {
	addr := t.peer.Addr()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, t)
	if r.byPeer[t.peer] == t {
		delete(r.byPeer, t.peer)
	}
	if r.byAddr[addr]--; r.byAddr[addr] == 0 {
		delete(r.byAddr, addr)
	}
	close(t.removed)
}

// failing ends the transfer of peer and name before the library tells the
// client about err in its own way.
func (r *transfers) failing(peer netip.AddrPort, name string, err error) {
	r.mu.Lock()
	t := r.byPeer[peer]
	r.mu.Unlock()
	if t != nil && t.asked == name {
		t.failing(err)
	}
}

// cut ends every transfer with an ERROR, and admits no more.
func (r *transfers) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for t := range r.all {
		t.refuse(codeUndefined, reasonShutdown)
		t.cut(reasonShutdown)
	}
}
