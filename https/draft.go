// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bytes"
	"io"
	"sync"
)

const (
	smallFile = 64 << 10 // goes out with its head in one write
	headRoom  = 4 << 10
)

// buffers are for drafts, and for copying.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, smallFile+headRoom)
	return &b
}}

// begin starts the answer to a request, with a draft.
func (c *conn) begin() {
	c.conns.begin(&c.wire)
	c.answering, c.sent, c.head = true, 0, -1
	c.draft = buffers.Get().(*[]byte)
	*c.draft = (*c.draft)[:0]
}

// draftFrom reads what src has left into the draft; ok is false if it does not
// fit.
func (c *conn) draftFrom(src io.Reader) (n int64, ok bool, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok || c.draft == nil {
		return 0, false, nil
	}
	d := *c.draft
	if limited.N > int64(cap(d)-len(d)) {
		return 0, false, nil
	}
	m, err := io.ReadFull(limited.R, d[len(d):len(d)+int(limited.N)])
	*c.draft = d[:len(d)+m]
	return int64(m), true, err
}

// post sends the draft if there is one, and does without from then on.
func (c *conn) post() error {
	draft := c.draft
	if draft == nil {
		return nil
	}
	c.draft = nil
	defer buffers.Put(draft)
	if len(*draft) == 0 {
		return nil
	}
	_, err := c.send(*draft)
	return err
}

// discard drops the draft.
func (c *conn) discard() {
	if c.draft != nil {
		buffers.Put(c.draft)
		c.draft = nil
	}
}

// content is how many bytes of content the transport took.
func (c *conn) content() int64 { return max(0, c.sent-max(0, c.head)) }

func (c *conn) send(p []byte) (int, error) {
	if c.head < 0 {
		c.head = int64(bytes.Index(p, endOfHead) + len(endOfHead))
	}
	n, err := c.transport.Write(p)
	c.sent += int64(n)
	return n, c.cutOff(err)
}

var endOfHead = []byte("\r\n\r\n")

// cutOff ends the connection if a write has failed: net/http would go on to
// wait for another request.
func (c *conn) cutOff(err error) error {
	if err != nil {
		c.broken = true
		c.TCPConn.Close()
	}
	return err
}
