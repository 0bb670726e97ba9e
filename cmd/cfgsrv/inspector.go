// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"cfgsrv/certs"
)

// maxFindings bounds what one look through files/ may log.
const maxFindings = 100

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

func (s *server) inspectFiles(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.inspector.wake:
		}
		f := s.live.current().inspect(ctx)
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
}
