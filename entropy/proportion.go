// SPDX-License-Identifier: Apache-2.0

package entropy

// AdaptiveProportion is the adaptive proportion test of SP 800-90B section
// 4.4.2 with the window of 512. It notices a sample that comes too often: it
// counts how often the first sample of each window comes in it.
type AdaptiveProportion struct {
	Cutoff int // the count that is an alarm; with 0 or 1 every window is one

	base  byte // the first sample of this window
	count int  // of base, itself included
	seen  int  // samples of this window
}

// Add takes the next sample and says whether it completes an alarm.
func (a *AdaptiveProportion) Add(sample byte) bool {
	if a.seen == 0 {
		a.base, a.count = sample, 0
	}
	if a.seen++; a.seen == window {
		a.seen = 0
	}
	if sample != a.base {
		return false
	}
	a.count++
	return a.count >= a.Cutoff
}

// Count is how often the first sample of this window has come so far.
func (a *AdaptiveProportion) Count() int { return a.count }
