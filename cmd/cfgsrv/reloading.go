// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"cfgsrv/capf"
	"cfgsrv/certs"
	"cfgsrv/reload"
)

// publish makes g the running generation.
func (s *server) publish(g *generation) {
	s.level.Set(logLevel(g.settings.Log.Level))
	last := s.live.current()
	s.live.store(g)
	s.loader.number = g.number // one that was not taken leaves no gap
	if last == nil || last.signerChanged(g) {
		s.inspector.look() // what is ready-made may not verify any more
	}
	ends := map[string]time.Time{}
	for _, u := range certs.Units() {
		if pair, ok := g.certs.Pair(u); ok {
			ends[string(u)] = pair.Leaf().NotAfter
		}
	}
	s.metrics.Generation(g.number, ends)
}

const reasonHangup = "SIGHUP"

// reload loads the disk again if it has changed or somebody asks for it, and
// makes it the running generation if nothing is wrong with it.
func (s *server) reload(ctx context.Context, reason string) error {
	mark := s.mark(s.live.current().settings.Certs)
	// What failed may have failed for a passing cause: a port in use, a full disk.
	again := reason == reasonHangup || reason == reload.Timer && s.fault.get() != ""
	if mark == s.tried && !again {
		return nil
	}
	s.tried = mark
	s.supervisor.reloading()
	if reason == reasonHangup {
		s.inspector.look()
	}
	err := s.advance(ctx)
	debug.FreeOSMemory() // the old generation and what loading took
	s.metrics.Reloaded(err)
	told := s.logged(err)
	s.fault.set(err)
	g := s.live.current()
	if err != nil {
		s.supervisor.ready(fmt.Sprintf("still serving generation %d: the last change has a fault", g.number))
		return fmt.Errorf("generation %d goes on: %w", g.number, told)
	}
	s.supervisor.ready(fmt.Sprintf("serving generation %d", g.number))
	return nil
}

// advance moves to the next generation, or changes nothing.
func (s *server) advance(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := certs.Recover(s.live.current().settings.Certs); err != nil {
		return fmt.Errorf("finishing a replaced certificate: %w", err)
	}
	g, f := s.loader.load(ctx)
	if g == nil {
		return f.asError()
	}
	change, err := s.prepare(ctx, g)
	if err != nil {
		return err
	}
	if err := s.observe(ctx, g); err != nil {
		change.Abort()
		return err
	}
	if err := s.random.configure(ctx, g.settings.Entropy, !s.services.runs(entropyDaemon)); err != nil {
		change.Abort()
		return err
	}
	s.tell(f)
	s.publish(g)
	change.Commit(g.number)
	return nil
}

// observe keeps for later generations what this one holds: the certificates in
// lsc/, so that one that is removed or replaced is refused from then on, and
// those of the trust lists, so that phones with an old list find the new one.
func (s *server) observe(ctx context.Context, g *generation) error {
	if err := s.loader.enrolments.Observe(ctx, capf.Folder(s.loader.data.lsc()), g.devices.All()); err != nil {
		return fmt.Errorf("comparing lsc/ with the record of enrolments: %w", err)
	}
	if err := s.loader.memory.Remember(g.listed...); err != nil {
		return fmt.Errorf("remembering the trust lists: %w", err)
	}
	return nil
}

// tell logs what is wrong without being a fault.
func (s *server) tell(f findings) {
	for _, err := range f.complaints {
		s.log.Error("a file of lsc/ cannot be used", "err", err)
	}
	for _, err := range f.warnings {
		s.log.Warn("worth knowing", "err", err)
	}
}

func (s *server) mark(certs string) diskMark { return markDisk(s.loader.data, certs) }

// watched are the folders whose change may mean a new generation.
func (s *server) watched() []string {
	dir := s.live.current().settings.Certs
	all := []string{dir, s.loader.data.lsc(), s.loader.data.generationState()}
	for _, store := range certs.Stores() {
		all = append(all, filepath.Join(dir, string(store)))
	}
	return all
}

// watchFiles keeps the index of files/ equal to the disk.
func (s *server) watchFiles(ctx context.Context) {
	reload.Watch(ctx, reload.WatchConfig{
		Folders: func() []string { return s.filesFolders(ctx) },
		Changed: func(string) { s.live.current().directory.Changed() },
		Log:     s.log,
	})
}

func (s *server) filesFolders(ctx context.Context) []string {
	folders, err := s.live.current().directory.Folders(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("listing the folders of files/", "err", err)
	}
	return folders
}
