// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"testing"
	"time"
)

func TestSettled(t *testing.T) {
	second := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	fine := second.Add(123456789)
	for name, test := range map[string]struct {
		changed time.Time
		age     time.Duration
		want    bool
	}{
		"in the kernel's tick":         {fine, 10 * time.Millisecond, false},
		"after it":                     {fine, 21 * time.Millisecond, true},
		"file system of whole seconds": {second, 1900 * time.Millisecond, false},
		"after two of them":            {second, 2100 * time.Millisecond, true},
		"clock of another machine":     {fine, -time.Hour, false},
	} {
		if got := (state{changed: test.changed.UnixNano()}).settledAt(test.changed.Add(test.age)); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
