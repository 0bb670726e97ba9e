// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
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

func TestPercentFor(t *testing.T) {
	for _, tt := range []struct {
		name        string
		inUse, made uint64
		want        int
	}{
		{"idle", 10 << 20, 0, 100},
		{"quiet", 10 << 20, 9 << 20, 100},
		{"busy", 10 << 20, 20 << 20, 200},
		{"busy with less in use", 5 << 20, 11 << 20, 400},
		{"as busy as can be", 5 << 20, 1 << 40, 400},
		{"large and busy", 60 << 20, 1 << 40, 100},
		{"hardly anything in use", 1 << 10, 1 << 40, 400},
		{"just begun", 0, 3 << 20, 100},
	} {
		if got := percentFor(tt.inUse, tt.made); got != tt.want {
			t.Errorf("%s: %d %%, want %d", tt.name, got, tt.want)
		}
	}
}

func TestPaceGivesAtOnceAndTakesBackLater(t *testing.T) {
	const inUse = 5 << 20
	p := pace{percent: usualPercent}
	if got := p.next(inUse, 30<<20); got != 400 {
		t.Fatalf("in a storm: %d %%", got)
	}
	for i := range calmTicks - 1 {
		if got := p.next(inUse, 0); got != 400 {
			t.Fatalf("%d calm ticks later: %d %%", i+1, got)
		}
	}
	if got := p.next(inUse, 30<<20); got != 400 {
		t.Fatalf("in the next storm: %d %%", got)
	}
	for range calmTicks - 1 {
		p.next(inUse, 0)
	}
	if got := p.next(inUse, 0); got != usualPercent {
		t.Errorf("%d calm ticks later: %d %%", calmTicks, got)
	}
}

func percentNow() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func TestPaceMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetGCPercent(debug.SetGCPercent(usualPercent)) // whatever the environment says
	const percent = usualPercent
	for _, tt := range []struct {
		name, limit, percent string
		limited, paced       bool // by us
	}{
		{"by itself", "", "", true, true},
		{"limit by the environment", "1GiB", "", false, true}, // the runtime has read that itself
		{"percentage by the environment", "", "50", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				environment := map[string]string{"GOMEMLIMIT": tt.limit, "GOGC": tt.percent}
				var allocated atomic.Uint64
				go paceMemory(ctx, func(name string) (string, bool) { v, ok := environment[name]; return v, ok },
					func() memory { return memory{inUse: 5 << 20, allocated: allocated.Load()} })
				<-time.After(memoryTick / 2) // of the bubble's time
				allocated.Add(256 << 20)
				<-time.After(memoryTick)
				synctest.Wait()
				if got := debug.SetMemoryLimit(-1); (got != before) != tt.limited || got < usualMemory {
					t.Errorf("the limit is %d, and was %d", got, before)
				}
				if got := percentNow(); (got > percent) != tt.paced {
					t.Errorf("with much garbage the percentage is %d, and was %d", got, percent)
				}
				<-time.After(2 * time.Minute)
				synctest.Wait()
				if got := percentNow(); got != percent {
					t.Errorf("two minutes later the percentage is %d, want %d", got, percent)
				}
				allocated.Add(256 << 20)
				<-time.After(memoryTick)
				cancel()
				synctest.Wait()
				if got := debug.SetMemoryLimit(-1); got != before {
					t.Errorf("afterwards the limit is %d, want %d as before", got, before)
				}
				if got := percentNow(); got != percent {
					t.Errorf("afterwards the percentage is %d, want %d as before", got, percent)
				}
			})
		})
	}
}

func TestReadMemory(t *testing.T) {
	before := readMemory()
	kept := make([]byte, 8<<20)
	runtime.GC()
	after := readMemory()
	if after.inUse < 8<<20 || after.allocated < before.allocated+8<<20 {
		t.Errorf("with 8 MiB more: %+v, and %+v before", after, before)
	}
	runtime.KeepAlive(kept)
}
