// SPDX-License-Identifier: Apache-2.0

package tftp

import "sync"

// queue hands transfers from one goroutine to others. It has no limit of its
// own: what it holds is limited where requests are admitted.
type queue struct {
	mu     sync.Mutex
	filled sync.Cond
	items  []*transfer
	head   int
	taken  uint64
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.filled.L = &q.mu
	return q
}

func (q *queue) put(t *transfer) {
	q.mu.Lock()
	q.items = append(q.items, t)
	q.mu.Unlock()
	q.filled.Signal()
}

// take waits for the next one, or returns nil when the queue is closed and
// empty.
func (q *queue) take() *transfer {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == len(q.items) {
		if q.closed {
			return nil
		}
		q.filled.Wait()
	}
	t := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	q.taken++
	if 2*q.head >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return t
}

// state is how many wait, and how many were ever taken.
func (q *queue) state() (waiting int, taken uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head, q.taken
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}
