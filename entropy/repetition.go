// SPDX-License-Identifier: Apache-2.0

package entropy

// RepetitionCount is the repetition count test of SP 800-90B section 4.4.1. It
// notices a source that is stuck.
type RepetitionCount struct {
	Cutoff int // the run length that is an alarm; with 0 every sample is one

	last byte
	run  int
}

// Add takes the next sample and says whether it completes an alarm.
func (r *RepetitionCount) Add(sample byte) bool {
	if r.run > 0 && sample == r.last {
		r.run++
	} else {
		r.last, r.run = sample, 1
	}
	return r.run >= r.Cutoff
}

// Count is how often the last sample has come in a row.
func (r *RepetitionCount) Count() int { return r.run }
