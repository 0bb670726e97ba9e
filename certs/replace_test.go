// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// holds says which of the pairs the folder holds.
func holds(t *testing.T, dir string, pairs ...certs.Pair) int {
	t.Helper()
	snapshot, err := certs.Load(os.DirFS(dir))
	if err != nil {
		t.Error(err)
		return -1
	}
	got, ok := snapshot.Pair(pairs[0].Unit)
	if !ok {
		return -1
	}
	return slices.IndexFunc(pairs, func(p certs.Pair) bool { return p.Leaf().Equal(got.Leaf()) })
}

// content is what the folder holds, by name, with mode and links.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		what := info.Mode().String() + " "
		if info.Mode().IsRegular() {
			what += string(read(t, dir, e.Name()))
		}
		all[e.Name()] = what
	}
	return all
}

func TestReplace(t *testing.T) {
	for _, u := range []certs.Unit{certs.Tomcat, certs.CallManagerECDSA} {
		dir := certstest.Dir(t, u)
		next := certstest.Other(t, u)
		if err := certs.Replace(dir, next); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			string(u) + ".pem": "-rw-r--r-- " + string(certstest.CertPEM(next.Chain...)),
			string(u) + ".key": "-rw------- " + string(certstest.KeyPEM(t, next.Key)),
		}
		if diff := cmp.Diff(want, content(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestReplaceKilled stops after each step, as a kill does, and loads what is
// left: the old pair before the commit, the new one after it. Recover then
// finishes the one and forgets the other.
func TestReplaceKilled(t *testing.T) {
	old, next := certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)
	const commit = 3 // steps until the new pair counts
	for n := range 7 {
		dir := certstest.Dir(t, certs.TomcatECDSA)
		steps, err := certs.ReplaceSteps(dir, next)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != 6 {
			t.Fatalf("%d steps: this test knows another number", len(steps))
		}
		for i, step := range steps[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			keysAreClosed(t, dir, i)
		}
		want := 0
		if n >= commit {
			want = 1
		}
		if got := holds(t, dir, old, next); got != want {
			t.Errorf("after %d steps: pair %d, want %d", n, got, want)
		}
		for range 2 { // a second time is harmless
			if err := certs.Recover(dir); err != nil {
				t.Errorf("after %d steps: %v", n, err)
			}
		}
		clean := certstest.Dir(t, certs.TomcatECDSA)
		certstest.Write(t, clean, []certs.Pair{old, next}[want])
		if diff := cmp.Diff(content(t, clean), content(t, dir)); diff != "" {
			t.Errorf("after %d steps: %s", n, diff)
		}
	}
}

// keysAreClosed sees that no file with a key can be read by others.
func keysAreClosed(t *testing.T, dir string, step int) {
	t.Helper()
	for name, what := range content(t, dir) {
		if strings.Contains(what, "PRIVATE KEY") && !strings.HasPrefix(what, "-rw------- ") {
			t.Errorf("step %d: %s is %.10s", step, name, what)
		}
	}
}

// TestReplaceOverAnUnfinishedOne has a second pair replace the first, which is
// committed but not in place.
func TestReplaceOverAnUnfinishedOne(t *testing.T) {
	first, second := certstest.Other(t, certs.TomcatECDSA), certstest.Pair(t, certs.TomcatECDSA)
	dir := certstest.Dir(t, certs.TomcatECDSA)
	steps, err := certs.ReplaceSteps(dir, first)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps[:4] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if err := certs.Replace(dir, second); err != nil {
		t.Fatal(err)
	}
	if err := certs.Recover(dir); err != nil {
		t.Fatal(err)
	}
	if got := holds(t, dir, first, second); got != 1 {
		t.Errorf("got pair %d", got)
	}
}

// TestReplaceProcessKilled kills a process that does nothing but replace, at
// moments that nobody chose.
func TestReplaceProcessKilled(t *testing.T) {
	const variable = "CERTS_TEST_REPLACE_IN"
	a, b := certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)
	if dir := os.Getenv(variable); dir != "" {
		for {
			for _, p := range []certs.Pair{a, b} {
				if err := certs.Replace(dir, p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	dir := certstest.Dir(t, certs.TomcatECDSA)
	for range 12 {
		before := read(t, dir, "tomcat-ECDSA.key")
		cmd := exec.Command(os.Args[0], "-test.run=^TestReplaceProcessKilled$")
		cmd.Env = append(os.Environ(), variable+"="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool { return !bytes.Equal(before, read(t, dir, "tomcat-ECDSA.key")) })
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed
		keysAreClosed(t, dir, 0)
		certstest.Load(t, dir)
		if err := certs.Recover(dir); err != nil {
			t.Error(err)
		}
		certstest.Load(t, dir)
		if left := content(t, dir); len(left) != 2 {
			t.Errorf("Recover left %d files", len(left))
		}
	}
}

// waitFor spins until the condition holds.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// TestLoadWhileReplacing has readers see no moment without a whole pair.
func TestLoadWhileReplacing(t *testing.T) {
	dir := certstest.Dir(t, certs.TomcatECDSA)
	a, b := certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					holds(t, dir, a, b)
				}
			}
		})
	}
	for range 30 {
		for _, p := range []certs.Pair{b, a} {
			if err := certs.Replace(dir, p); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
}

// TestReplaceAtOnce has writers wait for one another.
func TestReplaceAtOnce(t *testing.T) {
	dir := certstest.Dir(t, certs.TomcatECDSA)
	a, b := certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)
	var writers sync.WaitGroup
	for _, p := range []certs.Pair{a, b, a, b} {
		writers.Go(func() {
			for range 10 {
				if err := errors.Join(certs.Replace(dir, p), certs.Recover(dir)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if got := holds(t, dir, a, b); got < 0 {
		t.Error("no pair is left")
	}
	if got := content(t, dir); len(got) != 2 {
		t.Errorf("%d files are left", len(got))
	}
}

func TestReplaceReplacesTheLink(t *testing.T) {
	live := certstest.Dir(t, certs.Tomcat)
	dir := certstest.Dir(t, certs.CAPF)
	for _, name := range []string{"tomcat.pem", "tomcat.key"} {
		symlink(t, filepath.Join(live, name), dir, name)
	}
	before := content(t, live)
	old, next := certstest.Pair(t, certs.Tomcat), certstest.Other(t, certs.Tomcat)
	if got := holds(t, dir, old, next); got != 0 {
		t.Fatalf("got pair %d", got)
	}
	if err := certs.Replace(dir, next); err != nil {
		t.Fatal(err)
	}
	if got := holds(t, dir, old, next); got != 1 {
		t.Errorf("got pair %d", got)
	}
	if diff := cmp.Diff(before, content(t, live)); diff != "" {
		t.Errorf("written through the link: %s", diff)
	}
}

func TestReplaceRefusesWhatLoadWould(t *testing.T) {
	good := certstest.Pair(t, certs.Tomcat)
	for name, tt := range map[string]struct {
		pair certs.Pair
		want string
	}{
		"foreign key":    {certs.Pair{Unit: certs.Tomcat, Chain: good.Chain, Key: certstest.Other(t, certs.Tomcat).Key}, "does not belong to the certificate"},
		"wrong unit":     {certs.Pair{Unit: certs.TomcatECDSA, Chain: good.Chain, Key: good.Key}, "has a key of another kind or size: RSA-2048"},
		"no key":         {certs.Pair{Unit: certs.Tomcat, Chain: good.Chain}, "replacing tomcat: there is no key"},
		"no certificate": {certs.Pair{Unit: certs.Tomcat, Key: good.Key}, "tomcat.pem: is missing"},
		"no unit":        {certs.Pair{Unit: "../tomcat", Chain: good.Chain, Key: good.Key}, "there is no such unit"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := certstest.Dir(t)
			before := content(t, dir)
			if err := certs.Replace(dir, tt.pair); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(before, content(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReplaceOverAFolder(t *testing.T) {
	for _, name := range []string{"tomcat.pem", "tomcat.key"} {
		dir := certstest.Dir(t, certs.CAPF)
		write(t, dir, name+"/x", nil, 0o600)
		before := content(t, dir)
		err := certs.Replace(dir, certstest.Pair(t, certs.Tomcat))
		if err == nil || !strings.HasSuffix(err.Error(), name+" is a folder") {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff(before, content(t, dir)); diff != "" {
			t.Error(diff)
		}
	}
}

// asNobody does something on a thread that has no right to anything.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with us
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Error(err)
			return
		}
		do()
	})
	done.Wait()
}

func TestReadOnlyFolder(t *testing.T) {
	dir := certstest.Dir(t, certs.TomcatECDSA)
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // or it could not be removed
	}
	before := content(t, dir)
	asNobody(t, func() {
		err := certs.Replace(dir, certstest.Other(t, certs.TomcatECDSA))
		if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "replacing tomcat-ECDSA: the folder "+dir+" cannot be written to by this user: open "+dir) {
			t.Errorf("replacing: %v", err)
		}
		if err := certs.Recover(dir); err != nil {
			t.Errorf("recovering nothing: %v", err)
		}
		made, err := certs.Maker{}.CreateMissing(dir, certs.Template{Host: certstest.Host})
		if !errors.Is(err, fs.ErrPermission) || len(made) > 0 {
			t.Errorf("making what is missing: %v, %v", made, err)
		}
	})
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestFullDisk needs root and a kernel that lets it mount.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8k,mode=0700"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	certstest.Write(t, dir, certstest.Pair(t, certs.TomcatECDSA))
	before := content(t, dir)
	err := certs.Replace(dir, certstest.Other(t, certs.TomcatECDSA))
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "replacing tomcat-ECDSA: the disk of "+dir+" is full: write "+dir) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestExplained(t *testing.T) {
	for cause, want := range map[error]string{
		syscall.ENOSPC: "the disk of certs is full: no space left on device",
		syscall.EDQUOT: "the disk of certs is full: disk quota exceeded",
		syscall.EROFS:  "the folder certs is read-only: read-only file system",
		syscall.EACCES: "the folder certs cannot be written to by this user: permission denied",
		syscall.EIO:    "input/output error",
	} {
		if got := certs.Explained("certs", cause); got.Error() != want || !errors.Is(got, cause) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestRecoverReportsABrokenCommit(t *testing.T) {
	dir := certstest.Dir(t, certs.Tomcat, certs.TomcatECDSA)
	write(t, dir, ".tomcat.commit", []byte("x"), 0o600)
	next := certstest.Other(t, certs.TomcatECDSA)
	write(t, dir, ".tomcat-ECDSA.commit", append(certstest.CertPEM(next.Chain...), certstest.KeyPEM(t, next.Key)...), 0o600)
	err := certs.Recover(dir)
	if faults := certs.Faults(err); len(faults) != 1 || faults[0].File != ".tomcat.commit" || !strings.HasPrefix(faults[0].Do, "remove it") {
		t.Errorf("got %v", err)
	}
	remove(t, dir, ".tomcat.commit")
	if got := holds(t, dir, next); got != 0 {
		t.Error("the sound one was not finished")
	}
}

// TestRecoverThatCannotFinish leaves the new pair in force.
func TestRecoverThatCannotFinish(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	next := certstest.Pair(t, certs.TomcatECDSA)
	write(t, dir, "tomcat-ECDSA.pem/x", nil, 0o600)
	write(t, dir, ".tomcat-ECDSA.commit", append(certstest.CertPEM(next.Chain...), certstest.KeyPEM(t, next.Key)...), 0o600)
	err := certs.Recover(dir)
	if err == nil || !strings.HasPrefix(err.Error(), "replacing tomcat-ECDSA: the new pair is in force, but only in .tomcat-ECDSA.commit; ") {
		t.Errorf("got %v", err)
	}
	if got := holds(t, dir, next); got != 0 {
		t.Error("the new pair is not in force")
	}
}

func TestRecoverOfNoFolder(t *testing.T) {
	if err := certs.Recover(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

func TestRecoverLeavesOthersAlone(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	for _, name := range []string{".x.tmp", ".tomcat.tmp", "tomcat.pem.1.tmp", ".tomcat.csr.1.tmp", ".cups.commit"} {
		write(t, dir, name, []byte(name), 0o600)
	}
	before := content(t, dir)
	write(t, dir, ".tomcat.key.12.tmp", nil, 0o600)
	if err := certs.Recover(dir); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestFilesBelongToTheFoldersOwner has root write what the server must read.
func TestFilesBelongToTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := certstest.Dir(t, certs.TomcatECDSA)
	if err := os.Chown(dir, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	certstest.Rotate(t, dir, certs.TomcatECDSA)
	for _, name := range []string{"tomcat-ECDSA.pem", "tomcat-ECDSA.key"} {
		var stat syscall.Stat_t
		if err := syscall.Stat(filepath.Join(dir, name), &stat); err != nil {
			t.Fatal(err)
		}
		if stat.Uid != 65534 || stat.Gid != 65533 {
			t.Errorf("%s belongs to %d:%d", name, stat.Uid, stat.Gid)
		}
	}
}
