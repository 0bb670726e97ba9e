// SPDX-License-Identifier: Apache-2.0

package house

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// mostExposed is the exposure level that the unit may have, by the measure of
// systemd-analyze security: 0 is none, 10 is all.
const mostExposed = 1.5

func TestUnitIsHardened(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "../../systemd/cfgsrv.service").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := regexp.MustCompile(`exposure level for cfgsrv.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > mostExposed {
		t.Errorf("exposure level %s, want %v at most\n%s", m[1], mostExposed, out)
	}
}
