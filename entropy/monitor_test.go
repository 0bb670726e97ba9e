// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// tap is a source that a test turns from one behaviour to the next.
type tap struct {
	mu   sync.Mutex
	open func() (io.ReadCloser, error)
}

func newTap(open func() (io.ReadCloser, error)) *tap { return &tap{open: open} }

func (p *tap) turn(open func() (io.ReadCloser, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = open
}

func (p *tap) source(name string, kind Kind) Source {
	return fakeSource(name, kind, func() (io.ReadCloser, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.open()
	})
}

// The behaviours.

func good() (io.ReadCloser, error) {
	return io.NopCloser(rand.NewChaCha8([32]byte{42})), nil
}

func stuck() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(make([]byte, StartUpSamples))), nil
}

func alternating() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(repeated([]byte{1, 2}, StartUpSamples))), nil
}

func absent() (io.ReadCloser, error) { return nil, unix.ENODEV }

func silent() (io.ReadCloser, error) { return newHang(true), nil }

// trial is a monitor that runs within a synctest bubble until the test ends.
type trial struct {
	*Monitor
	t   *testing.T
	log *logbook
}

func runTrial(t *testing.T, cfg Config, sources ...Source) *trial {
	log := new(logbook)
	cfg.Log = log.logger()
	cfg.Interval = defaultInterval
	m := newMonitor(cfg, sources)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := m.Report().State; s != Stopped {
			t.Errorf("after Run the state is %s", s)
		}
	})
	synctest.Wait()
	return &trial{Monitor: m, t: t, log: log}
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// expect checks the state, the log since the last time, and whether keys may be
// made: refusal is the sentence, empty for yes.
func (r *trial) expect(state State, refusal, said string) {
	r.t.Helper()
	if got := r.Report().State; got != state {
		r.t.Errorf("state: got %s, want %s", got, state)
	}
	got := ""
	if err := r.Healthy(); err != nil {
		got = err.Error()
	}
	if got != refusal {
		r.t.Errorf("refusal:\ngot  %s\nwant %s", got, refusal)
	}
	if diff := cmp.Diff(said, r.log.take()); diff != "" {
		r.t.Errorf("log: -want +got\n%s", diff)
	}
}

const beganHealthy = `level=INFO msg="random source changed state" state=starting was=stopped source="" min_entropy_bits=0 samples=0
level=INFO msg="random source changed state" state=healthy was=starting source=/dev/hwrng min_entropy_bits=1 samples=1024
`

func TestMonitorOfAGoodSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(good).source("/dev/hwrng", Hardware))
		r.expect(Healthy, "", beganHealthy)
		began := time.Now()
		pass(time.Hour)
		r.expect(Healthy, "", "")
		got := r.Report()
		got.Kernel = KernelFigures{}
		want := Report{
			State: Healthy, Since: began, Source: "/dev/hwrng", Kind: Hardware, MinEntropyBits: 1,
			RepetitionCount: TestFigures{Cutoff: 31}, AdaptiveProportion: TestFigures{Cutoff: 325},
			Samples: 361 * StartUpSamples,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestMonitorAlarmsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := newTap(good)
		r := runTrial(t, Config{}, noise.source("/dev/hwrng", Hardware))
		r.expect(Healthy, "", beganHealthy)

		noise.turn(stuck)
		pass(defaultInterval)
		const refusal = "the random source failed its health test (repetition count 31 of at most 30 on /dev/hwrng); no key is made until it recovers"
		r.expect(Failed, refusal, `level=ERROR msg="random source changed state" state=failed was=healthy source=/dev/hwrng min_entropy_bits=1 samples=2048 reason="failed its health test (repetition count 31 of at most 30 on /dev/hwrng)" test=repetition_count count=31 cutoff=31
`)
		if got, want := r.Report().LastAlarm, (&Incident{Alarm{RepetitionCountTest, 31, 31, 1024 + 31}, "/dev/hwrng", time.Now()}); !cmp.Equal(got, want) {
			t.Errorf("last alarm: got %+v, want %+v", got, want)
		}

		pass(2 * defaultInterval)
		r.expect(Failed, refusal, "") // a transition is logged once
		if got := r.Alarms(RepetitionCountTest); got != 3 {
			t.Errorf("got %d alarms, want 3", got)
		}

		noise.turn(good)
		pass(defaultInterval - 1)
		r.expect(Failed, refusal, "")
		pass(1)
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=healthy was=failed source=/dev/hwrng min_entropy_bits=1 samples=5120
`)
		if got := r.Report().LastAlarm; got == nil || got.Sample != 31 {
			t.Errorf("the last alarm was of a start-up test: got %+v", got)
		}
	})
}

func TestMonitorFailsTheStartUpTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(alternating).source("getrandom", Kernel))
		r.expect(Failed,
			"the random source failed its health test (adaptive proportion 31 of at most 30 in 512 on getrandom); no key is made until it recovers",
			`level=INFO msg="random source changed state" state=starting was=stopped source="" min_entropy_bits=0 samples=0
level=ERROR msg="random source changed state" state=failed was=starting source=getrandom min_entropy_bits=6 samples=1024 reason="failed its health test (adaptive proportion 31 of at most 30 in 512 on getrandom)" test=adaptive_proportion count=31 cutoff=31
`)
		if p, c, none := r.Alarms(AdaptiveProportionTest), r.Alarms(RepetitionCountTest), r.Alarms("other"); p != 1 || c != 0 || none != 0 {
			t.Errorf("alarms: got %d, %d, %d", p, c, none)
		}
	})
}

func TestMonitorHoldsTheClaimGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{MinEntropyBits: 1}, newTap(alternating).source("getrandom", Kernel))
		if got := r.Report(); got.State != Healthy || got.MinEntropyBits != 1 || got.AdaptiveProportion.Cutoff != 325 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMonitorLosesItsOnlySource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := newTap(good)
		r := runTrial(t, Config{}, noise.source("/dev/hwrng", Hardware))
		r.expect(Healthy, "", beganHealthy)

		noise.turn(absent)
		pass(defaultInterval)
		r.expect(Degraded, "", `level=WARN msg="random source changed state" state=degraded was=healthy source=/dev/hwrng min_entropy_bits=1 samples=1024 reason="cannot be read (/dev/hwrng: no such device)"
`)
		noise.turn(good)
		pass(defaultInterval)
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=healthy was=degraded source=/dev/hwrng min_entropy_bits=1 samples=2048
`)
		noise.turn(absent)
		pass(2 * defaultInterval)
		r.expect(Degraded, "", `level=WARN msg="random source changed state" state=degraded was=healthy source=/dev/hwrng min_entropy_bits=1 samples=2048 reason="cannot be read (/dev/hwrng: no such device)"
`)
		pass(defaultInterval)
		const refusal = "the random source cannot be read (/dev/hwrng: no such device); no key is made until it recovers"
		r.expect(Failed, refusal, `level=ERROR msg="random source changed state" state=failed was=degraded source=/dev/hwrng min_entropy_bits=1 samples=2048 reason="cannot be read (/dev/hwrng: no such device)"
`)
		noise.turn(stuck)
		pass(defaultInterval)
		r.expect(Failed, "the random source failed its health test (repetition count 31 of at most 30 on /dev/hwrng); no key is made until it recovers", "")
		noise.turn(absent)
		pass(defaultInterval)
		r.expect(Failed, refusal, "")
		noise.turn(good)
		pass(defaultInterval)
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=healthy was=failed source=/dev/hwrng min_entropy_bits=1 samples=4096
`)
		if got := r.Report().SilentDraws; got != 5 {
			t.Errorf("got %d silent draws, want 5", got)
		}
	})
}

func TestMonitorHasNoSourceToBeginWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(absent).source("/dev/hwrng", Hardware))
		r.expect(Failed, "the random source cannot be read (/dev/hwrng: no such device); no key is made until it recovers",
			`level=INFO msg="random source changed state" state=starting was=stopped source="" min_entropy_bits=0 samples=0
level=ERROR msg="random source changed state" state=failed was=starting source="" min_entropy_bits=0 samples=0 reason="cannot be read (/dev/hwrng: no such device)"
`)
		if err := r.Started(t.Context()); err == nil {
			t.Error("Started: no error")
		}
	})
}

func TestMonitorFallsBackAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := newTap(good)
		r := runTrial(t, Config{}, device.source("/dev/hwrng", Hardware), newTap(good).source("getrandom", Kernel))
		r.expect(Healthy, "", beganHealthy)

		device.turn(absent)
		pass(defaultInterval)
		r.expect(Degraded, "", `level=WARN msg="random source changed state" state=degraded was=healthy source=getrandom min_entropy_bits=6 samples=2048 reason="cannot be read (/dev/hwrng: no such device) and getrandom stands in"
`)
		pass(time.Hour)
		r.expect(Degraded, "", "")

		device.turn(good)
		pass(defaultInterval)
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=healthy was=degraded source=/dev/hwrng min_entropy_bits=1 samples=371712
`)
	})
}

func TestMonitorWithoutHardware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := newTap(absent)
		r := runTrial(t, Config{}, device.source("/dev/hwrng", Hardware), newTap(good).source("getrandom", Kernel))
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=starting was=stopped source="" min_entropy_bits=0 samples=0
level=INFO msg="random source changed state" state=healthy was=starting source=getrandom min_entropy_bits=6 samples=1024 reason="cannot be read (/dev/hwrng: no such device) and getrandom stands in"
`)
		device.turn(good) // its driver is loaded at last
		pass(defaultInterval)
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=healthy was=healthy source=/dev/hwrng min_entropy_bits=1 samples=2048
`)
	})
}

// TestMonitorDoesNotFallBackFromAnAlarm: another source would only hide it.
func TestMonitorDoesNotFallBackFromAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(stuck).source("/dev/hwrng", Hardware), newTap(good).source("getrandom", Kernel))
		if got := r.Report(); got.State != Failed || got.Source != "/dev/hwrng" {
			t.Errorf("got %+v", got)
		}
	})
}

// TestMonitorTestsTheStandIn: the fallback needs a start-up test like any other.
func TestMonitorTestsTheStandIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device := newTap(good)
		r := runTrial(t, Config{}, device.source("/dev/hwrng", Hardware), newTap(stuck).source("getrandom", Kernel))
		device.turn(absent)
		pass(defaultInterval)
		if got := r.Report(); got.State != Failed || got.LastAlarm == nil || got.LastAlarm.Sample != 6 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestMonitorOfASilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		noise := newTap(silent)
		r := runTrial(t, Config{}, noise.source("/dev/hwrng", Hardware))
		r.expect(Starting, "the random source has not passed its start-up test yet; no key is made before it has",
			`level=INFO msg="random source changed state" state=starting was=stopped source="" min_entropy_bits=0 samples=0
`)
		pass(drawLimit)
		r.expect(Failed, "the random source cannot be read (/dev/hwrng: no answer within 5s); no key is made until it recovers",
			`level=ERROR msg="random source changed state" state=failed was=starting source="" min_entropy_bits=0 samples=0 reason="cannot be read (/dev/hwrng: no answer within 5s)"
`)
		noise.turn(good)
		pass(defaultInterval - drawLimit)
		if got := r.Report().State; got != Healthy {
			t.Errorf("got %s", got)
		}
	})
}

// TestMonitorEndsBesideAHangingDriver: neither Stop nor the end of Run waits
// for a read that nothing can interrupt.
func TestMonitorEndsBesideAHangingDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := newHang(false)
		defer driver.letGo()
		r := runTrial(t, Config{}, fakeSource("/dev/hwrng", Hardware, func() (io.ReadCloser, error) { return driver, nil }))
		began := time.Now()
		r.Stop()
		if took := time.Since(began); took != closeLimit {
			t.Errorf("Stop took %s", took)
		}
		r.Start()
		synctest.Wait()
		if got, want := r.Report().Reason, "cannot be read (/dev/hwrng: an earlier read has not returned)"; got != want {
			t.Errorf("reason: got %q, want %q", got, want)
		}
	})
}

// edges begins and ends every draw with 20 equal samples: too few for an alarm
// by itself, too many (of at most 30) where one draw follows another.
func edges() (io.ReadCloser, error) {
	samples := repeated(symbols(256), StartUpSamples)
	for i := range 20 {
		samples[i], samples[len(samples)-1-i] = 0, 0
	}
	return io.NopCloser(bytes.NewReader(samples)), nil
}

func TestMonitorTestsAcrossDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(edges).source("/dev/hwrng", Hardware))
		if got := r.Report().State; got != Healthy {
			t.Fatalf("after one draw: %s", got)
		}
		pass(defaultInterval)
		if got := r.Report(); got.State != Failed || got.LastAlarm.Sample != 1024+11 {
			t.Errorf("after two draws: %+v", got)
		}
	})
}

func TestMonitorBeginsAnewAtEveryStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(edges).source("/dev/hwrng", Hardware))
		r.expect(Healthy, "", beganHealthy)
		r.Stop()
		r.expect(Stopped, "", `level=INFO msg="random source changed state" state=stopped was=healthy source=/dev/hwrng min_entropy_bits=1 samples=1024
`)
		r.Stop()
		pass(time.Hour)
		r.expect(Stopped, "", "")
		r.Start()
		r.Start()
		synctest.Wait()
		r.expect(Healthy, "", `level=INFO msg="random source changed state" state=starting was=stopped source=/dev/hwrng min_entropy_bits=1 samples=1024
level=INFO msg="random source changed state" state=healthy was=starting source=/dev/hwrng min_entropy_bits=1 samples=2048
`)
		r.Start() // changes nothing: the next draw goes on with the tests
		pass(defaultInterval)
		if got := r.Report().State; got != Failed {
			t.Errorf("got %s", got)
		}
	})
}

func TestMonitorStopsWhileFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(stuck).source("/dev/hwrng", Hardware))
		if r.Healthy() == nil {
			t.Fatal("healthy")
		}
		r.Stop()
		if err := r.Healthy(); err != nil {
			t.Errorf("while nobody watches: %v", err)
		}
		r.Start()
		if err := r.Started(t.Context()); err == nil {
			t.Error("started again: no error")
		}
	})
}

func TestMonitorInactive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{Inactive: true}, newTap(stuck).source("/dev/hwrng", Hardware))
		pass(time.Hour)
		r.expect(Stopped, "", "")
		if err := r.Started(t.Context()); err != nil {
			t.Errorf("Started: %v", err)
		}
		r.Start()
		synctest.Wait()
		if got := r.Report().State; got != Failed {
			t.Errorf("after Start: %s", got)
		}
	})
}

func TestMonitorBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(Config{Interval: defaultInterval}, []Source{newTap(good).source("/dev/hwrng", Hardware)})
		if err := m.Healthy(); err != nil || m.Report().State != Stopped {
			t.Errorf("never run: %v, %s", err, m.Report().State)
		}
		started := make(chan error)
		go func() { started <- m.Started(t.Context()) }()
		synctest.Wait()
		m.Stop()
		if err := <-started; err != nil {
			t.Errorf("Started, stopped meanwhile: %v", err)
		}
		m.Start()
		go func() { started <- m.Started(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-started:
			t.Errorf("Started did not wait for Run: %v", err)
		default:
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		if err := <-started; err != nil {
			t.Errorf("Started: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestMonitorStartedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runTrial(t, Config{}, newTap(silent).source("/dev/hwrng", Hardware))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Started(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
	})
}

func TestMonitorRunsOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(Config{Interval: defaultInterval}, []Source{newTap(edges).source("/dev/hwrng", Hardware)})
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- m.Run(ctx) }()
			if err := m.Started(t.Context()); err != nil {
				t.Errorf("Started: %v", err)
			}
			if err := m.Run(ctx); err == nil {
				t.Error("a second Run beside the first: no error")
			}
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	})
}

func TestMonitorTellsEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []State
		noise := newTap(good)
		r := runTrial(t, Config{OnChange: func(now State) { told = append(told, now) }}, noise.source("/dev/hwrng", Hardware))
		for _, open := range []func() (io.ReadCloser, error){absent, stuck, good} {
			noise.turn(open)
			pass(defaultInterval)
		}
		r.Stop()
		if want := []State{Starting, Healthy, Degraded, Failed, Healthy, Stopped}; !slices.Equal(told, want) {
			t.Errorf("got %v, want %v", told, want)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	tests := map[string]Config{
		"unknown source":     {Source: "hwrng"},
		"claim too high":     {MinEntropyBits: 8.1},
		"negative claim":     {MinEntropyBits: -1},
		"interval too short": {Interval: leastInterval - 1},
		"negative interval":  {Interval: -1},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := New(cfg); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestMonitorOfRealSources(t *testing.T) {
	tests := []struct {
		name    string
		cfg     Config
		refusal string
	}{
		{"default", Config{}, ""},
		{"getrandom", Config{Source: "getrandom"}, ""},
		{"zero", Config{Source: "/dev/zero"}, "the random source failed its health test (repetition count 31 of at most 30 on /dev/zero); no key is made until it recovers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := New(test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- m.Run(ctx) }()
			got := ""
			if err := m.Started(t.Context()); err != nil {
				got = err.Error()
			}
			if got != test.refusal {
				t.Errorf("got %q, want %q", got, test.refusal)
			}
			cancel()
			<-done
		})
	}
}

func TestMonitorRefusesForAMissingPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "noise")
	m, err := New(Config{Source: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	want := "the random source cannot be read (" + path + ": no such file or directory); no key is made until it recovers"
	if err := m.Started(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	cancel()
	<-done
}

// TestMonitorFromManyGoroutines is for the race detector.
func TestMonitorFromManyGoroutines(t *testing.T) {
	m, err := New(Config{Source: "getrandom"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 100 {
				m.Start()
				if err := m.Started(ctx); err != nil {
					t.Errorf("Started: %v", err)
				}
				if n := m.Alarms(RepetitionCountTest); n != 0 || m.Report().LastAlarm != nil {
					t.Errorf("%d alarms", n)
				}
				m.Stop()
			}
		})
	}
	callers.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}
