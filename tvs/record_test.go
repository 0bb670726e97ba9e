// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"
)

func TestRecordLog(t *testing.T) {
	full := Record{
		Listener: "tvs", Remote: netip.MustParseAddrPort("192.0.2.1:1024"), Device: "CP-8861-SEP001122334455",
		Outcome: Served, Reason: "done", Bytes: 12, Took: time.Second, Gen: 7, TLS: &TLSRecord{"1.2", "SUITE", "TVS", "CN=SEP001122334455"},
	}
	bare := Record{Listener: "tvs", Outcome: Failed, Reason: "a fault of ours", Err: errors.New("disk full")}
	busy := Record{Listener: "tvs", Outcome: Busy}
	for want, r := range map[string]Record{
		"level=INFO msg=request listener=tvs remote=192.0.2.1:1024 device=CP-8861-SEP001122334455 outcome=served reason=done bytes=12 took=1s gen=7 tls=1.2 cipher=SUITE cert=TVS client=\"CN=SEP001122334455\"\n": full,
		"level=ERROR msg=request listener=tvs remote=\"invalid AddrPort\" outcome=error reason=\"a fault of ours\" bytes=0 took=0s gen=0 err=\"disk full\"\n":                                                      bare,
		"level=WARN msg=request listener=tvs remote=\"invalid AddrPort\" outcome=busy reason=\"\" bytes=0 took=0s gen=0\n":                                                                                         busy,
	} {
		var b bytes.Buffer
		r.Log(t.Context(), slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
		if got := b.String(); got != want {
			t.Errorf("Log wrote\n%swant\n%s", got, want)
		}
	}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
