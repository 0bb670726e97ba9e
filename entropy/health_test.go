// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"bytes"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// repeated is n samples of a source that goes round these symbols.
func repeated(symbols []byte, n int) []byte {
	return bytes.Repeat(symbols, n/len(symbols)+1)[:n]
}

// symbols are 0, 1, … n-1.
func symbols(n int) []byte {
	s := make([]byte, n)
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

func mustHealth(t testing.TB, claim float64) *Health {
	t.Helper()
	h, err := NewHealth(claim)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHealthOfDeterministicSources(t *testing.T) {
	tests := []struct {
		name    string
		claim   float64
		samples []byte
		want    *Alarm
	}{
		{"stuck, hardware claim", 1, repeated([]byte{7}, 100_000), &Alarm{RepetitionCountTest, 31, 31, 31}},
		{"stuck, kernel claim", 6, repeated([]byte{7}, 100_000), &Alarm{RepetitionCountTest, 6, 6, 6}},
		{"stuck at 0", 6, repeated([]byte{0}, 100_000), &Alarm{RepetitionCountTest, 6, 6, 6}},
		{"stuck later", 6, append(repeated(symbols(256), 1000), repeated([]byte{9}, 10)...), &Alarm{RepetitionCountTest, 6, 6, 1006}},
		{"one short of stuck", 6, repeated(append(repeated([]byte{200}, 5), symbols(100)...), 100_000), nil},
		// One bit per sample is just what an alternating source looks like to
		// these tests, however foreseeable it is.
		{"alternating, hardware claim", 1, repeated([]byte{0x55, 0xaa}, 100_000), nil},
		{"alternating, kernel claim", 6, repeated([]byte{0x55, 0xaa}, 100_000), &Alarm{AdaptiveProportionTest, 31, 31, 61}},
		{"a counter", 8, repeated(symbols(256), 100_000), nil},
		{"nothing", 8, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := mustHealth(t, test.claim).Check(test.samples)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestHealthOfPeriodicSources shows what a period of distinct symbols does: the
// first sample of a window comes again every period samples, so short periods
// are noticed in the first window and long ones never.
func TestHealthOfPeriodicSources(t *testing.T) {
	for _, claim := range []float64{1, 6, 8} {
		cutoff := proportionCutoff(claim, alphaBits)
		for period := 2; period <= 256; period++ {
			var want *Alarm
			if at := (cutoff-1)*period + 1; at <= window {
				want = &Alarm{AdaptiveProportionTest, cutoff, cutoff, uint64(at)}
			}
			got := mustHealth(t, claim).Check(repeated(symbols(period), 10*window))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claim %g, period %d: -want +got\n%s", claim, period, diff)
			}
		}
	}
}

// distribution is a memoryless source: the probability of each symbol.
type distribution [256]float64

func uniform(n int) (d distribution) {
	for i := range n {
		d[i] = 1 / float64(n)
	}
	return d
}

// biasedSymbol gives one symbol the probability p and the others the rest.
func biasedSymbol(p float64) (d distribution) {
	for i := range d {
		d[i] = (1 - p) / 255
	}
	d[0x42] = p
	return d
}

// biasedBits makes a byte of 8 bits that are each 1 with probability p.
func biasedBits(p float64) (d distribution) {
	for i := range d {
		d[i] = 1
		for bit := range 8 {
			if i>>bit&1 == 1 {
				d[i] *= p
			} else {
				d[i] *= 1 - p
			}
		}
	}
	return d
}

// source draws from d, the same samples for the same seed.
func (d *distribution) source(seed byte) *drawer {
	r := &drawer{rng: rand.New(rand.NewChaCha8([32]byte{seed}))}
	sum := 0.0
	for i, p := range d {
		sum += p
		r.cumulated[i] = sum
	}
	return r
}

type drawer struct {
	rng       *rand.Rand
	cumulated [256]float64
}

func (r *drawer) draw(n int) []byte {
	samples := make([]byte, n)
	for i := range samples {
		u := r.rng.Float64() * r.cumulated[255]
		samples[i] = byte(sort.Search(255, func(i int) bool { return r.cumulated[i] > u }))
	}
	return samples
}

// alarmsPerWindow is the probability that the adaptive proportion test raises
// an alarm in a window of this source.
func (d *distribution) alarmsPerWindow(cutoff int) float64 {
	sum := 0.0
	for _, p := range d {
		if p > 0 {
			sum += p * binomialTail(window-1, p, cutoff-1)
		}
	}
	return sum
}

// runsPerSample is about the probability that a sample completes a run that
// the repetition count test does not accept.
func (d *distribution) runsPerSample(cutoff int) float64 {
	sum := 0.0
	for _, p := range d {
		sum += math.Pow(p, float64(cutoff))
	}
	return sum
}

// binomialTail is P(X ≥ k) of n trials with probability p.
func binomialTail(n int, p float64, k int) float64 {
	logGamma := func(x int) float64 { l, _ := math.Lgamma(float64(x)); return l }
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(logGamma(n+1) - logGamma(i+1) - logGamma(n-i+1) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

func TestHealthOfBiasedSources(t *testing.T) {
	tests := []struct {
		name   string
		claim  float64
		of     distribution
		alarms bool
	}{
		{"one symbol of two, p = 0.6, hardware claim", 1, distribution{0: 0.4, 1: 0.6}, true},
		{"one symbol of two, p = 0.6, kernel claim", 6, distribution{0: 0.4, 1: 0.6}, true},
		{"one symbol of all, p = 0.6, hardware claim", 1, biasedSymbol(0.6), true},
		{"one symbol of all, p = 0.6, kernel claim", 6, biasedSymbol(0.6), true},
		{"one symbol of all, p = 0.1, kernel claim", 6, biasedSymbol(0.1), true},
		// Bits of p = 0.6 leave a byte 5.9 bits of min-entropy: less than 8, but
		// practically what is claimed for the kernel.
		{"bits, p = 0.6, full claim", 8, biasedBits(0.6), true},
		{"bits, p = 0.6, kernel claim", 6, biasedBits(0.6), false},
		{"bits, p = 0.6, hardware claim", 1, biasedBits(0.6), false},
		{"bits, p = 0.8, kernel claim", 6, biasedBits(0.8), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, source := mustHealth(t, test.claim), test.of.source(1)
			perWindow := min(1, test.of.alarmsPerWindow(h.proportion.Cutoff))
			perSample := test.of.runsPerSample(h.repetition.Cutoff)
			t.Logf("an alarm every %.3g windows, or %.3g samples by repetition", 1/perWindow, 1/perSample)
			if !test.alarms {
				const n = 1_000_000
				if expected := n * (perWindow/window + perSample); expected > 0.05 {
					t.Fatalf("%g alarms are to be expected", expected)
				}
				if alarm := h.Check(source.draw(n)); alarm != nil {
					t.Errorf("got %v", alarm)
				}
				return
			}
			// In so many windows only one source of 10^6 raises no alarm.
			windows := int(math.Ceil(math.Log(1e-6)/math.Log1p(-perWindow))) + 1
			for range windows {
				if alarm := h.Check(source.draw(window)); alarm != nil {
					t.Logf("%v after %d samples", alarm, alarm.Sample)
					return
				}
			}
			t.Errorf("no alarm in %d windows", windows)
		})
	}
}

// TestFalseAlarms measures the rate over 10^7 samples, of uniform bytes and of
// sources that are just as good as claimed.
func TestFalseAlarms(t *testing.T) {
	tests := []struct {
		name    string
		claim   float64
		symbols int
	}{
		{"uniform bytes, hardware claim", 1, 256},
		{"uniform bytes, kernel claim", 6, 256},
		{"just 1 bit", 1, 2},
		{"just 6 bits", 6, 64},
	}
	const n = 10_000_000
	samples := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(samples)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			of := uniform(test.symbols)
			h := mustHealth(t, test.claim)
			expected := n * (of.alarmsPerWindow(h.proportion.Cutoff)/window + of.runsPerSample(h.repetition.Cutoff))
			t.Logf("%.2g alarms are to be expected", expected)
			if expected > 0.05 {
				t.Error("that is more than 0.05")
			}
			narrow := make([]byte, n)
			for i, b := range samples {
				narrow[i] = b & byte(test.symbols-1)
			}
			if alarm := h.Check(narrow); alarm != nil {
				t.Errorf("got %v at %d", alarm, alarm.Sample)
			}
		})
	}
}

// TestFalseAlarmRate shows that the rate is what it is set to, where it is
// high enough to be measured.
func TestFalseAlarmRate(t *testing.T) {
	const n, claim, alphaBits = 4_000_000, 4, 8
	of := uniform(16)
	samples := of.source(1).draw(n)
	repetition := RepetitionCount{Cutoff: repetitionCutoff(claim, alphaBits)}
	proportion := AdaptiveProportion{Cutoff: proportionCutoff(claim, alphaBits)}
	runs, windows := 0, 0
	for _, sample := range samples {
		if repetition.Add(sample) && repetition.Count() == repetition.Cutoff {
			runs++
		}
		if proportion.Add(sample) && proportion.Count() == proportion.Cutoff {
			windows++
		}
	}
	within(t, "repetition count", runs, n*math.Exp2(-alphaBits)*15/16) // a run begins with a change
	within(t, "adaptive proportion", windows, n/window*of.alarmsPerWindow(proportion.Cutoff))
}

// within checks a count against its expectation, five standard deviations wide.
func within(t *testing.T, what string, got int, want float64) {
	t.Helper()
	t.Logf("%s: %d alarms, %.0f expected", what, got, want)
	if math.Abs(float64(got)-want) > 5*math.Sqrt(want) {
		t.Errorf("%s: got %d alarms, want about %.0f", what, got, want)
	}
}

func TestZeroTestsAlarmAtOnce(t *testing.T) {
	if !new(RepetitionCount).Add(1) {
		t.Error("a repetition count without cut-off accepts a sample")
	}
	if !new(AdaptiveProportion).Add(1) {
		t.Error("an adaptive proportion without cut-off accepts a sample")
	}
}

func TestHealthGoesOnAcrossChecks(t *testing.T) {
	h := mustHealth(t, 6)
	for i := range 5 {
		if alarm := h.Check([]byte{3}); alarm != nil {
			t.Fatalf("sample %d: %v", i+1, alarm)
		}
	}
	if got, want := h.Check([]byte{3, 4}), (&Alarm{RepetitionCountTest, 6, 6, 6}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// FuzzHealth compares with the plain reading of section 4.4: look for the first
// prefix with a run that is too long or a window with too many of its first.
func FuzzHealth(f *testing.F) {
	f.Add(1.0, []byte{1, 2, 3})
	f.Add(6.0, bytes.Repeat([]byte{0}, 40))
	f.Add(6.0, repeated([]byte{0, 1}, 600))
	f.Add(8.0, repeated(symbols(40), 1400))
	f.Add(0.01, []byte{})
	f.Fuzz(func(t *testing.T, claim float64, samples []byte) {
		h, err := NewHealth(claim)
		if err != nil {
			return
		}
		got := h.Check(samples)
		want := plainCheck(samples, h.repetition.Cutoff, h.proportion.Cutoff)
		if got == nil && want == 0 {
			return
		}
		if got == nil || got.Sample != uint64(want) {
			t.Errorf("got %+v, want an alarm at %d", got, want)
		}
	})
}

// plainCheck is the number of the first sample that is an alarm, 0 if none is.
func plainCheck(samples []byte, run, count int) int {
	for n := 1; n <= len(samples); n++ {
		sample := samples[n-1]
		if n >= run && bytes.Count(samples[n-run:n], []byte{sample}) == run {
			return n
		}
		of := samples[(n-1)/window*window : n]
		if of[0] == sample && bytes.Count(of, []byte{sample}) >= count {
			return n
		}
	}
	return 0
}

func BenchmarkHealth(b *testing.B) {
	samples := make([]byte, StartUpSamples)
	rand.NewChaCha8([32]byte{1}).Read(samples)
	h := mustHealth(b, 1)
	b.SetBytes(int64(len(samples)))
	for b.Loop() {
		if alarm := h.Check(samples); alarm != nil {
			b.Fatal(alarm)
		}
	}
}
