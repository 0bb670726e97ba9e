// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// logbook collects log lines, without their times.
type logbook struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// take is what was logged since the last call.
func (l *logbook) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.lines.Reset()
	return l.lines.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestReadyHere(t *testing.T) {
	if err := Ready(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestReadyAtOnceSaysNothing(t *testing.T) {
	var log logbook
	err := ready(t.Context(), log.logger(), func() error { return nil })
	if said := log.take(); err != nil || said != "" {
		t.Errorf("error %v, log %q", err, said)
	}
}

func TestReadyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logbook
		began := time.Now()
		err := ready(t.Context(), log.logger(), func() error {
			if time.Since(began) < time.Minute {
				return unix.EAGAIN
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := `level=WARN msg="waiting for the kernel's random generator to be initialised; no key is made before"
level=INFO msg="kernel's random generator is initialised" took=1m1.15s
`
		if got := log.take(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestReadyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := ready(ctx, nil, func() error { return unix.EAGAIN }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
	})
}

func TestReadyWithoutGetrandom(t *testing.T) {
	if err := ready(t.Context(), nil, func() error { return unix.ENOSYS }); !errors.Is(err, unix.ENOSYS) {
		t.Errorf("got error %v", err)
	}
}
