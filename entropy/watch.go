// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"context"
	"fmt"
	"strings"
)

// patience is how many draws in a row may find no source readable until one
// that had passed has failed.
const patience = 3

// subject is a source under test, from its start-up test to its failure.
type subject struct {
	source Source
	claim  float64 // min-entropy in bits per sample
	health *Health
}

// watch is the memory between one draw and the next. It belongs to the goroutine
// that runs the monitor and lasts from a start to the next stop.
type watch struct {
	samplers []*sampler // first choice first
	claim    float64    // 0: by the kind of the source

	subject   *subject // nil: the next draw is a start-up test
	firstRead bool     // the first choice could be read at least once
	unread    int      // draws in a row that found no source readable
}

// next draws from the first source that can be read, and judges. The verdict
// means nothing once ctx has ended.
func (w *watch) next(ctx context.Context) verdict {
	var unreadable []string
	for i, s := range w.samplers {
		samples, err := s.draw(ctx, StartUpSamples)
		if err != nil {
			unreadable = append(unreadable, fmt.Sprintf("%s: %v", s.source.Name, err))
			continue
		}
		w.unread = 0
		v := w.judge(s.source, samples)
		if i == 0 {
			w.firstRead = true
		} else if v.state == Healthy {
			v = w.standIn(v, unreadable)
		}
		return v
	}
	return w.silent(unreadable)
}

// judge runs the tests over a draw.
func (w *watch) judge(source Source, samples []byte) verdict {
	if w.subject == nil || w.subject.source.Name != source.Name {
		w.subject = w.newSubject(source)
	}
	v := verdict{state: Healthy, subject: w.subject, samples: len(samples)}
	if v.alarm = w.subject.health.Check(samples); v.alarm != nil {
		v.state = Failed
		v.reason = fmt.Sprintf("failed its health test (%s on %s)", v.alarm, source.Name)
		w.subject = nil
	}
	return v
}

func (w *watch) newSubject(source Source) *subject {
	claim := w.claim
	if claim == 0 {
		claim = source.Kind.minEntropyBits()
	}
	return &subject{source: source, claim: claim, health: newHealth(claim)}
}

// standIn qualifies a verdict on a source that is not the first choice. Where
// the first choice was never there, nothing has been lost.
func (w *watch) standIn(v verdict, unreadable []string) verdict {
	if w.firstRead {
		v.state = Degraded
	}
	v.reason = fmt.Sprintf("cannot be read (%s) and %s stands in", strings.Join(unreadable, ", "), v.subject.source.Name)
	return v
}

// silent is the verdict when no source could be read.
func (w *watch) silent(unreadable []string) verdict {
	w.unread++
	v := verdict{state: Degraded, silent: true, reason: fmt.Sprintf("cannot be read (%s)", strings.Join(unreadable, ", "))}
	if w.subject == nil || w.unread >= patience {
		v.state = Failed
		w.subject = nil
	}
	return v
}
