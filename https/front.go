// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// front stands before net/http. It answers the plain requests of a connection by
// itself, which saves half of what a request costs besides the system calls. From
// the first other request on, net/http has the connection to itself.
//
// Both take the same way from there, through handler; front only brings a
// request and a writer of its own. It serves one connection after another.
type front struct {
	conn    *conn
	in      [4 << 10]byte
	request *http.Request // the same for all, with another path
	header  http.Header   // of the answer
	head    []byte        // the same, written
	last    bool          // the connection ends with this answer
}

func newFront() *front {
	return &front{
		request: &http.Request{
			Method: http.MethodGet, URL: new(url.URL), Header: http.Header{}, Body: http.NoBody,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		},
		header: http.Header{},
	}
}

// headerOrder is all that our answers have, in the order of net/http.
var headerOrder = [...]string{
	"Accept-Ranges", "Allow", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Last-Modified",
	"Retry-After", "X-Content-Type-Options",
}

// serve answers what is plain on c. It is true when something else has come, and
// false at the end of c.
func (f *front) serve(c *conn) (other bool) {
	f.conn = c
	defer func() { f.conn = nil }()
	for {
		n, err := c.transport.Read(f.in[:])
		if n == 0 && err != nil {
			return false
		}
		r, ok := parsePlain(f.in[:n])
		if !ok {
			c.pending, c.headBy = bytes.Clone(f.in[:n]), c.asked
			return true
		}
		f.answer(r)
		if f.last {
			return false
		}
		f.rest()
	}
}

func (f *front) answer(r plainRequest) {
	clear(f.header)
	f.request.URL.Path, f.request.Close = r.path, r.close
	f.last = r.close
	client := &presence{Context: f.conn.context, wire: &f.conn.wire}
	defer client.end()
	handler{f.conn.server}.serve(f, f.request.WithContext(client))
	f.last = f.last || f.conn.exchange.torn
}

// rest is what net/http does between two requests.
func (f *front) rest() {
	f.conn.rest()
	f.conn.SetReadDeadline(time.Now().Add(f.conn.server.times.idle))
}

// Header implements http.ResponseWriter.
func (f *front) Header() http.Header { return f.header }

// WriteHeader writes the head. It must have a Content-Length, or the connection
// ends.
func (f *front) WriteHeader(status int) {
	if f.header["Content-Length"] == nil || f.last {
		f.header["Connection"] = closing
	}
	f.last = f.header["Connection"] != nil
	head := append(f.head[:0], "HTTP/1.1 "...)
	head = strconv.AppendInt(head, int64(status), 10)
	head = append(head, ' ')
	head = append(head, http.StatusText(status)...)
	head = append(head, "\r\n"...)
	for _, name := range headerOrder {
		for _, value := range f.header[name] {
			head = append(head, name...)
			head = append(head, ": "...)
			head = append(head, value...)
			head = append(head, "\r\n"...)
		}
	}
	head = append(head, "Date: "...)
	head = time.Now().UTC().AppendFormat(head, http.TimeFormat)
	head = append(head, "\r\n\r\n"...)
	f.head = head
	_, _ = f.conn.Write(head) // what becomes of it the end of the exchange finds out
}

// Write sends content, or keeps it for as long as all fits into one write.
func (f *front) Write(p []byte) (int, error) { return f.conn.Write(p) }

// ReadFrom sends content that is small in one piece with the head.
func (f *front) ReadFrom(src io.Reader) (int64, error) {
	if n, ok, err := f.conn.draftFrom(src); ok {
		return n, err
	}
	if f.conn.secure != nil {
		if b := f.conn.server.bulks.borrow(); b != nil {
			defer f.conn.server.bulks.giveBack(b)
			return f.conn.sendBulk(src, b)
		}
	}
	return f.conn.ReadFrom(src)
}

// FlushError does nothing: the exchange sends what is kept.
func (f *front) FlushError() error { return nil }
