// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Outcome is how a request ended, the log key "outcome" (DESIGN 6).
type Outcome string

// The outcomes.
const (
	Served   Outcome = "served"   // the certificate is trusted
	NotFound Outcome = "notfound" // it is not
	Refused  Outcome = "refused"  // what came was no request
	Busy     Outcome = "busy"
	Aborted  Outcome = "aborted" // by the phone, or it said nothing
	Failed   Outcome = "error"
)

// Record is what a listener tells about one request, at its end, or about a
// connection that came to none.
type Record struct {
	Listener string
	Remote   netip.AddrPort
	Device   string // as the phone names itself; nothing proves it
	Outcome  Outcome
	Reason   string // one plain sentence
	Err      error  // the cause, for the log only
	Bytes    int64  // sent
	Took     time.Duration
	Gen      uint64
	TLS      *TLSRecord // nil without a handshake
}

// TLSRecord is what a request's TLS connection was.
type TLSRecord struct {
	Version string // "1.2", "1.3"
	Cipher  string // the suite's IANA name
	Cert    string // the unit presented
	Client  string // subject of the client's certificate, which nobody checks
}

// Log writes r with the keys of DESIGN 6.
func (r Record) Log(ctx context.Context, log *slog.Logger) {
	level := slog.LevelInfo
	switch r.Outcome {
	case Busy:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	a := []slog.Attr{slog.String("listener", r.Listener), slog.String("remote", r.Remote.String())}
	if r.Device != "" {
		a = append(a, slog.String("device", r.Device))
	}
	a = append(a, slog.String("outcome", string(r.Outcome)), slog.String("reason", r.Reason),
		slog.Int64("bytes", r.Bytes), slog.Duration("took", r.Took), slog.Uint64("gen", r.Gen))
	if t := r.TLS; t != nil {
		a = append(a, slog.String("tls", t.Version), slog.String("cipher", t.Cipher), slog.String("cert", t.Cert))
		if t.Client != "" {
			a = append(a, slog.String("client", t.Client))
		}
	}
	if r.Err != nil {
		a = append(a, slog.Any("err", r.Err))
	}
	log.LogAttrs(ctx, level, "request", a...)
}
