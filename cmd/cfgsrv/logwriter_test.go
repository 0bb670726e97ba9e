// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes notes each write by itself.
type writes struct {
	mu  sync.Mutex
	all []string
	err error
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), w.err
}

func (w *writes) is(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.all, want) {
		t.Errorf("writes %q, want %q", w.all, want)
	}
}

func TestLogIsWrittenAtOnceWhenQuietAndTogetherWhenNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &writes{}
		log := &logWriter{w: out}
		pause := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		fmt.Fprint(log, "a\n")
		out.is(t, "a\n")
		fmt.Fprint(log, "b\n")
		pause(gatherTime / 2)
		fmt.Fprint(log, "c\n")
		out.is(t, "a\n")
		pause(gatherTime / 2)
		out.is(t, "a\n", "b\nc\n")
		pause(gatherTime)
		fmt.Fprint(log, "d\n")
		out.is(t, "a\n", "b\nc\n", "d\n")
		fmt.Fprint(log, "e\n")
		if err := log.Flush(); err != nil {
			t.Error(err)
		}
		out.is(t, "a\n", "b\nc\n", "d\n", "e\n")
		pause(time.Hour)
		out.is(t, "a\n", "b\nc\n", "d\n", "e\n")
	})
}

func TestLogDoesNotGatherMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &writes{}
		log := &logWriter{w: out}
		line := strings.Repeat("x", mostGathered/4)
		for range 5 {
			fmt.Fprint(log, line)
		}
		out.is(t, line, strings.Repeat(line, 4))
		out.err = errors.New("full")
		for range 3 {
			fmt.Fprint(log, line)
		}
		if _, err := fmt.Fprint(log, line); !errors.Is(err, out.err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestLogKeepsTheOrderOfManyWriters(t *testing.T) {
	out := &writes{}
	log := &logWriter{w: out}
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for i := range 1000 {
				fmt.Fprintf(log, "%d %d\n", w, i)
			}
		})
	}
	wait.Wait()
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for line := range strings.Lines(strings.Join(out.all, "")) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil || i != next[w] {
			t.Fatalf("line %q, want number %d: %v", line, next[w], err)
		}
		next[w]++
	}
	for w := range 4 {
		if next[w] != 1000 {
			t.Errorf("%d lines of writer %d", next[w], w)
		}
	}
}
