// SPDX-License-Identifier: Apache-2.0

package tftp

import "time"

// How long a packet waits for its answer before it is sent again: at first, and
// at the least and the most once the way to the client is known. Phones answer
// within milliseconds; one that is busy writing to its flash may need longer.
const (
	firstInterval = 400 * time.Millisecond
	leastInterval = 150 * time.Millisecond
	mostInterval  = time.Second
)

// rtt estimates how long an answer takes, as RFC 6298 does for TCP, because RFC
// 1123 section 4.2.3.2 asks for adaptive timeouts. The zero value knows nothing.
type rtt struct {
	smoothed, deviation time.Duration
	doubled             int           // how often in a row
	agreed              time.Duration // the timeout option; zero: adapt
}

// sample takes the time between a packet that was sent once and its answer.
func (r *rtt) sample(took time.Duration) {
	if r.smoothed == 0 {
		r.smoothed, r.deviation = max(took, 1), took/2
		return
	}
	r.deviation += ((r.smoothed - took).Abs() - r.deviation) / 4
	r.smoothed += (took - r.smoothed) / 8
}

// heard says that the client has answered.
func (r *rtt) heard() { r.doubled = 0 }

// expired says that it has not, in time.
func (r *rtt) expired() { r.doubled++ }

// interval is how long to wait for the next answer.
func (r *rtt) interval() time.Duration {
	if r.agreed > 0 {
		return r.agreed
	}
	d := firstInterval
	if r.smoothed > 0 {
		d = min(max(r.smoothed+4*r.deviation, leastInterval), mostInterval)
	}
	return min(d<<min(r.doubled, 4), mostInterval)
}
