// SPDX-License-Identifier: Apache-2.0

package https

// queue holds connections in the order in which they came to it. It is a list
// of its own because a connection changes queues several times per request,
// and container/list allocates each time.
type queue struct {
	first, last *member
	n           int
}

// member is the place of one connection in at most one queue.
type member struct {
	wire       *wire
	in         *queue
	prev, next *member
}

// push moves m from where it is to the end of q.
func (q *queue) push(m *member) {
	m.leave()
	m.in, m.prev = q, q.last
	if q.last == nil {
		q.first = m
	} else {
		q.last.next = m
	}
	q.last = m
	q.n++
}

func (m *member) leave() {
	q := m.in
	if q == nil {
		return
	}
	if m.prev == nil {
		q.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		q.last = m.prev
	} else {
		m.next.prev = m.prev
	}
	m.in, m.prev, m.next = nil, nil, nil
	q.n--
}
