// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cfgsrv/configfiles"
	"cfgsrv/entropy"
)

// randomWatch keeps one entropy monitor running, and replaces it when its
// settings change. Every key is made only while it is healthy.
type randomWatch struct {
	log *slog.Logger

	mu       sync.Mutex
	settings entropySettings
	monitor  *entropy.Monitor
	end      func() // ends the monitor and waits for it
}

const daemonOff = "the Entropy Monitoring Daemon does not run: keys are made without a check of the random source"

// configure begins to watch with these settings, unless they are the same as
// before. An inactive monitor waits until it is started.
func (r *randomWatch) configure(ctx context.Context, s entropySettings, inactive bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.monitor != nil && r.settings == s {
		return nil
	}
	m, err := entropy.New(entropy.Config{
		Source: s.Source, Interval: time.Duration(s.Interval), MinEntropyBits: s.MinEntropyBits,
		Inactive: inactive, Log: r.log,
	})
	if err != nil {
		return fmt.Errorf("watching the random source: %w", err)
	}
	if r.end != nil {
		r.end()
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			r.log.Error("watching the random source", "err", err)
		}
	}()
	r.settings, r.monitor, r.end = s, m, func() { cancel(); <-done }
	if inactive {
		r.warn()
	}
	return nil
}

// run starts or stops the monitor, unless it is so already.
func (r *randomWatch) run(yes bool) {
	m := r.current()
	switch stopped := m.Report().State == entropy.Stopped; {
	case yes:
		m.Start()
	case !stopped:
		m.Stop()
		r.warn()
	}
}

func (r *randomWatch) warn() {
	r.log.Warn(daemonOff)
}

func (r *randomWatch) current() *entropy.Monitor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.monitor
}

// healthy is nil, or one sentence that says why no key may be made.
func (r *randomWatch) healthy() error { return r.current().Healthy() }

// passes says whether the source is watched and found good.
func (r *randomWatch) passes() bool {
	state := r.current().Report().State
	return state == entropy.Healthy || state == entropy.Degraded
}

// alarms are those of one test since the settings last changed.
func (r *randomWatch) alarms(t entropy.Test) func() uint64 {
	return func() uint64 { return r.current().Alarms(t) }
}

// close ends the monitor.
func (r *randomWatch) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil {
		r.end()
	}
}

// mayEncrypt is healthy in words that a device may hear.
func (l *loader) mayEncrypt() error {
	if l.healthy == nil || l.healthy() == nil {
		return nil
	}
	return &configfiles.DeniedError{Reason: "the random source is not healthy: nothing is encrypted until it recovers"}
}

// oneOff watches the random source for a command, without a server: it runs the
// start-up test once. The error says why no key may be made, or that the test
// could not be run, and then there is no report.
func oneOff(ctx context.Context, s entropySettings, log *slog.Logger) (*entropy.Report, error) {
	if err := entropy.Ready(ctx, log); err != nil {
		return nil, err
	}
	r := &randomWatch{log: log}
	if err := r.configure(ctx, s, false); err != nil {
		return nil, err
	}
	defer r.close()
	err := r.current().Started(ctx)
	report := r.current().Report()
	return &report, err
}

// mayMakeKeys is nil, or one sentence that says why a command may make no key:
// the running server says so, or a check of its own.
func mayMakeKeys(ctx context.Context, d data, s entropySettings, log *slog.Logger) error {
	err := askServer(ctx, d, "GET", "/entropy/healthy", nil, nil)
	if !errors.Is(err, errNoServer) {
		return err
	}
	services, err := openServices(d)
	if err != nil || !services.activated(entropyDaemon) {
		return err
	}
	_, err = oneOff(ctx, s, log)
	return err
}
