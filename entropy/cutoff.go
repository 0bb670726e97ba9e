// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"fmt"
	"math"
)

const (
	// sampleBits is the width of a sample, and with it the highest claim.
	sampleBits = 8

	// window is W of SP 800-90B section 4.4.2 for samples that are not binary.
	window = 512

	// alphaBits is -log2 of the probability that a source as good as claimed
	// fails a test. SP 800-90B section 4.3 recommends 20 to 40.
	alphaBits = 30
)

// checkClaim refuses a min-entropy that no 8-bit sample has.
func checkClaim(minEntropyBits float64) error {
	if !(minEntropyBits > 0 && minEntropyBits <= sampleBits) {
		return fmt.Errorf("a min-entropy of %g bits per 8-bit sample is not above 0 and at most %d", minEntropyBits, sampleBits)
	}
	return nil
}

// repetitionCutoff is C of SP 800-90B section 4.4.1, the run length that is an
// alarm: 1 + ⌈-log2 α / H⌉.
func repetitionCutoff(minEntropyBits, alphaBits float64) int {
	return int(min(1+math.Ceil(alphaBits/minEntropyBits), math.MaxInt32))
}

// proportionCutoff is C of SP 800-90B section 4.4.2, the number of equal
// samples in a window that is an alarm: 1 + CRITBINOM(W, 2^-H, 1-α).
//
// The first sample of a window always counts, which the formula leaves out: of
// a source exactly as good as claimed an alarm is a few times likelier than α.
// jitterentropy corrects that by one; this is the standard's own value.
//
// It never exceeds the window, so that the test is able to fail (FIPS 140-2
// IG 7.19, resolution 16). For claims below 0.06 bits false alarms are the
// price.
func proportionCutoff(minEntropyBits, alphaBits float64) int {
	return min(1+criticalBinomial(window, minEntropyBits, alphaBits), window)
}

// criticalBinomial is CRITBINOM(n, 2^-h, 1-2^-alphaBits), the smallest k with
// P(X ≤ k) ≥ 1-2^-alphaBits. It sums the tail P(X > k) from its far end, in
// terms whose logarithms are exact where 1-2^-alphaBits would round: what
// underflows on the way is too small to matter.
func criticalBinomial(n int, h, alphaBits float64) int {
	logP := -h * math.Ln2
	logOdds := math.Log(-math.Expm1(logP)) - logP // ln((1-p)/p)
	logMass := float64(n) * logP                  // ln P(X = k), from k = n down
	alpha := math.Exp2(-alphaBits)
	tail := 0.0
	for k := n; k > 0; k-- {
		tail += math.Exp(logMass)
		if tail > alpha {
			return k
		}
		logMass += math.Log(float64(k)/float64(n-k+1)) + logOdds
	}
	return 0
}
