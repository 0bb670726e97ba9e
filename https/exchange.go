// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cfgsrv/configfiles"
)

// The sentences that clients get, which name no path and no cause.
const (
	notFound   = "File not found"
	busy       = "The server is busy, please ask again in a few seconds."
	getOnly    = "This server answers only GET and HEAD."
	noBody     = "A request for a file carries no content."
	noSuchPart = "The file has no such part."
	ownFault   = "The server has a fault and cannot give this file."
	denied     = "This file is not for you."
	noMatch    = "The condition in the request does not hold."
	malformed  = "The request is malformed."
)

// exchange is one request and its answer. It is an http.ResponseWriter that
// sees what http.ServeContent writes.
type exchange struct {
	http.ResponseWriter
	conn    *conn
	request *http.Request
	gen     Generation
	began   time.Time

	name    configfiles.Name
	from    configfiles.Requester
	as      configfiles.Form
	outcome configfiles.Outcome
	reason  string // without what is wrong with the client's certificate
	cause   error

	status   int   // 0 until the head is written
	declared int64 // bytes of content that the head promises
	torn     bool  // the connection cannot be used further
}

// answer decides what the client gets.
func (x *exchange) answer() {
	r := x.request
	x.name.Asked = strings.TrimPrefix(r.URL.Path, "/")
	x.from = x.conn.requester(&x.gen)
	if r.ContentLength != 0 {
		x.endAfterBody()
	}
	switch {
	case x.conn.conns.isRefused(&x.conn.wire):
		x.Header().Set("Retry-After", "5")
		x.refuse(http.StatusServiceUnavailable, configfiles.Busy, busy)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		x.Header().Set("Allow", "GET, HEAD")
		x.refuse(http.StatusMethodNotAllowed, configfiles.Refused, getOnly)
	case r.ContentLength != 0:
		x.refuse(http.StatusBadRequest, configfiles.Refused, noBody)
	default:
		x.answerName()
	}
}

// endAfterBody gives the client little time for a body that nobody reads.
func (x *exchange) endAfterBody() {
	x.Header()["Connection"] = closing
	x.conn.SetReadDeadline(x.began.Add(x.conn.server.times.body))
}

func (x *exchange) answerName() {
	name, err := configfiles.ParseName(x.name.Asked)
	if err != nil {
		x.miss(err)
		return
	}
	x.name = name
	f, err := x.gen.Files.Open(x.request.Context(), configfiles.Request{Name: name, From: x.from})
	if err != nil {
		x.fail(err)
		return
	}
	defer f.Content.Close()
	x.as = f.As
	x.serve(f)
}

// serve sends f, or the part of it that is asked for.
func (x *exchange) serve(f *configfiles.File) {
	h := x.Header()
	h["Content-Type"] = contentType(x.name.Asked)
	h["X-Content-Type-Options"] = noSniff
	if x.name.Device != "" || f.As != configfiles.Plain || x.name.List != configfiles.NoList {
		h["Cache-Control"] = noStore
	}
	x.outcome = configfiles.Served
	if _, plain := x.ResponseWriter.(*front); plain && f.Data != nil {
		x.serveWhole(f)
		return
	}
	// Several parts at once are a way to make us send more than the file.
	if r := x.request.Header; strings.Contains(r.Get("Range"), ",") {
		r.Del("Range")
	}
	http.ServeContent(x, x.request, "", f.ModTime, f.Content)
	if x.outcome == configfiles.Refused {
		x.say(x.reason)
	}
}

// serveWhole does what http.ServeContent does for a request without conditions.
func (x *exchange) serveWhole(f *configfiles.File) {
	h := x.Header()
	h["Accept-Ranges"] = inBytes
	h["Content-Length"] = []string{strconv.FormatInt(f.Size, 10)}
	if t := f.ModTime; !t.IsZero() && !t.Equal(time.Unix(0, 0)) {
		h["Last-Modified"] = []string{t.UTC().Format(http.TimeFormat)}
	}
	x.WriteHeader(http.StatusOK)
	if _, err := x.ResponseWriter.Write(f.Data); err != nil {
		x.cause = err
	}
}

// fail answers for an error of the source: the one table from errors to what
// the client may know.
func (x *exchange) fail(err error) {
	reason := &configfiles.DeniedError{Reason: denied}
	switch {
	case errors.As(err, &reason), errors.Is(err, configfiles.ErrDenied):
		x.refuse(http.StatusForbidden, configfiles.Refused, reason.Reason)
	case errors.Is(err, fs.ErrNotExist):
		x.miss(err)
	case errors.Is(err, context.Canceled) && x.request.Context().Err() != nil:
		x.cause = err
		x.refuse(http.StatusInternalServerError, configfiles.Aborted, ownFault)
	default:
		x.cause = err
		x.refuse(http.StatusInternalServerError, configfiles.Failed, ownFault)
	}
}

// miss answers that there is no such file. Why is for the log.
func (x *exchange) miss(err error) {
	x.refuse(http.StatusNotFound, configfiles.NotFound, notFound)
	x.reason = ""
	if missing := (*configfiles.NotFoundError)(nil); errors.As(err, &missing) {
		x.reason = missing.Reason
	}
}

// refuse answers with one sentence.
func (x *exchange) refuse(status int, o configfiles.Outcome, sentence string) {
	x.promise(o, sentence)
	x.WriteHeader(status)
	x.say(sentence)
}

// promise makes the head fit an answer of one sentence.
func (x *exchange) promise(o configfiles.Outcome, sentence string) {
	x.outcome, x.reason = o, sentence
	h := x.Header()
	h["Content-Type"] = plainText
	h["X-Content-Type-Options"] = noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(sentence) + 1)}
}

func (x *exchange) say(sentence string) { io.WriteString(x.ResponseWriter, sentence+"\n") }

// WriteHeader completes the head of every answer.
func (x *exchange) WriteHeader(status int) {
	x.status = status
	h := x.Header()
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		x.promise(configfiles.Refused, noSuchPart)
	case http.StatusPreconditionFailed:
		x.promise(configfiles.Refused, noMatch)
	}
	if status >= http.StatusBadRequest {
		h["Cache-Control"] = noStore
	}
	if x.conn.conns.mustEnd(&x.conn.wire) {
		h["Connection"] = closing
	}
	x.declared, _ = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	x.ResponseWriter.WriteHeader(status)
}

// Write drops what http.ServeContent says in its own words.
func (x *exchange) Write(p []byte) (int, error) { return len(p), nil }

// ReadFrom sends content: a small one with the head, at once.
func (x *exchange) ReadFrom(src io.Reader) (int64, error) {
	limited, ok := src.(*io.LimitedReader)
	if _, ours := x.ResponseWriter.(*front); ours || !ok || limited.N > smallFile {
		return x.stream(src)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	p := (*buf)[:limited.N]
	n, err := io.ReadFull(limited.R, p)
	x.cause = err
	n, err = x.ResponseWriter.Write(p[:n])
	return int64(n), err
}

// stream sends what does not fit into one write of net/http.
func (x *exchange) stream(src io.Reader) (int64, error) {
	n, err := x.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	if err != nil {
		x.cause = err
	}
	return n, err
}

// giveUp ends an answer that failed in our own hands.
func (x *exchange) giveUp(cause error) {
	if x.status == 0 {
		x.refuse(http.StatusInternalServerError, configfiles.Failed, ownFault)
	} else {
		x.outcome, x.torn = configfiles.Failed, true
	}
	x.cause = cause
}

// finish sends what has not left yet, and finds out whether all has.
func (x *exchange) finish() {
	err := http.NewResponseController(x.ResponseWriter).Flush()
	if err == nil {
		err = x.conn.post()
	}
	x.conn.discard()
	if x.outcome != configfiles.Served || x.isWhole() {
		return
	}
	x.torn = true
	x.outcome = configfiles.Failed
	if x.conn.broken {
		x.outcome = configfiles.Aborted
	}
	if x.cause == nil {
		x.cause = err
	}
}

// isWhole tells whether all has been sent that the head promises.
func (x *exchange) isWhole() bool {
	switch {
	case x.conn.broken:
		return false
	case x.request.Method == http.MethodHead, x.status == http.StatusNotModified:
		return true
	}
	return x.conn.content() == x.declared
}

func (x *exchange) record() configfiles.Record {
	r := configfiles.Record{
		Listener: x.conn.server.conf.Listener,
		Remote:   x.conn.remote,
		Device:   x.name.Device,
		File:     x.name.Asked,
		As:       x.as,
		Outcome:  x.outcome,
		Reason:   x.reason,
		Err:      x.cause,
		Bytes:    x.conn.content(),
		Took:     time.Since(x.began),
		Gen:      x.gen.Number,
		TLS:      x.conn.record,
	}
	if r.Device == "" {
		r.Device = x.from.Device
	}
	if why := x.from.Unproved; why != "" && !strings.Contains(r.Reason, why) {
		r.Reason = strings.TrimSpace(r.Reason + " The client certificate was not accepted: " + why + ".")
	}
	return r
}
