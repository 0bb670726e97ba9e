// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this binary be the program too: run under the name cfgsrv it is
// what users run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cfgsrv": main})
}
