// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	defaultInterval = 10 * time.Second
	leastInterval   = time.Second
)

// Config says what a monitor watches and how. The zero value is the default.
type Config struct {
	Source         string          // see [Sources]
	Interval       time.Duration   // between draws, at least a second; 0 is 10 s
	MinEntropyBits float64         // claimed per 8-bit sample, at most 8; 0 is by the kind of the source
	Inactive       bool            // Run waits for Start
	Log            *slog.Logger    // nil means discard
	OnChange       func(now State) // called from Run after every change of state; must not call Stop
}

// Monitor is the Entropy Monitoring Daemon. Its methods may be called from any
// goroutine. Its settings are fixed: for others, end Run and make a new one,
// which begins with a start-up test.
type Monitor struct {
	cfg      Config
	samplers []*sampler
	root     fs.FS         // /, for the kernel's figures
	switched chan struct{} // capacity 1; tells Run that on may have changed

	mu      sync.Mutex
	running bool
	on      bool               // what Start or Stop last asked for
	cancel  context.CancelFunc // ends the watch under way; nil if there is none
	ended   chan struct{}      // closed when that watch has ended
	changed chan struct{}      // closed, and replaced, when report or on changes
	report  Report             // without the kernel's figures
}

// New checks the settings. Nothing is drawn before Run.
func New(cfg Config) (*Monitor, error) {
	sources, err := Sources(cfg.Source)
	if err != nil {
		return nil, err
	}
	if cfg.MinEntropyBits != 0 {
		if err := checkClaim(cfg.MinEntropyBits); err != nil {
			return nil, err
		}
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Interval < leastInterval {
		return nil, fmt.Errorf("an entropy interval of %s is shorter than %s", cfg.Interval, leastInterval)
	}
	return newMonitor(cfg, sources), nil
}

func newMonitor(cfg Config, sources []Source) *Monitor {
	cfg.Log = orDiscard(cfg.Log)
	m := &Monitor{
		cfg:      cfg,
		root:     os.DirFS("/"),
		switched: make(chan struct{}, 1),
		on:       !cfg.Inactive,
		changed:  make(chan struct{}),
		report:   Report{State: Stopped, Since: time.Now()},
	}
	for _, s := range sources {
		m.samplers = append(m.samplers, newSampler(s))
	}
	return m
}

// Run watches until ctx ends, then returns nil; after that it may be called
// again. A Run beside another is refused with an error. While stopped by Stop
// or Config.Inactive it waits for Start. Every watch begins with a start-up
// test.
func (m *Monitor) Run(ctx context.Context) error {
	if !m.setRunning(true) {
		return errors.New("the entropy monitor is running already")
	}
	defer m.setRunning(false)
	for {
		m.watchOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-m.switched:
		}
	}
}

// setRunning says whether it changed anything.
func (m *Monitor) setRunning(running bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := m.running != running
	m.running = running
	return changed
}

// Start ends what Stop or Config.Inactive began: the Run under way, or a later
// one, watches. While it does already, nothing changes. Start does not wait for
// the start-up test; [Monitor.Started] does.
func (m *Monitor) Start() {
	m.mu.Lock()
	m.on = true
	m.noteChange()
	m.mu.Unlock()
	select {
	case m.switched <- struct{}{}:
	default:
	}
}

// Stop ends the watch and returns when the state is stopped; Run goes on and
// waits for Start. A second call is harmless.
func (m *Monitor) Stop() {
	m.mu.Lock()
	m.on = false
	m.noteChange()
	cancel, ended := m.cancel, m.ended
	m.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
}

// watchOnce watches until ctx ends or Stop is called, or does nothing while the
// monitor is off.
func (m *Monitor) watchOnce(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !m.begin(cancel) {
		return
	}
	defer m.end()
	m.publish(verdict{state: Starting})
	defer m.publish(verdict{state: Stopped})
	w := watch{samplers: m.samplers, claim: m.cfg.MinEntropyBits}
	ticker := time.NewTicker(m.cfg.Interval)
	defer ticker.Stop()
	for {
		v := w.next(ctx)
		if ctx.Err() != nil {
			return
		}
		m.publish(v)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (m *Monitor) begin(cancel context.CancelFunc) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on {
		return false
	}
	m.cancel, m.ended = cancel, make(chan struct{})
	return true
}

func (m *Monitor) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.ended)
	m.cancel, m.ended = nil, nil
}
