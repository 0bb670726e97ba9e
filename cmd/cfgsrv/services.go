// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// entropyDaemon is the name that administrators know the entropy monitor by.
const entropyDaemon = "Entropy Monitoring Daemon"

// serviceNames lists what utils service can turn on and off.
func serviceNames() []string {
	names := []string{entropyDaemon}
	for _, l := range defaultSettings().Listen.all() {
		names = append(names, l.name)
	}
	return names
}

// findService is the service of that name in any case.
func findService(name string) (string, error) {
	for _, n := range serviceNames() {
		if strings.EqualFold(n, name) {
			return n, nil
		}
	}
	return "", usagef("there is no service %q; choose one of %s", name, quoteAll(serviceNames()))
}

// serviceState is one line of utils service list.
type serviceState struct {
	Name      string `json:"name"`
	Started   bool   `json:"started"`
	Activated bool   `json:"activated"`
}

// String is the line as administrators know it.
func (s serviceState) String() string {
	switch {
	case s.Started:
		return s.Name + " [STARTED]"
	case s.Activated:
		return s.Name + " [STOPPED]"
	}
	return s.Name + " [STOPPED] Service Not Activated"
}

// services remembers which services are not to run: deactivated ones over
// restarts, in a file of state/; stopped ones as long as the server runs.
type services struct {
	path string

	mu          sync.Mutex
	deactivated map[string]bool
	stopped     map[string]bool
}

// openServices reads which services are deactivated.
func openServices(d data) (*services, error) {
	s := &services{
		path:        filepath.Join(d.state(), "deactivated.json"),
		deactivated: map[string]bool{}, stopped: map[string]bool{},
	}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the deactivated services: %w", err)
	}
	var names []string
	if err := json.Unmarshal(b, &names); err != nil {
		return nil, fmt.Errorf("reading the deactivated services from %s: %w; remove the file to activate all", s.path, err)
	}
	for _, n := range names {
		s.deactivated[n] = true
	}
	return s, nil
}

// runs says whether a service is to run.
func (s *services) runs(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.deactivated[name] && !s.stopped[name]
}

func (s *services) activated(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.deactivated[name]
}

// stop and start last until the server ends.
func (s *services) stop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped[name] = true
}

func (s *services) start(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deactivated[name] {
		return fmt.Errorf("%s is not activated; use 'cfgsrv utils service activate %s'", name, name)
	}
	delete(s.stopped, name)
	return nil
}

// setActivated lasts over restarts. An activated service is also started.
func (s *services) setActivated(name string, yes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.deactivated)
	if yes {
		delete(next, name)
	} else {
		next[name] = true
	}
	b, err := json.Marshal(slices.Sorted(maps.Keys(next)))
	if err != nil {
		return err
	}
	if err := makeFolder(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	if err := writeFile(s.path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	s.deactivated = next
	if yes {
		delete(s.stopped, name)
	}
	return nil
}
