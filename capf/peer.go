// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"fmt"
	"net"
	"time"

	"cfgsrv/capf/internal/wire"
)

// peer is the other side of a session, as the server and the client see it.
type peer struct {
	conn    net.Conn
	session uint32
	limit   time.Duration // for a message, from its first awaited byte to its last
	sent    int64         // bytes
}

// send writes one message in one write: the phones' client stalls on two
// (FORMATS 6.1).
func (p *peer) send(c wire.Command, e ...wire.Element) error {
	b, err := wire.Message{Command: c, Session: p.session, Elements: e}.Marshal()
	if err != nil {
		return err
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return err
	}
	n, err := p.conn.Write(b)
	p.sent += int64(n)
	return err
}

// receive reads the next message within the time limit for one.
func (p *peer) receive() (wire.Message, error) {
	return p.receiveUntil(time.Now().Add(p.limit))
}

func (p *peer) receiveUntil(end time.Time) (wire.Message, error) {
	if err := p.conn.SetReadDeadline(end); err != nil {
		return wire.Message{}, err
	}
	return wire.Read(p.conn)
}

// expect reads the answer of a kind.
func (p *peer) expect(c wire.Command) (wire.Message, error) {
	m, err := p.receive()
	if err != nil {
		return m, err
	}
	return m, p.check(m, c)
}

// check tells whether a message belongs to the session and is of a kind.
func (p *peer) check(m wire.Message, c wire.Command) error {
	if m.Session != p.session {
		return fmt.Errorf("%w of this session", wire.ErrSyntax)
	}
	if m.Command != c {
		return fmt.Errorf("%w that belongs here: command %d", wire.ErrSyntax, m.Command)
	}
	return nil
}
