// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"cfgsrv/entropy"
	"cfgsrv/status"
)

// randomWatch keeps one entropy monitor running, and replaces it when its
// settings change. Every key is made only while it is healthy.
type randomWatch struct {
	log     *slog.Logger
	metrics *status.Metrics

	mu       sync.Mutex
	settings entropySettings
	monitor  *entropy.Monitor
	end      func() // ends the monitor and waits for it
}

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
		Inactive: inactive, Log: r.log, OnChange: r.changed,
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
		r.log.Warn("the Entropy Monitoring Daemon is deactivated: keys are made without a check of the random source")
	}
	return nil
}

func (r *randomWatch) changed(now entropy.State) {
	r.metrics.EntropyHealthy(now == entropy.Healthy || now == entropy.Degraded || now == entropy.Stopped)
}

func (r *randomWatch) current() *entropy.Monitor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.monitor
}

// healthy is nil, or one sentence that says why no key may be made.
func (r *randomWatch) healthy() error { return r.current().Healthy() }

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

// oneOff is a check of the random source for a command that makes a key without
// a server: it runs the start-up test once.
func oneOff(ctx context.Context, s entropySettings, log *slog.Logger) error {
	if err := entropy.Ready(ctx, log); err != nil {
		return err
	}
	r := &randomWatch{log: log, metrics: status.NewMetrics()}
	if err := r.configure(ctx, s, false); err != nil {
		return err
	}
	defer r.close()
	return r.current().Started(ctx)
}
