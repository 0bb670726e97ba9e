// SPDX-License-Identifier: Apache-2.0

package https

import (
	"sync"
	"time"
)

// meter lets through a number of events per second. Scanners make thousands
// of the same, and the log is for people.
type meter struct {
	most int

	mu     sync.Mutex
	since  time.Time
	passed int
}

// pass tells whether an event that happens now gets through.
func (m *meter) pass(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.since) >= time.Second {
		m.since, m.passed = now, 0
	}
	m.passed++
	return m.passed <= m.most
}
