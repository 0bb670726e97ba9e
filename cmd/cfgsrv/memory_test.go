// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryFor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		inUse uint64
		want  int64
	}{
		{"idle", 10 << 20, usualMemory},
		{"2,000 phones", 55 << 20, usualMemory},
		{"8,000 phones", 200 << 20, 300 << 20},
	} {
		if got := memoryFor(tt.inUse); got != tt.want {
			t.Errorf("%s: %d MiB, want %d", tt.name, got>>20, tt.want>>20)
		}
	}
}

func TestBoundMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	for _, tt := range []struct {
		name, environment string
		bounded           bool
	}{
		{"by itself", "", true},
		{"by the environment", "1GiB", false}, // the runtime has read that itself
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				go boundMemory(ctx, func(string) (string, bool) { return tt.environment, true })
				<-time.After(time.Minute) // of the bubble's time: it has looked often
				synctest.Wait()
				if got := debug.SetMemoryLimit(-1); (got != before) != tt.bounded || got < usualMemory {
					t.Errorf("the limit is %d, and was %d", got, before)
				}
				cancel()
				synctest.Wait()
				if got := debug.SetMemoryLimit(-1); got != before {
					t.Errorf("afterwards the limit is %d, want %d as before", got, before)
				}
			})
		})
	}
}
