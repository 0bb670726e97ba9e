// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"context"
	"slices"
	"sync"
	"time"
)

// pace decides when the next run is due. It knows nothing of files.
type pace struct {
	settle time.Duration // of quiet after an event
	every  time.Duration // without any event

	triggered chan struct{} // holds a token while there are reasons
	mu        sync.Mutex
	reasons   []string // given to trigger and not yet returned by wait
}

func newPace(settle, every time.Duration) *pace {
	return &pace{settle: settle, every: every, triggered: make(chan struct{}, 1)}
}

// trigger makes a run due at once, one for each different reason.
func (p *pace) trigger(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.reasons, reason) {
		p.reasons = append(p.reasons, reason)
	}
	wake(p.triggered)
}

// next takes the oldest reason.
func (p *pace) next() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	reason := p.reasons[0]
	p.reasons = p.reasons[1:]
	if len(p.reasons) > 0 {
		wake(p.triggered)
	}
	return reason
}

// wait returns the reason of the next run when that is due, or an empty one
// when ctx has ended. Whatever comes through events makes a run due after a
// time of quiet, but a stream of events puts it off no longer than three times
// that: at the defaults a write leads to a run within 1.5 s.
func (p *pace) wait(ctx context.Context, events <-chan struct{}) string {
	slow := time.After(p.every)
	var quiet, limit <-chan time.Time // nil before the first event
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.triggered:
			return p.next()
		case <-events:
			quiet = time.After(p.settle)
			if limit == nil {
				limit = time.After(3 * p.settle)
			}
		case <-quiet:
			return Change
		case <-limit:
			return Change
		case <-slow:
			if limit == nil {
				return Timer
			}
		}
	}
	return ""
}

// wake leaves a token in c, which has room for one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
