// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the standing of a monitor and what led to it.
type Report struct {
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"` // a clause that continues "the random source"

	// Of the latest draw; empty before the first.
	Source         string  `json:"source,omitempty"`
	Kind           Kind    `json:"kind,omitempty"`
	MinEntropyBits float64 `json:"min_entropy_bits,omitempty"` // claimed per 8-bit sample

	// Since New.
	RepetitionCount    TestFigures `json:"repetition_count"`
	AdaptiveProportion TestFigures `json:"adaptive_proportion"`
	Samples            uint64      `json:"samples"`
	SilentDraws        uint64      `json:"silent_draws"` // that found no source readable
	LastAlarm          *Incident   `json:"last_alarm,omitempty"`

	Kernel KernelFigures `json:"kernel"`
}

// TestFigures are those of one health test.
type TestFigures struct {
	Cutoff int    `json:"cutoff,omitempty"` // the count that is an alarm, for the latest draw; 0 before the first
	Alarms uint64 `json:"alarms"`
}

// Incident is an alarm in its place and time.
type Incident struct {
	Alarm
	Source string    `json:"source"`
	Time   time.Time `json:"time"`
}

// Report returns the figures as they are now, the kernel's included.
func (m *Monitor) Report() Report {
	m.mu.Lock()
	r := m.report
	m.mu.Unlock()
	r.Kernel = readKernelFigures(m.root)
	return r
}

// Alarms is how many alarms a test has raised since New; 0 for a name that is
// no test.
func (m *Monitor) Alarms(t Test) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.report.figures(t); f != nil {
		return f.Alarms
	}
	return 0
}

// refusal says why no key may be made; nil if it may.
func (r Report) refusal() error {
	switch r.State {
	case Starting:
		return errors.New("the random source has not passed its start-up test yet; no key is made before it has")
	case Failed:
		return fmt.Errorf("the random source %s; no key is made until it recovers", r.Reason)
	}
	return nil
}

// after is the report that follows from a verdict.
func (r Report) after(v verdict, now time.Time) Report {
	if v.state != r.State {
		r.State, r.Since = v.state, now
	}
	r.Reason = v.reason
	r.Samples += uint64(v.samples)
	if v.silent {
		r.SilentDraws++
	}
	if s := v.subject; s != nil {
		r.Source, r.Kind, r.MinEntropyBits = s.source.Name, s.source.Kind, s.claim
		r.RepetitionCount.Cutoff = s.health.repetition.Cutoff
		r.AdaptiveProportion.Cutoff = s.health.proportion.Cutoff
	}
	if v.alarm != nil {
		r.figures(v.alarm.Test).Alarms++
		r.LastAlarm = &Incident{Alarm: *v.alarm, Source: r.Source, Time: now}
	}
	return r
}

// figures are those of a test, nil for a name that is none.
func (r *Report) figures(t Test) *TestFigures {
	switch t {
	case RepetitionCountTest:
		return &r.RepetitionCount
	case AdaptiveProportionTest:
		return &r.AdaptiveProportion
	}
	return nil
}

// WriteText writes the report as aligned lines, one figure each, without those
// the kernel does not offer. The only error is that of w.
func (r Report) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range append(r.lines(), r.Kernel.lines()...) {
		fmt.Fprintf(table, "%s:\t%s\n", line.label, line.value)
	}
	return table.Flush()
}

type line struct{ label, value string }

func (r Report) lines() []line {
	lines := []line{{"State", fmt.Sprintf("%s since %s", r.State, r.Since.Format(time.RFC3339))}}
	if r.Reason != "" {
		lines = append(lines, line{"Reason", "the random source " + r.Reason})
	}
	if r.Source != "" {
		lines = append(lines,
			line{"Source", fmt.Sprintf("%s (%s)", r.Source, r.Kind)},
			line{"Claimed min-entropy", fmt.Sprintf("%g of %d bits per sample", r.MinEntropyBits, sampleBits)},
			line{"Repetition count", fmt.Sprintf("cut-off %d", r.RepetitionCount.Cutoff)},
			line{"Adaptive proportion", fmt.Sprintf("cut-off %d in %d samples", r.AdaptiveProportion.Cutoff, window)})
	}
	lines = append(lines,
		line{"Samples", strconv.FormatUint(r.Samples, 10)},
		line{"Silent draws", strconv.FormatUint(r.SilentDraws, 10)},
		line{"Repetition alarms", strconv.FormatUint(r.RepetitionCount.Alarms, 10)},
		line{"Proportion alarms", strconv.FormatUint(r.AdaptiveProportion.Alarms, 10)})
	if a := r.LastAlarm; a != nil {
		lines = append(lines, line{"Last alarm", fmt.Sprintf("%s on %s at %s", a.Alarm, a.Source, a.Time.Format(time.RFC3339))})
	}
	return lines
}

func (k KernelFigures) lines() []line {
	var lines []line
	if k.EntropyAvail != nil {
		lines = append(lines, line{"entropy_avail", strconv.Itoa(*k.EntropyAvail)})
	}
	if k.PoolSize != nil {
		lines = append(lines, line{"poolsize", strconv.Itoa(*k.PoolSize)})
	}
	if k.RNGCurrent != "" {
		lines = append(lines, line{"rng_current", k.RNGCurrent})
	}
	if len(k.RNGAvailable) > 0 {
		lines = append(lines, line{"rng_available", strings.Join(k.RNGAvailable, " ")})
	}
	return lines
}
