// SPDX-License-Identifier: Apache-2.0

package https

import (
	"net"
	"sync"
)

// desk is where net/http takes over connections. It is a net.Listener.
type desk struct {
	addr   net.Addr
	conns  chan *conn
	closed chan struct{}
	once   sync.Once
}

func newDesk(addr net.Addr) *desk {
	return &desk{addr: addr, conns: make(chan *conn), closed: make(chan struct{})}
}

// hand gives c to net/http. It is false if nobody takes it any more.
func (d *desk) hand(c *conn) bool {
	select {
	case d.conns <- c:
		return true
	case <-d.closed:
		return false
	}
}

// Accept implements net.Listener.
func (d *desk) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (d *desk) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr implements net.Listener.
func (d *desk) Addr() net.Addr { return d.addr }
