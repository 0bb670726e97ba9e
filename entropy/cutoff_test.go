// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"fmt"
	"math"
	"math/big"
	"testing"
)

func TestRepetitionCutoff(t *testing.T) {
	tests := []struct {
		name             string
		claim, alphaBits float64
		want             int
	}{
		{"SP 800-90B 4.4.1 example", 2, 20, 11},
		{"one bit", 1, 20, 21},
		{"hardware default", 1, 30, 31},
		{"getrandom default", 6, 30, 6},
		{"all bits, rounded up", 8, 30, 5},
		{"rounded up from 12.5", 2.4, 30, 14},
		{"fraction that divides", 0.3, 30, 101},
		{"fraction that does not", 0.7, 30, 44},
		{"next to nothing", 5e-324, 30, math.MaxInt32},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := repetitionCutoff(test.claim, test.alphaBits); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// TestProportionCutoffWorked holds the formula to SP 800-90B section 4.4.2,
// table 2 (α = 2^-20), both halves.
func TestProportionCutoffWorked(t *testing.T) {
	for claim, want := range map[float64]int{0.2: 941, 0.4: 840, 0.6: 748, 0.8: 664, 1: 589} {
		if got := 1 + criticalBinomial(1024, claim, 20); got != want {
			t.Errorf("binary, H = %g: got %d, want %d", claim, got, want)
		}
	}
	for claim, want := range map[float64]int{0.5: 410, 1: 311, 2: 177, 4: 62, 8: 13} {
		if got := proportionCutoff(claim, 20); got != want {
			t.Errorf("not binary, H = %g: got %d, want %d", claim, got, want)
		}
	}
}

// TestCriticalBinomialJitterentropy compares with the table that jitterentropy
// and the Linux kernel carry for H = 1/osr and α = 2^-30. It counts the first
// sample of the window apart, as 2 + CRITBINOM(511, …).
func TestCriticalBinomialJitterentropy(t *testing.T) {
	for i, want := range []int{325, 422, 459, 477, 488, 494, 499, 502, 505, 507, 508, 509, 510, 511, 512} {
		osr := i + 1
		if got := 2 + criticalBinomial(window-1, 1/float64(osr), 30); got != want {
			t.Errorf("osr %d: got %d, want %d", osr, got, want)
		}
	}
}

// TestCriticalBinomialExact computes the same the other way round: big numbers,
// summed from the near end, until 1-α is reached.
func TestCriticalBinomialExact(t *testing.T) {
	for eighths := 1; eighths <= 8*sampleBits; eighths++ {
		claim := float64(eighths) / 8
		t.Run(fmt.Sprint(claim), func(t *testing.T) {
			for _, alphaBits := range []int{20, alphaBits, 40} {
				got, want := criticalBinomial(window, claim, float64(alphaBits)), bigCriticalBinomial(window, eighths, alphaBits)
				if got != want {
					t.Errorf("α = 2^-%d: got %d, want %d", alphaBits, got, want)
				}
			}
		})
	}
}

func bigCriticalBinomial(n, eighths, alphaBits int) int {
	one := func() *big.Float { return new(big.Float).SetPrec(400).SetInt64(1) }
	root := one() // 2^(-1/8)
	root.Quo(root, big.NewFloat(2))
	for range 3 {
		root.Sqrt(root)
	}
	p := power(root, eighths)
	q := one()
	q.Sub(q, p)
	level := one()
	level.Sub(level, new(big.Float).SetMantExp(one(), -alphaBits))

	sum := one().SetInt64(0)
	for k := 0; ; k++ {
		term := one().SetInt(new(big.Int).Binomial(int64(n), int64(k)))
		term.Mul(term, power(p, k)).Mul(term, power(q, n-k))
		if sum.Add(sum, term).Cmp(level) >= 0 {
			return k
		}
	}
}

func power(x *big.Float, n int) *big.Float {
	result, square := new(big.Float).SetPrec(x.Prec()).SetInt64(1), new(big.Float).Copy(x)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			result.Mul(result, square)
		}
		square.Mul(square, square)
	}
	return result
}

func TestProportionCutoffBounds(t *testing.T) {
	last := window + 1
	for claim := 0.001; claim <= sampleBits; claim += 0.001 {
		got := proportionCutoff(claim, alphaBits)
		if got > window || got < 2 || got > last {
			t.Fatalf("H = %g: cut-off %d after %d", claim, got, last)
		}
		last = got
	}
}

func TestClaims(t *testing.T) {
	tests := []struct {
		claim float64
		ok    bool
	}{
		{5e-324, true}, {0.3, true}, {1, true}, {8, true},
		{0, false}, {-1, false}, {8.000001, false}, {math.Inf(1), false}, {math.NaN(), false},
	}
	for _, test := range tests {
		if _, err := NewHealth(test.claim); (err == nil) != test.ok {
			t.Errorf("NewHealth(%g): %v", test.claim, err)
		}
	}
}
