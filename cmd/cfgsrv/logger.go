// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// newLogger makes the log of DESIGN 6 on w. The level may change while the
// server runs; the format is for the life of the process.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	terminal := isTerminal(w)
	if format == "" {
		format = "json"
		if terminal {
			format = "text"
		}
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	o := &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !terminal || os.Getenv("NO_COLOR") != ""}
	if os.Getenv("JOURNAL_STREAM") != "" { // the journal has the time already
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(tint.NewTextHandler(w, o))
}

func isTerminal(v any) bool {
	if l, ok := v.(*logWriter); ok {
		v = l.w
	}
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logLevel is the level of a word that settings.check has allowed.
func logLevel(word string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(word)); err != nil {
		return slog.LevelInfo
	}
	return l
}
