// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"sync"
	"time"

	"cfgsrv/device"
)

// guesses slow down whoever tries authentication strings one after the other:
// four digits would be found within minutes.
type guesses struct {
	mu    sync.Mutex
	taken map[device.Name]guess
}

type guess struct {
	count int
	last  time.Time
}

const (
	maxGuesses  = 5
	guessesRest = time.Minute // after maxGuesses wrong ones; then there are as many again
)

// take tells whether a string may be compared now. It counts as wrong until
// right is called.
func (g *guesses) take(n device.Name, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.taken[n]
	if now.Sub(t.last) >= guessesRest {
		t.count = 0
	}
	if t.count == maxGuesses {
		return false
	}
	if g.taken == nil {
		g.taken = make(map[device.Name]guess)
	}
	g.taken[n] = guess{t.count + 1, now}
	return true
}

func (g *guesses) right(n device.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.taken, n)
}
