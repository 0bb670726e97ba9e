// SPDX-License-Identifier: Apache-2.0

package https

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// bulkSize is how many bytes of a large file go out in one write. crypto/tls
	// makes a write of each 16 KiB, which costs a third of the time.
	bulkSize = 256 << 10
	// bulkRoom is for as many and what TLS adds.
	bulkRoom = bulkSize + bulkSize/64
	// maxBulks bounds the memory for it to 16 MB. Whoever comes when it is taken
	// is served in smaller pieces.
	maxBulks = 32
)

// bulk is memory to send large files over TLS.
type bulk struct {
	plain   [bulkSize]byte
	records []byte
}

// bulks lends at most maxBulks at a time.
type bulks struct {
	lent atomic.Int32
	pool sync.Pool
}

// borrow returns nil if too many are lent.
func (p *bulks) borrow() *bulk {
	if p.lent.Add(1) > maxBulks {
		p.lent.Add(-1)
		return nil
	}
	if b, ok := p.pool.Get().(*bulk); ok {
		return b
	}
	return &bulk{records: make([]byte, 0, bulkRoom)}
}

func (p *bulks) giveBack(b *bulk) {
	p.pool.Put(b)
	p.lent.Add(-1)
}

// sendBulk sends what src has left with the memory of b. Nobody else may use
// the connection at the same time, not even to read from it.
func (c *conn) sendBulk(src io.Reader, b *bulk) (sent int64, err error) {
	if err := c.post(); err != nil {
		return 0, err
	}
	for {
		n, err := io.ReadFull(src, b.plain[:])
		if n > 0 {
			m, err := c.sendRecords(b, b.plain[:n])
			sent += m
			if err != nil {
				return sent, err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // src has no more
			return sent, nil
		case err != nil:
			return sent, err
		}
	}
}

// sendRecords sends p and returns how many bytes of it the kernel took, about
// that many if not all.
func (c *conn) sendRecords(b *bulk, p []byte) (int64, error) {
	c.gathered = b.records[:0]
	_, err := c.secure.Write(p)
	b.records, c.gathered = c.gathered, nil
	if err != nil {
		return 0, c.cutOff(err)
	}
	n, err := c.put(b.records)
	taken := int64(len(p)) * int64(n) / int64(len(b.records))
	c.sent += taken
	return taken, c.cutOff(err)
}
