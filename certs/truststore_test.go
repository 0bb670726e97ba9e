// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

// names are the files of a trust store.
func names(t *testing.T, dir string, st certs.Store) []string {
	t.Helper()
	files, err := certs.LoadStore(os.DirFS(dir), st)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return all
}

func TestTrust(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	a, b, namesake := certstest.NewCA(t, "Cisco Root CA"), certstest.NewCA(t, "b"), certstest.NewCA(t, "Cisco Root CA")
	put := func(want ...bool) {
		t.Helper()
		done, err := certs.Trust(dir, certs.CAPFTrust, []*x509.Certificate{a.Cert(), b.Cert(), namesake.Cert()})
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, d := range done {
			got = append(got, d.New)
			if d.Store != certs.CAPFTrust {
				t.Errorf("put into %s", d.Store)
			}
			if _, err := os.Stat(filepath.Join(dir, "CAPF-trust", d.Name)); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	certstest.Trust(t, mkdir(t, dir), certs.CAPFTrust, "bundle", b.Cert(), certstest.NewCA(t, "c").Cert())
	put(true, false, true) // b stands in a file with another
	before := content(t, filepath.Join(dir, "CAPF-trust"))
	put(false, false, false)
	if diff := cmp.Diff(before, content(t, filepath.Join(dir, "CAPF-trust"))); diff != "" {
		t.Error(diff)
	}
	got := names(t, dir, certs.CAPFTrust)
	if len(got) != 3 || got[1] != "Cisco_Root_CA.pem" && got[0] != "Cisco_Root_CA.pem" {
		t.Errorf("files %q", got)
	}
	if loaded := certstest.Load(t, dir).Trusted(certs.CAPFTrust); len(loaded) != 4 {
		t.Errorf("%d are trusted", len(loaded))
	}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTrustFileNames(t *testing.T) {
	for _, tt := range []struct {
		subject pkix.Name
		want    string
	}{
		{pkix.Name{CommonName: "Cisco Root CA 2048"}, "Cisco_Root_CA_2048"},
		{pkix.Name{CommonName: "../../etc/passwd"}, "_.._etc_passwd"},
		{pkix.Name{CommonName: ".hidden"}, "hidden"},
		{pkix.Name{CommonName: "a\x00b\nc/\u202ed"}, "a_b_c__d"},
		{pkix.Name{CommonName: strings.Repeat("x", 300)}, strings.Repeat("x", 100)},
		{pkix.Name{OrganizationalUnit: []string{"Class 3", "G2"}}, "Class_3_G2"},
		{pkix.Name{Organization: []string{"O"}}, "O"},
		{pkix.Name{}, "serial-ff"},
		{pkix.Name{CommonName: "..."}, "serial-ff"},
	} {
		if got := certs.SubjectName(&x509.Certificate{Subject: tt.subject, SerialNumber: big.NewInt(255)}); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.subject, got, tt.want)
		}
	}
}

func TestTrustRefuses(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	write(t, dir, "TVS-trust/a.pem", []byte("x"), 0o644)
	before := content(t, filepath.Join(dir, "TVS-trust"))
	_, err := certs.Trust(dir, certs.TVSTrust, certstest.NewCA(t, "ca").Chain)
	if faults := certs.Faults(err); len(faults) != 1 || faults[0].File != "TVS-trust/a.pem" {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, content(t, filepath.Join(dir, "TVS-trust"))); diff != "" {
		t.Error(diff)
	}
	write(t, dir, "tomcat-trust", nil, 0o644)
	if _, err := certs.Trust(dir, certs.TomcatTrust, certstest.NewCA(t, "ca").Chain); err == nil {
		t.Error("a file is no trust store")
	}
}

// TestTrustAtOnce has several writers put the same certificates.
func TestTrustAtOnce(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	var all []*x509.Certificate
	for range 5 {
		all = append(all, certstest.NewCA(t, "same name").Cert())
	}
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			if _, err := certs.Trust(dir, certs.CAPFTrust, all); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if got := len(names(t, dir, certs.CAPFTrust)); got != len(all) {
		t.Errorf("%d files of %d certificates", got, len(all))
	}
}

func TestLoadStoreGoesPastFaults(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	certstest.Trust(t, dir, certs.CAPFTrust, "good", certstest.NewCA(t, "good").Cert())
	write(t, dir, "CAPF-trust/bad.pem", []byte("x"), 0o644)
	files, err := certs.LoadStore(os.DirFS(dir), certs.CAPFTrust)
	if len(files) != 1 || files[0].Name != "good.pem" || files[0].Store != certs.CAPFTrust || len(certs.Faults(err)) != 1 {
		t.Errorf("got %v, %v", files, err)
	}
}

func TestDistrust(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF)
	for _, name := range []string{"a", "b"} {
		certstest.Trust(t, dir, certs.CAPFTrust, name, certstest.NewCA(t, name).Cert())
	}
	write(t, dir, "CAPF-trust/broken.pem", []byte("x"), 0o644)
	for _, name := range []string{"a", "b.pem", "broken"} {
		got, err := certs.Distrust(dir, certs.CAPFTrust, name)
		if want := strings.TrimSuffix(name, ".pem") + ".pem"; err != nil || got != want {
			t.Errorf("got %s, %v", got, err)
		}
	}
	if got := names(t, dir, certs.CAPFTrust); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
	if _, err := certs.Distrust(dir, certs.CAPFTrust, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"../CAPF", "../CAPF.pem", "", ".x", "x/y", "x\x00"} {
		if _, err := certs.Distrust(dir, certs.CAPFTrust, name); err == nil || !strings.Contains(err.Error(), "is no name of a file in CAPF-trust") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := len(content(t, dir)); got != 3 {
		t.Errorf("%d entries are left beside the store", got)
	}
}

func TestLoadUnit(t *testing.T) {
	dir := certstest.Dir(t, certs.CAPF, certs.Tomcat)
	remove(t, dir, "tomcat.key")
	if p, ok, err := certs.LoadUnit(os.DirFS(dir), certs.CAPF); err != nil || !ok || !p.Leaf().Equal(certstest.Pair(t, certs.CAPF).Leaf()) {
		t.Errorf("beside a broken one: %v, %v", ok, err)
	}
	if _, ok, err := certs.LoadUnit(os.DirFS(dir), certs.TVS); err != nil || ok {
		t.Errorf("of none: %v, %v", ok, err)
	}
	if _, _, err := certs.LoadUnit(os.DirFS(dir), certs.Tomcat); len(certs.Faults(err)) != 1 {
		t.Errorf("of a broken one: %v", err)
	}
}

func TestTrustStoreOfUnits(t *testing.T) {
	want := map[certs.Unit]certs.Store{
		certs.CallManager: certs.CallManagerTrust, certs.CallManagerECDSA: certs.CallManagerTrust,
		certs.Tomcat: certs.TomcatTrust, certs.TomcatECDSA: certs.TomcatTrust,
		certs.CAPF: certs.CAPFTrust, certs.TVS: certs.TVSTrust, certs.ITLRecovery: certs.CallManagerTrust,
	}
	for _, u := range certs.Units() {
		if got := u.TrustStore(); got != want[u] {
			t.Errorf("%s: got %s", u, got)
		}
	}
}
