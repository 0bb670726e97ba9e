// SPDX-License-Identifier: Apache-2.0

package https

import (
	"sync"
	"testing"
)

// TestLargeFilesOverTLSWhenMemoryForThemIsLent has more clients than there is
// memory for, so that some are served in smaller pieces.
func TestLargeFilesOverTLSWhenMemoryForThemIsLent(t *testing.T) {
	const size = 2*bulkSize + 12345
	gen := Generation{Files: onDisk{t.TempDir()}.with(t, "large", size), TLS: serverTLS(t, 1)}
	s := start(t, gen)
	var lent []*bulk
	for b := s.bulks.borrow(); b != nil; b = s.bulks.borrow() {
		lent = append(lent, b)
	}
	if len(lent) != maxBulks {
		t.Errorf("%d are lent", len(lent))
	}
	for range 2 { // in small pieces, and in large ones
		var wait sync.WaitGroup
		for range 3 {
			phone := s.dial(clientTLS())
			wait.Go(func() {
				for range 2 {
					if r := phone.get("/large"); r.body != content(size) {
						t.Errorf("%s, %d bytes, of %d", r.Status, len(r.body), size)
					}
				}
			})
		}
		wait.Wait()
		for _, b := range lent {
			s.bulks.giveBack(b)
		}
		lent = nil
	}
	waitFor(t, "all is given back", func() bool { return s.bulks.lent.Load() == 0 })
}
