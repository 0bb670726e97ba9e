// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"net/netip"
	"sync"
	"time"
)

// transfers are those that run. A transfer is found by its two identifiers (RFC
// 1350 section 4): the client's address and the server's port.
type transfers struct {
	mu     sync.Mutex
	n      int
	byPeer map[netip.AddrPort]*transfer // the newest of each; those before it hang on it
	byAddr map[netip.Addr]int           // how many of each
	quiet  time.Duration                // until then nothing is due
	// What ended in this span of time and in the one before: what is late for it
	// is no fault of its client.
	ended, endedBefore map[identifiers]struct{}
}

// identifiers tell one transfer from all others.
type identifiers struct {
	peer netip.AddrPort
	port *socket
}

func newTransfers() *transfers {
	return &transfers{
		byPeer:      map[netip.AddrPort]*transfer{},
		byAddr:      map[netip.Addr]int{},
		ended:       map[identifiers]struct{}{},
		endedBefore: map[identifiers]struct{}{},
	}
}

// newest is the last transfer that peer began, or nil.
func (r *transfers) newest(peer netip.AddrPort) *transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byPeer[peer]
}

// find is the transfer of id, or nil. late says that it has just ended.
func (r *transfers) find(id identifiers) (t *transfer, late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t = r.byPeer[id.peer]; t != nil; t = t.older {
		if t.id.port == id.port {
			return t, false
		}
	}
	if _, late = r.ended[id]; !late {
		_, late = r.endedBefore[id]
	}
	return nil, late
}

// hasRoom says whether one more may run for addr.
func (r *transfers) hasRoom(addr netip.Addr, gen Generation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n < gen.maxTransfers() && r.byAddr[addr] < gen.maxPerAddress()
}

func (r *transfers) add(t *transfer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.older = r.byPeer[t.id.peer]
	r.byPeer[t.id.peer] = t
	r.byAddr[t.id.peer.Addr()]++
	r.n++
}

func (r *transfers) remove(t *transfer) {
	peer, addr := t.id.peer, t.id.peer.Addr()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch newest := r.byPeer[peer]; {
	case newest != t:
		for ; newest.older != t; newest = newest.older {
		}
		newest.older = t.older
	case t.older != nil:
		r.byPeer[peer] = t.older
	default:
		delete(r.byPeer, peer)
	}
	if r.byAddr[addr]--; r.byAddr[addr] == 0 {
		delete(r.byAddr, addr)
	}
	r.n--
	r.ended[t.id] = struct{}{}
}

// due appends to list those whose deadline is over. It does not look at them
// again before one can be: deadlines are set no sooner than leastInterval ahead.
func (r *transfers) due(now time.Duration, list []*transfer) []*transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now < r.quiet {
		return list
	}
	next := now + leastInterval
	for _, t := range r.byPeer {
		for ; t != nil; t = t.older {
			switch d := time.Duration(t.deadline.Load()); {
			case d == 0:
			case d <= now:
				list = append(list, t)
			default:
				next = min(next, d)
			}
		}
	}
	r.quiet = next
	return list
}

// all appends every one to list.
func (r *transfers) all(list []*transfer) []*transfer {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.byPeer {
		for ; t != nil; t = t.older {
			list = append(list, t)
		}
	}
	return list
}

// forget ends the span of time for which what ended is remembered.
func (r *transfers) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.endedBefore = r.endedBefore, r.ended
	clear(r.ended)
}

// idle says that none runs and nothing is remembered.
func (r *transfers) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n+len(r.ended)+len(r.endedBefore) == 0
}

// use says whether one of them uses port.
func (r *transfers) use(port *socket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.byPeer {
		for ; t != nil; t = t.older {
			if t.id.port == port {
				return true
			}
		}
	}
	return false
}

func (r *transfers) running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}
