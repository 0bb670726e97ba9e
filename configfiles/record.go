// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"cfgsrv/device"
)

// Outcome is how a request ended, the log key "outcome" (DESIGN 6).
type Outcome string

// The outcomes of DESIGN 6.
const (
	Served   Outcome = "served"
	NotFound Outcome = "notfound"
	Refused  Outcome = "refused"
	Busy     Outcome = "busy"
	Aborted  Outcome = "aborted"
	Failed   Outcome = "error"
)

// Record is what a listener tells about one request, at its end.
type Record struct {
	Listener string // the listener's name of DESIGN 1
	Remote   netip.AddrPort
	Device   device.Name // whose file was asked for, or who proved to be asking; may be empty
	File     string      // the name as it was asked for
	As       Form        // meaningful when Outcome is Served or Aborted
	Outcome  Outcome
	Reason   string // one plain sentence; of a missing file more than the peer hears
	Err      error  // the cause, for the log only
	Bytes    int64  // bytes of content sent
	Took     time.Duration
	Gen      uint64
	TLS      *TLSRecord // nil without TLS
}

// TLSRecord is what a request's TLS connection was.
type TLSRecord struct {
	Version string // "1.2", "1.3"
	Cipher  string // the suite's IANA name
	Cert    string // the unit presented; "resumed" where none was
	Client  string // subject of the client's certificate, accepted or not
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
	if !log.Enabled(ctx, level) {
		return
	}
	a := make([]slog.Attr, 0, 16)
	a = append(a, slog.String("listener", r.Listener), slog.String("remote", r.Remote.String()))
	if r.Device != "" {
		a = append(a, slog.String("device", string(r.Device)))
	}
	a = append(a, slog.String("file", r.File))
	if r.Outcome == Served || r.Outcome == Aborted {
		a = append(a, slog.String("as", r.As.String()))
	}
	a = append(a, slog.String("outcome", string(r.Outcome)))
	if r.Reason != "" {
		a = append(a, slog.String("reason", r.Reason))
	}
	a = append(a, slog.Int64("bytes", r.Bytes), slog.Duration("took", r.Took), slog.Uint64("gen", r.Gen))
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
