// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

var host = certs.Template{Host: certstest.Host}

func TestCreateMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "certs")
	made, err := certs.Maker{}.CreateMissing(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(certs.Units(), made); diff != "" {
		t.Error(diff)
	}
	s := certstest.Load(t, dir)
	if diff := cmp.Diff(certs.Units(), s.Units()); diff != "" {
		t.Error(diff)
	}
	if w := s.Warnings(); len(w) > 0 {
		t.Errorf("what we make ourselves: %v", w)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	before := content(t, dir)
	if made, err := (certs.Maker{Healthy: unhealthy}).CreateMissing(dir, certs.Template{}); err != nil || len(made) > 0 {
		t.Errorf("nothing was missing: %v, %v", made, err)
	}
	if diff := cmp.Diff(before, content(t, dir)); diff != "" {
		t.Error(diff)
	}
}

var errEntropy = errors.New("the random source is stuck")

func unhealthy() error { return errEntropy }

func TestCreateMissingNeverOverwrites(t *testing.T) {
	dir := certstest.Dir(t, certs.CallManager, certs.Tomcat, certs.TVS, certs.ITLRecovery)
	remove(t, dir, "tomcat.key")
	remove(t, dir, "ITLRecovery.key")
	remove(t, dir, "TVS.pem")
	symlink(t, "nowhere", dir, "CAPF.pem")
	write(t, dir, "CallManager.pem", []byte("broken"), 0o644)
	before := content(t, dir)
	made, err := certs.Maker{}.CreateMissing(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]certs.Unit{certs.CallManagerECDSA, certs.TomcatECDSA}, made); diff != "" {
		t.Error(diff)
	}
	after := content(t, dir)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestNothingIsMadeWhileUnhealthy lets one key be made and no second.
func TestNothingIsMadeWhileUnhealthy(t *testing.T) {
	dir := certstest.Dir(t, certs.CallManager, certs.CAPF, certs.Tomcat, certs.TVS, certs.ITLRecovery)
	asked := 0
	m := certs.Maker{Healthy: func() error {
		if asked++; asked > 1 {
			return errEntropy
		}
		return nil
	}}
	made, err := m.CreateMissing(dir, host)
	if !errors.Is(err, errEntropy) || !strings.HasPrefix(err.Error(), "making a key for tomcat-ECDSA: ") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]certs.Unit{certs.CallManagerECDSA}, made); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]certs.Unit{certs.TomcatECDSA}, certs.Missing(os.DirFS(dir))); diff != "" {
		t.Error(diff)
	}
}

func TestMakerRefuses(t *testing.T) {
	if _, err := (certs.Maker{}).Key(certs.CallManager, certs.KeySpec{Size: 1024}); err == nil {
		t.Error("made a key of 1024 bits")
	}
	dir := filepath.Join(t.TempDir(), "certs")
	if _, err := (certs.Maker{}).CreateMissing(dir, certs.Template{}); err == nil {
		t.Error("made certificates for no host")
	}
	parent := t.TempDir()
	symlink(t, "nowhere", parent, "certs")
	if _, err := (certs.Maker{}).CreateMissing(filepath.Join(parent, "certs"), host); err == nil || !strings.HasPrefix(err.Error(), "making the certificates' folder: ") {
		t.Errorf("got %v", err)
	}
}
