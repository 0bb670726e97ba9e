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
	switch verb {
	case "start":
		err = s.services.start(name)
	case "stop":
		s.services.stop(name)
	case "activate":
		err = s.services.setActivated(name, true)
	case "deactivate":
		err = s.services.setActivated(name, false)
	default:
		err = fmt.Errorf("there is no verb %q", verb)
	}
	if err != nil {
		return err
	}
	return s.applyServices(ctx)
}

// applyServices starts and stops what is to run by now.
func (s *server) applyServices(ctx context.Context) error {
	if s.services.runs(entropyDaemon) {
		s.random.current().Start()
	} else {
		s.random.current().Stop()
	}
	g := s.live.current()
	change, err := s.set.Prepare(ctx, s.wanted(g))
	if err != nil {
		return err
	}
	change.Commit(g.number)
	return nil
}
