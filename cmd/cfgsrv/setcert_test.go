// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// TestRunningServerTakesUpANewCertificate regenerates a unit while the server
// runs, and waits until it is presented.
func TestRunningServerTakesUpANewCertificate(t *testing.T) {
	n := startInstance(t)
	before := presents(t, n.addr("jabber"))
	if _, _, err := n.output("set", "cert", "regen", "tomcat-ECDSA", "--host", certstest.Host); err != nil {
		t.Fatal(err)
	}
	pair, _ := certstest.Load(t, n.certs).Pair(certs.TomcatECDSA)
	if before.Equal(pair.Leaf()) {
		t.Fatal("nothing was regenerated")
	}
	n.waitFor("the new certificate", func() bool { return presents(t, n.addr("jabber")).Equal(pair.Leaf()) })
	kept, err := filepath.Glob(filepath.Join(n.data, "state", "replaced", "tomcat-ECDSA-*"))
	if err != nil || len(kept) != 1 {
		t.Errorf("kept %q, %v", kept, err)
	}
}

// presents is the certificate that a listener shows.
func presents(t *testing.T, addr string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// TestKilledCommandLeavesAPair kills commands that replace a unit's pair at
// moments that nobody chose: what is left loads, with the old pair or the new
// one, no key is ever open to others, and the next command ends well.
func TestKilledCommandLeavesAPair(t *testing.T) {
	data := t.TempDir()
	regen := []string{"set", "cert", "regen", "tomcat-ECDSA", "--host", "ucm1", "--data", data}
	gen := []string{"set", "csr", "gen", "tomcat-ECDSA", "--host", "ucm1", "--yes", "--data", data}
	began := time.Now()
	if err := runProcess(t.Context(), regen); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)
	dir := filepath.Join(data, "certs")
	killed := 0
	for i := range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), whole/4+rand.N(whole))
		err := runProcess(ctx, [][]string{regen, gen}[i%2])
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			killed++
		} else if err != nil {
			t.Fatal(err)
		}
		cancel()
		certstest.Load(t, dir)
		keysAreClosed(t, data)
		keptAreWhole(t, data)
	}
	if killed < 10 {
		t.Errorf("killed %d times of 50: the moments are not chosen well", killed)
	}
	for _, args := range [][]string{gen, regen} {
		if err := runProcess(t.Context(), args); err != nil {
			t.Fatal(err)
		}
	}
	if err := certs.Recover(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 { // the pair, the request and its key
		t.Errorf("%d files are left: %v", len(entries), entries)
	}
}

// runProcess runs cfgsrv in a process of its own, which ends with ctx.
func runProcess(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Args = append([]string{"cfgsrv"}, args...)
	return cmd.Run()
}

// keysAreClosed looks at every file below DATA.
func keysAreClosed(t *testing.T, data string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "PRIVATE KEY") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s holds a key and has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// keptAreWhole sees that each kept pair is a pair.
func keptAreWhole(t *testing.T, data string) {
	t.Helper()
	kept, err := filepath.Glob(filepath.Join(data, "state", "replaced", "tomcat-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range kept {
		if _, ok, err := certs.LoadUnit(os.DirFS(folder), certs.TomcatECDSA); err != nil || !ok {
			t.Errorf("%s: %v", folder, err)
		}
	}
}

// TestKeysAreNeverPrinted runs the commands that come near keys, also with a
// key where a certificate belongs.
func TestKeysAreNeverPrinted(t *testing.T) {
	data := t.TempDir()
	key := filepath.Join(data, "certs", "tomcat-ECDSA.key")
	for _, line := range []string{
		"set cert regen tomcat-ECDSA --host ucm1", "set csr gen tomcat-ECDSA --host ucm1", "set cert regen tomcat-ECDSA --host ucm1",
		"show cert list own --json", "show cert own tomcat-ECDSA", "show cert own tomcat-ECDSA --json",
		"show csr own tomcat-ECDSA", "show csr own tomcat-ECDSA --json",
		"set cert import own tomcat-ECDSA " + key, "set cert import own tomcat-ECDSA " + key + " --key " + key,
		"set cert import trust tomcat " + key, "set cert bulk export tomcat-ECDSA " + t.TempDir(),
	} {
		var out bytes.Buffer
		run(t.Context(), append(strings.Fields(line), "--data", data, "--log-level", "debug"), nil, &out, &out)
		if out.Len() == 0 {
			t.Errorf("%s: says nothing", line)
		}
		b, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.Split(string(b), "\n")[1] // a line of base64
		if strings.Contains(out.String(), secret) || strings.Contains(out.String(), "PRIVATE KEY-----") {
			t.Errorf("%s: prints a key", line)
		}
	}
}
