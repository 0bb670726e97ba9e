// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"runtime"
	"testing"

	"cfgsrv/configfiles"
)

// waitUntilSettled waits the few milliseconds until a change of the file can no
// longer be missed.
func waitUntilSettled(t testing.TB, path string) {
	t.Helper()
	for {
		settled, err := configfiles.Settled(path)
		if err != nil {
			t.Fatal(err)
		}
		if settled {
			return
		}
		runtime.Gosched()
	}
}
