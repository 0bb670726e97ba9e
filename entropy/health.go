// SPDX-License-Identifier: Apache-2.0

package entropy

import "fmt"

// StartUpSamples is the length of the start-up test, in consecutive samples
// (SP 800-90B section 4.3), and of every later draw.
const StartUpSamples = 1024

// Test names a health test, in the form metrics and JSON use.
type Test string

const (
	RepetitionCountTest    Test = "repetition_count"
	AdaptiveProportionTest Test = "adaptive_proportion"
)

// Alarm is one sample that a health test did not accept.
type Alarm struct {
	Test   Test   `json:"test"`
	Count  int    `json:"count"`  // what the test had counted
	Cutoff int    `json:"cutoff"` // the count from which it speaks up
	Sample uint64 `json:"sample"` // which sample since the start-up test began, from 1
}

// String is such as "repetition count 31 of at most 30".
func (a Alarm) String() string {
	if a.Test == AdaptiveProportionTest {
		return fmt.Sprintf("adaptive proportion %d of at most %d in %d", a.Count, a.Cutoff-1, window)
	}
	return fmt.Sprintf("repetition count %d of at most %d", a.Count, a.Cutoff-1)
}

// Health runs both tests side by side over the samples of one source. The first
// [StartUpSamples] it is given are the start-up test.
type Health struct {
	repetition RepetitionCount
	proportion AdaptiveProportion
	samples    uint64
}

// NewHealth returns tests that have seen nothing, with the cut-offs that follow
// from the claimed min-entropy of an 8-bit sample at a false-alarm rate of
// 2^-30. The claim must be above 0 and at most 8.
func NewHealth(minEntropyBits float64) (*Health, error) {
	if err := checkClaim(minEntropyBits); err != nil {
		return nil, err
	}
	return newHealth(minEntropyBits), nil
}

func newHealth(minEntropyBits float64) *Health {
	return &Health{
		repetition: RepetitionCount{Cutoff: repetitionCutoff(minEntropyBits, alphaBits)},
		proportion: AdaptiveProportion{Cutoff: proportionCutoff(minEntropyBits, alphaBits)},
	}
}

// Check tests samples as the continuation of those before and returns the first
// alarm, nil if there is none. After an alarm the rest is not looked at.
func (h *Health) Check(samples []byte) *Alarm {
	for i, sample := range samples {
		repeats, dominates := h.repetition.Add(sample), h.proportion.Add(sample)
		if repeats || dominates {
			h.samples += uint64(i) + 1
			return h.alarm(repeats)
		}
	}
	h.samples += uint64(len(samples))
	return nil
}

func (h *Health) alarm(repeats bool) *Alarm {
	if repeats {
		return &Alarm{Test: RepetitionCountTest, Count: h.repetition.Count(), Cutoff: h.repetition.Cutoff, Sample: h.samples}
	}
	return &Alarm{Test: AdaptiveProportionTest, Count: h.proportion.Count(), Cutoff: h.proportion.Cutoff, Sample: h.samples}
}
