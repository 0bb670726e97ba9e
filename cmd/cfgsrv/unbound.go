// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cfgsrv/listeners"
)

// unboundError is two or more listeners that cannot be opened, with a line for
// each.
type unboundError []*listeners.BindError

func (e unboundError) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return fmt.Sprintf("%d listeners cannot be opened:\n  %s", len(e), strings.Join(lines, "\n  "))
}

// prepare binds what g wants besides what runs.
func (s *server) prepare(ctx context.Context, g *generation) (*listeners.Change, error) {
	change, err := s.set.Prepare(ctx, s.wanted(g))
	if all := listeners.BindErrors(err); len(all) > 1 {
		return nil, unboundError(all)
	}
	return change, err
}

// logged gives each listener that err names a log record of its own, unless the
// last fault was the same, and returns what is left for the record of all.
func (s *server) logged(err error) error {
	var all unboundError
	if !errors.As(err, &all) {
		return err
	}
	if err.Error() != s.fault.get() {
		for _, one := range all {
			s.log.Error("listener not opened", "listener", one.Listener, "err", one)
		}
	}
	return fmt.Errorf("%d listeners cannot be opened", len(all))
}
