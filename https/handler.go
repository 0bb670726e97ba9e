// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"cfgsrv/configfiles"
)

// handler is a Server towards who reads requests.
type handler struct{ *Server }

// ServeHTTP is serve for net/http.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r)
	if connOf(r.Context()).exchange.torn {
		panic(http.ErrAbortHandler)
	}
}

// serve answers one request, wholly from one generation, and tells of it.
func (h handler) serve(w http.ResponseWriter, r *http.Request) {
	h.working.Add(1)
	defer h.working.Add(-1)
	c := connOf(r.Context())
	c.begin()
	x := &c.exchange
	*x = exchange{
		ResponseWriter: w,
		conn:           c,
		request:        r,
		gen:            h.conf.Generation(),
		began:          time.Now(),
	}
	defer h.end(x)
	x.answer()
}

// end sends what is left, whatever happened, and tells of the request.
func (h handler) end(x *exchange) {
	if v := recover(); v != nil {
		h.log.LogAttrs(context.Background(), slog.LevelError, "panic while answering",
			slog.Any("err", v), slog.String("stack", string(debug.Stack())))
		x.giveUp(fmt.Errorf("panic: %v", v))
	}
	x.finish()
	h.tell(x.request.Context(), x.record())
}

// InProgress is how many requests are being answered.
func (s *Server) InProgress() int { return int(s.working.Load()) }

func (s *Server) tell(ctx context.Context, r configfiles.Record) {
	if s.conf.Record != nil {
		s.conf.Record(ctx, r)
	}
}

// tellRejection tells of a request that net/http answered by itself.
func (s *Server) tellRejection(c *conn, status string) {
	s.tell(context.Background(), configfiles.Record{
		Listener: s.conf.Listener,
		Remote:   c.remote,
		Outcome:  configfiles.Refused,
		Reason:   malformed,
		Err:      errors.New(status),
		Gen:      s.conf.Generation().Number,
		TLS:      c.record,
	})
}
