// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"cfgsrv/entropy"
)

// serviceStates is utils service list of the running server.
func (s *server) serviceStates() []serviceState {
	var all []serviceState
	for _, n := range serviceNames() {
		all = append(all, serviceState{Name: n, Started: s.runs(n), Activated: s.services.activated(n)})
	}
	return all
}

// runs says whether a service does its work now.
func (s *server) runs(name string) bool {
	if name == entropyDaemon {
		return s.random.current().Report().State != entropy.Stopped
	}
	_, ok := s.set.Addr(name)
	return ok
}

// service carries out one verb of utils service on the running server.
func (s *server) service(ctx context.Context, name, verb string) error {
	name, err := findService(name)
	if err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.changeService(name, verb); err != nil {
		return err
	}
	if err := s.applyServices(ctx); err != nil {
		// Else no generation could begin until its port is free.
		s.services.stop(name)
		return err
	}
	return nil
}

func (s *server) changeService(name, verb string) error {
	switch verb {
	case "start":
		if s.isOff(name) {
			return fmt.Errorf("%s is off; give it an address with --%s or in cfgsrv.toml", name, name)
		}
		return s.services.start(name)
	case "stop":
		s.services.stop(name)
		return nil
	case "activate":
		return s.services.setActivated(name, true)
	case "deactivate":
		return s.services.setActivated(name, false)
	}
	return fmt.Errorf("there is no verb %q", verb)
}

// isOff says whether a listener has no address.
func (s *server) isOff(name string) bool {
	for _, l := range s.live.current().settings.Listen.all() {
		if l.name == name {
			return l.addr == off
		}
	}
	return false
}

// applyServices starts and stops what is to run by now; nothing else notices.
func (s *server) applyServices(ctx context.Context) error {
	s.random.run(s.services.runs(entropyDaemon))
	g := s.live.current()
	change, err := s.prepare(ctx, g)
	if err != nil {
		return err
	}
	change.Commit(g.number)
	return nil
}
