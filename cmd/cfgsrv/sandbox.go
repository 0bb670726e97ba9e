// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// enterSandbox takes from this process, for good, the right to write anywhere
// but below the folders given. Reading stays as the user's permissions have it:
// certificates are often links into folders that nobody can name beforehand
// (certbot, Kubernetes). A kernel without Landlock changes nothing.
func enterSandbox(writable ...string) error {
	rules := []landlock.Rule{landlock.RODirs("/"), landlock.RWFiles("/dev/null", "/dev/tty").IgnoreIfMissing()}
	for _, dir := range writable {
		rules = append(rules, landlock.RWDirs(dir).WithRefer())
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("entering the sandbox: %w; set security.sandbox = false to go without", err)
	}
	return nil
}
