// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"
	"time"

	"cfgsrv/certs"
)

// maxFindings bounds what one look through files/ may log.
const maxFindings = 100

// What can wait at the start, because a building's phones come back from a power
// cut together with the server.
const (
	memoryAfter = 2 * time.Second  // until memory that starting took is given back
	lookAfter   = 10 * time.Second // until the first look through files/
)

// inspector looks through files/ in the background and logs what will disappoint
// somebody: at the start, after SIGHUP, and when files are signed by another
// certificate. That reads every master file, so it is not done each time.
type inspector struct{ wake chan struct{} }

func newInspector() inspector { return inspector{make(chan struct{}, 1)} }

// look asks for a look at what is current. It does not block.
func (i inspector) look() {
	select {
	case i.wake <- struct{}{}:
	default: // one is asked for already
	}
}

// signerChanged says whether next signs files with another certificate.
func (g *generation) signerChanged(next *generation) bool {
	a, _ := g.certs.Pair(certs.CallManager)
	b, _ := next.certs.Pair(certs.CallManager)
	return !a.Leaf().Equal(b.Leaf())
}

// inspectFiles looks when that is asked for, and keeps what starting and looking
// take from staying resident.
func (s *server) inspectFiles(ctx context.Context) {
	memory := time.After(memoryAfter)
	look := time.After(lookAfter)
	var wake <-chan struct{} // nil until it may look
	for {
		select {
		case <-ctx.Done():
			return
		case <-memory:
		case <-look:
			wake = s.inspector.wake
			continue
		case <-wake:
			s.report(s.live.current().inspect(ctx))
		}
		debug.FreeOSMemory()
	}
}

// report logs what a look has found.
func (s *server) report(f findings) {
	left := maxFindings
	for _, list := range []struct {
		say      func(msg string, args ...any)
		findings []error
	}{{s.log.Error, f.complaints}, {s.log.Warn, f.warnings}} {
		for _, err := range list.findings[:min(left, len(list.findings))] {
			list.say("file needs attention", "err", err)
		}
		left -= min(left, len(list.findings))
	}
	if n := len(f.complaints) + len(f.warnings); n > maxFindings {
		s.log.Warn("more files need attention; 'cfgsrv check' lists them all", "files", n-maxFindings)
	}
}
