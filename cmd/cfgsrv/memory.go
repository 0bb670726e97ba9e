// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// usualMemory is what the collector keeps all memory of the program below,
	// in bytes, as long as that is easy. It is far more than serving needs, and
	// keeps the garbage of 2,000 handshakes at once from doubling it.
	usualMemory = 112 << 20

	// memoryTick is how often the bounds are set anew.
	memoryTick = 250 * time.Millisecond

	// usualPercent is how much garbage the collector lets come together, as a
	// share of what is in use: its own default.
	usualPercent = 100

	// mostGarbage is how much it lets come together where much comes, in bytes;
	// up to twice that, since it goes by steps.
	mostGarbage = 16 << 20

	// leastHeap is what the collector reckons with where less is in use.
	leastHeap = 4 << 20

	// calmTicks is after how many ticks without much garbage that ends: a minute,
	// since phones come back in waves, and each would begin with little room.
	calmTicks = 240
)

// memoryFor is the limit for a program that has that much in use. It never
// leaves so little room that the collector is at work all the time, which would
// turn many phones into slow ones.
func memoryFor(inUse uint64) int64 { return int64(max(usualMemory, inUse/2*3)) }

// percentFor lets about as much garbage come together as is made in one tick. A
// storm of handshakes makes many times what is in use every second: collecting
// it each time it doubles what is in use takes a tenth of all time. It goes by
// steps, since each change stops the program for a moment.
func percentFor(inUse, made uint64) int {
	percent := usualPercent
	inUse = max(inUse, leastHeap)
	for made = min(made, mostGarbage); uint64(percent)*inUse/100 < made; {
		percent *= 2
	}
	return percent
}

// pace decides how much garbage may come together.
type pace struct {
	percent int
	calm    int // ticks in a row in which less would have done
}

// next is the percentage for what was made in the last tick. More is granted at
// once, and taken back when it has not been needed for a while.
func (p *pace) next(inUse, made uint64) int {
	wanted := percentFor(inUse, made)
	if wanted < p.percent {
		p.calm++
	} else {
		p.calm = 0
	}
	if wanted > p.percent || p.calm >= calmTicks {
		p.percent, p.calm = wanted, 0
	}
	return p.percent
}

// memory is what the runtime knows about it, in bytes.
type memory struct {
	inUse     uint64 // what the last collection found, and the stacks
	allocated uint64 // since the program began
}

func readMemory() memory {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(samples)
	return memory{inUse: samples[0].Value.Uint64() + samples[1].Value.Uint64(), allocated: samples[2].Value.Uint64()}
}

// paceMemory keeps the garbage within bounds, and the collector from working
// more than it has to, until ctx ends. What the environment says about either,
// in GOMEMLIMIT and GOGC, holds.
func paceMemory(ctx context.Context, lookup func(string) (string, bool), read func() memory) {
	givenLimit, givenPercent := isSet(lookup, "GOMEMLIMIT"), isSet(lookup, "GOGC")
	limit, p := int64(0), pace{percent: usualPercent}
	if !givenLimit {
		before := debug.SetMemoryLimit(-1)
		defer func() { debug.SetMemoryLimit(before) }()
	}
	if !givenPercent {
		before := debug.SetGCPercent(usualPercent)
		defer func() { debug.SetGCPercent(before) }()
	}
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	for last := read(); ; {
		now := read()
		if next := memoryFor(now.inUse); !givenLimit && next != limit {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		if was := p.percent; !givenPercent && p.next(now.inUse, now.allocated-last.allocated) != was {
			debug.SetGCPercent(p.percent)
			if p.percent < was {
				debug.FreeOSMemory() // a calm server has time for it
			}
		}
		last = now
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func isSet(lookup func(string) (string, bool), variable string) bool {
	value, _ := lookup(variable)
	return value != ""
}
