// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"testing"
	"time"
)

func TestIntervals(t *testing.T) {
	const ms = time.Millisecond
	samples := func(all ...time.Duration) (r rtt) {
		for _, d := range all {
			r.sample(d)
		}
		return r
	}
	expired := func(r rtt, times int) rtt {
		for range times {
			r.expired()
		}
		return r
	}
	tests := []struct {
		name string
		r    rtt
		want time.Duration
	}{
		{"nothing known", rtt{}, firstInterval},
		{"nothing known, no answer", expired(rtt{}, 1), 2 * firstInterval},
		{"a near client", samples(ms, ms, ms), leastInterval},
		{"a near client, no answer", expired(samples(ms, ms, ms), 1), 2 * leastInterval},
		{"a near client, gone", expired(samples(ms, ms, ms), 60), mostInterval},
		{"one sample", samples(200 * ms), 200*ms + 4*100*ms},
		{"a client behind a satellite", samples(800*ms, 800*ms), mostInterval},
		{"no time at all", samples(0), leastInterval},
		{"as agreed", expired(rtt{agreed: 3 * time.Second}, 5), 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.interval(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTheIntervalFollowsTheWay(t *testing.T) {
	var r rtt
	for range 50 {
		r.sample(300 * time.Millisecond)
	}
	slow := r.interval()
	for range 100 {
		r.sample(10 * time.Millisecond)
	}
	if fast := r.interval(); slow < 300*time.Millisecond || slow > 400*time.Millisecond || fast != leastInterval {
		t.Errorf("slow %s, then fast %s", slow, fast)
	}
	r.expired()
	r.heard()
	if got := r.interval(); got != leastInterval {
		t.Errorf("after an answer: %s", got)
	}
}
