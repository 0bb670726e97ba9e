// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"net/netip"
	"sync"
)

// gate counts connections, so that neither all of them nor those of one address
// become too many.
type gate struct {
	maxTotal, maxPerAddress int

	mu    sync.Mutex
	total int
	at    map[netip.Addr]int
}

func newGate(maxTotal, maxPerAddress int) *gate {
	return &gate{maxTotal: maxTotal, maxPerAddress: maxPerAddress, at: make(map[netip.Addr]int)}
}

// enter tells whether one more may come in; then leave is due.
func (g *gate) enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.total == g.maxTotal || g.at[a] == g.maxPerAddress {
		return false
	}
	g.total++
	g.at[a]++
	return true
}

func (g *gate) leave(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.at[a]--; g.at[a] == 0 {
		delete(g.at, a)
	}
}

func (g *gate) inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}
