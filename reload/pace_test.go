// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// due is a run: when, and why.
type due struct {
	At     time.Duration
	Reason string
}

// every lists times from start up to end.
func every(period, start, end time.Duration) []time.Duration {
	var all []time.Duration
	for at := start; at <= end; at += period {
		all = append(all, at)
	}
	return all
}

func TestPaceWait(t *testing.T) {
	for _, tt := range []struct {
		name     string
		events   []time.Duration
		triggers []due
		until    time.Duration
		want     []due
	}{
		{
			name:  "nothing happens",
			until: 150 * time.Second,
			want:  []due{{60 * time.Second, Timer}, {120 * time.Second, Timer}},
		}, {
			name:   "one event",
			events: []time.Duration{0},
			until:  10 * time.Second,
			want:   []due{{500 * ms, Change}},
		}, {
			name:   "several events are one run",
			events: []time.Duration{0, 100 * ms, 450 * ms},
			until:  10 * time.Second,
			want:   []due{{950 * ms, Change}},
		}, {
			name:   "events apart are two runs",
			events: []time.Duration{0, 600 * ms},
			until:  10 * time.Second,
			want:   []due{{500 * ms, Change}, {1100 * ms, Change}},
		}, {
			name:   "a stream of events does not starve the run",
			events: every(90*ms, 10*ms, 4*time.Second),
			until:  10 * time.Second,
			want:   []due{{1510 * ms, Change}, {3040 * ms, Change}, {3970*ms + 500*ms, Change}},
		}, {
			name:   "the timer does not interrupt the quiet",
			events: []time.Duration{59_900 * ms},
			until:  61 * time.Second,
			want:   []due{{60_400 * ms, Change}},
		}, {
			name:     "a trigger does not wait",
			triggers: []due{{5 * ms, "SIGHUP"}},
			until:    10 * time.Second,
			want:     []due{{5 * ms, "SIGHUP"}},
		}, {
			name:     "a trigger covers the events before it",
			events:   []time.Duration{0},
			triggers: []due{{100 * ms, "SIGHUP"}},
			until:    10 * time.Second,
			want:     []due{{100 * ms, "SIGHUP"}},
		}, {
			name:     "events after a trigger",
			events:   []time.Duration{200 * ms},
			triggers: []due{{100 * ms, "SIGHUP"}},
			until:    10 * time.Second,
			want:     []due{{100 * ms, "SIGHUP"}, {700 * ms, Change}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.until)
				defer cancel()
				start := time.Now()
				p := newPace(500*ms, 60*time.Second)
				events := make(chan struct{}, 1)
				for _, at := range tt.events {
					time.AfterFunc(at, func() { wake(events) })
				}
				for _, tr := range tt.triggers {
					time.AfterFunc(tr.At, func() { p.trigger(tr.Reason) })
				}
				var got []due
				for reason := p.wait(ctx, events); reason != ""; reason = p.wait(ctx, events) {
					got = append(got, due{time.Since(start), reason})
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if got := time.Since(start); got != tt.until {
					t.Errorf("ended after %s, want %s", got, tt.until)
				}
			})
		})
	}
}

func TestPaceTriggersTogether(t *testing.T) {
	p := newPace(never, never)
	for _, reason := range []string{"SIGHUP", "capf", "SIGHUP"} {
		p.trigger(reason)
	}
	got := []string{p.wait(t.Context(), nil), p.wait(t.Context(), nil)}
	if want := []string{"SIGHUP", "capf"}; !slices.Equal(got, want) {
		t.Errorf("reasons %q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.trigger("late")
	if got := p.wait(ctx, nil); got != "" {
		t.Errorf("after the end wait returned %q", got)
	}
	if len(p.triggered) != 1 {
		t.Error("a reason was dropped by a wait that did not return it")
	}
}
