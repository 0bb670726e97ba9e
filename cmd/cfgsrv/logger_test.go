// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

var servedRecord = configfiles.Record{
	Listener: "http", Remote: netip.MustParseAddrPort("192.0.2.7:50123"), Device: "SEP001122334455",
	File: "SEP001122334455.cnf.xml", Outcome: configfiles.Served, Bytes: 12345, Took: 1250 * time.Microsecond, Gen: 3,
}

// TestTookSaysItsUnit sees that took reads the same in both formats.
func TestTookSaysItsUnit(t *testing.T) {
	for format, want := range map[string]string{"json": `"took":"1.25ms"`, "text": "took=1.25ms"} {
		var out bytes.Buffer
		log := newLogger(&out, format, slog.LevelInfo)
		servedRecord.Log(t.Context(), log)
		log.With("took", 1250*time.Microsecond).Info("listener stopped")
		if got := out.String(); strings.Count(got, want) != 2 || strings.Count(got, "took") != 2 {
			t.Errorf("%s: want %s twice, got %s", format, want, got)
		}
	}
}

func BenchmarkRecordAsJSON(b *testing.B) {
	for _, bench := range []struct {
		name string
		log  *slog.Logger
	}{
		{"ours", newLogger(io.Discard, "json", slog.LevelInfo)},
		{"plain", slog.New(slog.NewJSONHandler(io.Discard, nil))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				servedRecord.Log(b.Context(), bench.log)
			}
		})
	}
}
