// SPDX-License-Identifier: Apache-2.0

package https

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// front stands before net/http on one connection. It answers plain requests by
// itself, inside the Read in which net/http waits for a request: that saves half
// of what a request costs besides the system calls. From the first other request
// on, net/http has the connection to itself.
//
// Both take the same way from there, through handler; front only brings a
// request and a writer of its own.
type front struct {
	conn    *conn
	handed  bool          // the connection is net/http's
	request *http.Request // the same for all, with another path
	header  http.Header   // of the answer
	head    []byte        // the same, written
	last    bool          // the connection ends with this answer
}

// headerOrder is all that our answers have, in the order of net/http.
var headerOrder = [...]string{
	"Accept-Ranges", "Allow", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Last-Modified",
	"Retry-After", "X-Content-Type-Options",
}

// Read serves until bytes come that are net/http's, or until the end.
func (f *front) Read(p []byte) (int, error) {
	for !f.handed {
		n, err := f.conn.transport.Read(p)
		if err != nil {
			return n, err
		}
		r, ok := parsePlain(p[:n])
		if !ok {
			f.handed = true
			return n, nil
		}
		f.serve(r)
		if f.last {
			return 0, io.EOF
		}
		f.rest()
	}
	return f.conn.transport.Read(p)
}

func (f *front) serve(r plainRequest) {
	if f.request == nil {
		f.request = &http.Request{
			Method: http.MethodGet, URL: new(url.URL), Header: http.Header{}, Body: http.NoBody,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		}
		f.header = http.Header{}
	}
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
