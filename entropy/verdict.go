// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// verdict is what a draw, a start or a stop says of the source.
type verdict struct {
	state   State
	reason  string   // a clause that continues "the random source"; may be empty
	subject *subject // what was drawn from; nil if nothing was
	samples int      // drawn
	alarm   *Alarm
	silent  bool // no source could be read
}

// publish makes a verdict known. Only Run does, so changes are logged in their
// order.
func (m *Monitor) publish(v verdict) {
	m.mu.Lock()
	was := m.report
	now := was.after(v, time.Now())
	m.report = now
	m.noteChange()
	m.mu.Unlock()

	if now.State == was.State && now.Source == was.Source {
		return
	}
	m.logChange(was, now, v.alarm)
	if now.State != was.State && m.cfg.OnChange != nil {
		m.cfg.OnChange(now.State)
	}
}

// noteChange wakes Started. The lock is held.
func (m *Monitor) noteChange() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Monitor) logChange(was, now Report, alarm *Alarm) {
	level := slog.LevelInfo
	switch now.State {
	case Degraded:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.Any("state", now.State), slog.Any("was", was.State),
		slog.String("source", now.Source), slog.Float64("min_entropy_bits", now.MinEntropyBits), slog.Uint64("samples", now.Samples),
	}
	if now.Reason != "" {
		attrs = append(attrs, slog.String("reason", now.Reason))
	}
	if alarm != nil {
		attrs = append(attrs, slog.Any("test", alarm.Test), slog.Int("count", alarm.Count), slog.Int("cutoff", alarm.Cutoff))
	}
	m.cfg.Log.LogAttrs(context.Background(), level, "random source changed state", attrs...)
}

// Healthy is nil when keys may be made. Otherwise its text is one sentence that
// says why not, for the operator. It is nil too while nobody watches; a caller
// that cares looks at the report's state.
func (m *Monitor) Healthy() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.report.refusal()
}

// Started waits until the start-up test of the Run under way, or of one to
// come, is decided, and returns what Healthy says then. While the monitor is
// stopped by Stop or Config.Inactive it is nil at once. If ctx ends before, it
// returns why.
func (m *Monitor) Started(ctx context.Context) error {
	for {
		m.mu.Lock()
		on, report, changed := m.on, m.report, m.changed
		m.mu.Unlock()
		switch {
		case !on:
			return nil
		case report.State != Stopped && report.State != Starting:
			return report.refusal()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the start-up test of the random source: %w", context.Cause(ctx))
		}
	}
}
