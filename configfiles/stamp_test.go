// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"testing"
	"time"
)

func TestSettledAt(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for _, c := range []struct {
		name    string
		changed time.Time
		want    bool
	}{
		{"just now", now, false},
		{"within a tick", now.Add(-19 * time.Millisecond), false},
		{"before the last tick", now.Add(-21 * time.Millisecond), true},
		{"long ago", now.Add(-24 * time.Hour), true},
		{"from the future", now.Add(time.Second), true},
		{"seconds only, a second ago", now.Truncate(time.Second).Add(-time.Second), false},
		{"seconds only, three ago", now.Truncate(time.Second).Add(-3 * time.Second), true},
	} {
		if got := (stamp{changed: c.changed.UnixNano()}).settledAt(now); got != c.want {
			t.Errorf("%s: settledAt = %v, want %v", c.name, got, c.want)
		}
	}
}
