// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

type certsExtension = pkix.Extension

func equalKeys(a, b crypto.PublicKey) bool {
	return a.(interface{ Equal(crypto.PublicKey) bool }).Equal(b)
}

func TestInstallKeepsTheOldPair(t *testing.T) {
	dir := certstest.Dir(t, certs.Tomcat)
	archive := filepath.Join(filepath.Dir(dir), "state", "replaced")
	before := content(t, dir)
	kept, err := certs.Install(dir, archive, certstest.Other(t, certs.Tomcat))
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(kept) != archive || !strings.HasPrefix(filepath.Base(kept), "tomcat-2") {
		t.Errorf("kept in %s", kept)
	}
	before["tomcat.pem"] = strings.Replace(before["tomcat.pem"], "-rw-r--r--", "-rw-------", 1)
	if diff := cmp.Diff(before, content(t, kept)); diff != "" {
		t.Error(diff)
	}
	for _, folder := range []string{filepath.Dir(archive), archive, kept} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v %v", folder, info.Mode(), err)
		}
	}
	// The same once more changes nothing.
	if kept, err := certs.Install(dir, archive, certstest.Other(t, certs.Tomcat)); err != nil || kept != "" {
		t.Errorf("again: %q, %v", kept, err)
	}
	if got := len(content(t, archive)); got != 1 {
		t.Errorf("%d are kept", got)
	}
}

func TestInstallOverNothingAndOverBrokenFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "certs")
	archive := filepath.Join(t.TempDir(), "replaced")
	pair := certstest.Pair(t, certs.TomcatECDSA)
	if kept, err := certs.Install(dir, archive, pair); err != nil || kept != "" {
		t.Fatalf("%q, %v", kept, err)
	}
	if _, err := os.Stat(archive); !os.IsNotExist(err) {
		t.Errorf("the archive: %v", err)
	}
	write(t, dir, "tomcat-ECDSA.pem", []byte("broken"), 0o644)
	remove(t, dir, "tomcat-ECDSA.key")
	kept, err := certs.Install(dir, archive, pair)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"tomcat-ECDSA.pem": "-rw------- broken"}, content(t, kept)); diff != "" {
		t.Error(diff)
	}
	if holds(t, dir, pair) != 0 {
		t.Error("not installed")
	}
	remove(t, dir, "tomcat-ECDSA.pem")
	symlink(t, "nowhere", dir, "tomcat-ECDSA.pem")
	if _, err := certs.Install(dir, archive, pair); err != nil || holds(t, dir, pair) != 0 {
		t.Errorf("over a link that leads nowhere: %v", err)
	}
}

func TestInstallRefusesABrokenPair(t *testing.T) {
	dir := certstest.Dir(t, certs.Tomcat)
	before := content(t, dir)
	archive := filepath.Join(t.TempDir(), "replaced")
	p := certs.Pair{Unit: certs.Tomcat, Chain: certstest.Pair(t, certs.Tomcat).Chain, Key: certstest.Other(t, certs.Tomcat).Key}
	if _, err := certs.Install(dir, archive, p); len(certs.Faults(err)) != 1 {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(archive); !os.IsNotExist(err) {
		t.Errorf("the archive: %v", err)
	}
}

// TestInstallKilled stops after each step of installing the answer to a
// request; at each the unit is whole, and running it again ends well.
func TestInstallKilled(t *testing.T) {
	const u = certs.TomcatECDSA
	old, next := certstest.Pair(t, u), certstest.Other(t, u)
	const commit = 3 // steps until the new pair counts
	for n := range 5 {
		dir := certstest.Dir(t, u)
		if err := request(t, u).Save(dir); err != nil {
			t.Fatal(err)
		}
		archive := t.TempDir()
		steps, err := certs.InstallSteps(dir, archive, next)
		if err != nil || len(steps) != 4 {
			t.Fatalf("%d steps, %v: this test knows another number", len(steps), err)
		}
		for i, step := range steps[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			keysAreClosed(t, dir, i)
			for name := range content(t, archive) {
				keysAreClosed(t, filepath.Join(archive, name), i)
			}
		}
		want := 0
		if n >= commit {
			want = 1
		}
		if got := holds(t, dir, old, next); got != want {
			t.Errorf("after %d steps: pair %d, want %d", n, got, want)
		}
		// What is kept but not replaced is not replaced.
		at, err := certs.LastReplaced(archive, []certs.Pair{old, next}[want].Leaf(), u)
		if err != nil || at.IsZero() != (n < commit) {
			t.Errorf("after %d steps: replaced at %s, %v", n, at, err)
		}
		if _, err := certs.Install(dir, archive, next); err != nil {
			t.Fatal(err)
		}
		clean := certstest.Dir(t, u)
		certstest.Write(t, clean, next)
		if diff := cmp.Diff(content(t, clean), content(t, dir)); diff != "" {
			t.Errorf("after %d steps and once more: %s", n, diff)
		}
		for name := range content(t, archive) {
			if strings.HasPrefix(name, ".") {
				t.Errorf("after %d steps and once more %s is left", n, name)
			}
		}
	}
}

func TestInstallLeavesAnotherRequest(t *testing.T) {
	dir := certstest.Dir(t, certs.TomcatECDSA)
	r, err := certs.Maker{}.Request(certs.RequestTemplate{Template: certs.Template{Unit: certs.TomcatECDSA, Host: "ucm1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Install(dir, t.TempDir(), certstest.Other(t, certs.TomcatECDSA)); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := certs.LoadRequest(os.DirFS(dir), certs.TomcatECDSA); !ok || err != nil {
		t.Errorf("the request: %v, %v", ok, err)
	}
}

func TestLastReplaced(t *testing.T) {
	archive := t.TempDir()
	leaf := certstest.Pair(t, certs.CallManager).Leaf()
	if at, err := certs.LastReplaced(filepath.Join(archive, "none"), leaf, certs.CallManager); err != nil || !at.IsZero() {
		t.Errorf("without an archive: %s, %v", at, err)
	}
	for _, name := range []string{
		"CallManager-20250102T030405.000000Z", "CallManager-20250103T030405.000000Z", "CallManager-x",
		"CallManager-ECDSA-20250105T030405.000000Z", "tomcat-20250106T030405.000000Z",
	} {
		write(t, archive, name+"/CallManager.pem", nil, 0o600)
	}
	// The newest is what is present still.
	write(t, archive, "CallManager-20250104T030405.000000Z/CallManager.pem", certstest.CertPEM(leaf), 0o600)
	want := time.Date(2025, 1, 3, 3, 4, 5, 0, time.UTC)
	if at, err := certs.LastReplaced(archive, leaf, certs.CallManager); err != nil || !at.Equal(want) {
		t.Errorf("got %s, %v, want %s", at, err, want)
	}
	if at, err := certs.LastReplaced(archive, nil, certs.CallManager); err != nil || !at.Equal(want.AddDate(0, 0, 1)) {
		t.Errorf("with none present: %s, %v", at, err)
	}
	write(t, archive, "file", nil, 0o600)
	if _, err := certs.LastReplaced(filepath.Join(archive, "file"), leaf, certs.CallManager); err == nil {
		t.Error("a file is no archive")
	}
}

// TestWhatRootMakesBelongsToTheOwner has root write for the server's user.
func TestWhatRootMakesBelongsToTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	data := t.TempDir()
	if err := os.Chown(data, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	dir, archive := filepath.Join(data, "certs"), filepath.Join(data, "state", "replaced")
	old, next := certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)
	for _, p := range []certs.Pair{old, next} {
		if _, err := certs.Install(dir, archive, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := request(t, certs.Tomcat).Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Trust(dir, certs.TVSTrust, old.Chain); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.ClusterID(filepath.Join(data, "state"), "ucm1"); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(data, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			return err
		}
		if stat.Uid != 65534 || stat.Gid != 65533 {
			t.Errorf("%s belongs to %d:%d", path, stat.Uid, stat.Gid)
		}
		files++
		return nil
	})
	if err != nil || files < 13 {
		t.Errorf("%d files and folders, %v", files, err)
	}
}

// TestNothingIsReplacedThatCannotBeKept has something in the way of the archive.
func TestNothingIsReplacedThatCannotBeKept(t *testing.T) {
	dir := certstest.Dir(t, certs.TomcatECDSA)
	before := content(t, dir)
	archive := filepath.Join(t.TempDir(), "state", "replaced")
	write(t, filepath.Dir(archive), "replaced", nil, 0o600)
	if _, err := certs.Install(dir, archive, certstest.Other(t, certs.TomcatECDSA)); err == nil || !strings.Contains(err.Error(), "making the folder "+archive) {
		t.Errorf("got %v", err)
	}
	write(t, dir, "tomcat-ECDSA.pem", make([]byte, 300<<10), 0o644)
	large := content(t, dir)
	if _, err := certs.Install(dir, t.TempDir(), certstest.Other(t, certs.TomcatECDSA)); err == nil || !strings.Contains(err.Error(), "keeping the old pair of tomcat-ECDSA: tomcat-ECDSA: tomcat-ECDSA.pem: is larger than") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(large, content(t, dir)); diff != "" {
		t.Error(diff)
	}
	if before["tomcat-ECDSA.key"] != large["tomcat-ECDSA.key"] {
		t.Error("the key has changed")
	}
	if err := request(t, certs.TomcatECDSA).Save(filepath.Join(archive, "certs")); err == nil {
		t.Error("saved a request below a file")
	}
}
