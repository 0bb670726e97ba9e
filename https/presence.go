// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// presence is the context of a request that front answers. It ends with the
// request, or when the client hangs up. Only from the first call of Done on does
// anybody watch for that: most sources never call it.
type presence struct {
	context.Context // of the connection
	wire            *wire

	mu      sync.Mutex
	done    chan struct{} // nil until somebody asks
	err     error
	watched chan struct{} // closed when nobody watches any more
	over    atomic.Bool   // the request has ended
}

// Done implements context.Context.
func (p *presence) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return p.done
	}
	p.done = make(chan struct{})
	if p.err != nil {
		close(p.done)
		return p.done
	}
	p.watched = make(chan struct{})
	_ = p.wire.SetReadDeadline(time.Time{}) // before end can set one
	go p.watch()
	return p.done
}

// Err implements context.Context.
func (p *presence) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// watch waits until the client hangs up, the connection is cut, or end.
func (p *presence) watch() {
	defer close(p.watched)
	if raw, err := p.wire.SyscallConn(); err == nil {
		// An error is a deadline, and that is set only where all ends.
		_ = raw.Read(func(fd uintptr) bool { return p.over.Load() || hasHungUp(int(fd)) })
	}
	p.cancel()
}

// end ends p with its request, and returns when nobody watches any more.
func (p *presence) end() {
	p.over.Store(true)
	p.cancel()
	p.mu.Lock()
	watched := p.watched
	p.mu.Unlock()
	if watched != nil {
		_ = p.wire.TCPConn.SetReadDeadline(time.Unix(1, 0)) // wakes watch
		<-watched
	}
}

func (p *presence) cancel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = context.Canceled
	if p.done != nil {
		close(p.done)
	}
}

// hasHungUp tells whether the peer has ended its side.
func hasHungUp(fd int) bool {
	state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(state, 0)
	return err == nil && n > 0
}
