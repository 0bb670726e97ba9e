// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// usualMemory is what the collector keeps all memory of the program below, in
// bytes, as long as that is easy. It is far more than serving needs, and keeps
// the garbage of 2,000 handshakes at once from doubling it.
const usualMemory = 112 << 20

// memoryFor is the limit for a program that has that much in use. It never
// leaves so little room that the collector is at work all the time, which would
// turn many phones into slow ones.
func memoryFor(inUse uint64) int64 { return int64(max(usualMemory, inUse/2*3)) }

// boundMemory keeps the garbage within bounds until ctx ends, unless the
// environment has said what the bounds are.
func boundMemory(ctx context.Context, lookup func(string) (string, bool)) {
	if given, _ := lookup("GOMEMLIMIT"); given != "" {
		return
	}
	limit := memoryFor(inUse())
	before := debug.SetMemoryLimit(limit)
	defer debug.SetMemoryLimit(before)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if next := memoryFor(inUse()); next != limit { // setting it stops the world for a moment
			limit = next
			debug.SetMemoryLimit(limit)
		}
	}
}

// inUse is what the last collection found to be in use, and the stacks.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		sum += s.Value.Uint64()
	}
	return sum
}
