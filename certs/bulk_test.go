// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"
)

var (
	clusterA = certs.Cluster{ID: "a-1", Host: "a.example.org"}
	clusterB = certs.Cluster{ID: "b-2", Host: "b.example.org"}
	tftp     = []certs.Unit{certs.CallManager, certs.CallManagerECDSA}
)

// exchange has two clusters export what phones download by; b has the pairs of
// certstest.Other.
func exchange(t *testing.T) certs.Bulk {
	t.Helper()
	b := certs.Bulk{Dir: filepath.Join(t.TempDir(), "new", "bulk")}
	for c, pair := range map[certs.Cluster]func(testing.TB, certs.Unit) certs.Pair{clusterA: certstest.Pair, clusterB: certstest.Other} {
		var pairs []certs.Pair
		for _, u := range tftp {
			pairs = append(pairs, pair(t, u))
		}
		if err := b.Export(c, pairs); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestBulk(t *testing.T) {
	b := exchange(t)
	clusters, err := b.Consolidate(tftp)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]certs.Cluster{clusterA, clusterB}, clusters); diff != "" {
		t.Error(diff)
	}
	want := []string{"CallManager-ECDSA.p12", "CallManager-ECDSA_a-1.p12", "CallManager-ECDSA_b-2.p12", "CallManager.p12",
		"CallManager_a-1.p12", "CallManager_b-2.p12", "manifest_a-1.json", "manifest_b-2.json"}
	if diff := cmp.Diff(want, entries(t, b.Dir)); diff != "" {
		t.Error(diff)
	}
	if units, err := b.Units(); err != nil || len(units) != 2 {
		t.Errorf("units %v, %v", units, err)
	}
	for id, pair := range map[string]func(testing.TB, certs.Unit) certs.Pair{"a-1": certstest.Other, "b-2": certstest.Pair} {
		others, err := b.Others(id, tftp)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range tftp {
			if len(others[u]) != 1 || !others[u][0].Equal(pair(t, u).Leaf()) {
				t.Errorf("the others of %s: %q", id, subjects(others[u]))
			}
		}
	}
	// A third party has two others.
	if others, err := b.Others("c-3", tftp); err != nil || len(others[certs.CallManager]) != 2 {
		t.Errorf("the others of a third: %v, %v", others, err)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range all {
		found = append(found, e.Name())
	}
	return found
}

// TestBulkAgain exports and consolidates a second time, and another unit too:
// what was exported before stays.
func TestBulkAgain(t *testing.T) {
	b := exchange(t)
	if err := b.Export(clusterA, []certs.Pair{certstest.Other(t, certs.CallManager), certstest.Pair(t, certs.TVS)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := b.Consolidate(tftp); err != nil {
			t.Fatal(err)
		}
	}
	// Both clusters share a CallManager certificate now.
	for _, id := range []string{"a-1", "b-2"} {
		others, err := b.Others(id, tftp)
		if err != nil || len(others[certs.CallManager]) != 1 || len(others[certs.CallManagerECDSA]) != 1 {
			t.Errorf("the others of %s: %v, %v", id, others, err)
		}
	}
	if units, err := b.Units(); err != nil || len(units) != 3 {
		t.Errorf("units %v, %v", units, err)
	}
}

// TestBulkRefuses spoils the folder, and sees that it is refused and stays as
// it is.
func TestBulkRefuses(t *testing.T) {
	encode := func(password string, all ...*x509.Certificate) []byte {
		data, err := pkcs12.Modern2023.EncodeTrustStore(all, password)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	foreign := encode("changeit", certstest.NewCA(t, "foreign").Cert())
	withKey, err := pkcs12.Modern2023.Encode(certstest.Pair(t, certs.CallManager).Key, certstest.Pair(t, certs.CallManager).Leaf(), nil, "changeit")
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, name, data, 0o644) }
	}
	cut := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data := read(t, dir, name)
			write(t, dir, name, data[:len(data)-3], 0o644)
		}
	}
	flip := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data := read(t, dir, name)
			data[len(data)/2] ^= 1
			write(t, dir, name, data, 0o644)
		}
	}
	edit := func(name, old, replacement string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			data := read(t, dir, name)
			if !bytes.Contains(data, []byte(old)) {
				t.Fatalf("%s does not hold %s", name, old)
			}
			write(t, dir, name, bytes.Replace(data, []byte(old), []byte(replacement), 1), 0o644)
		}
	}
	gone := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { remove(t, dir, name) }
	}
	for name, tt := range map[string]struct {
		spoil       func(*testing.T, string)
		consolidate string // empty: goes well
		others      string // before it is consolidated again; empty: goes well
	}{
		"cut export":          {cut("CallManager_a-1.p12"), "is damaged, or no export of cfgsrv", ""},
		"flipped export":      {flip("CallManager_a-1.p12"), "CallManager_a-1.p12: is ", ""},
		"foreign export":      {put("CallManager_a-1.p12", foreign), "holds other certificates than stand in manifest_a-1.json", ""},
		"empty export":        {put("CallManager_a-1.p12", nil), "is damaged, or no export", ""},
		"large export":        {put("CallManager_a-1.p12", make([]byte, 3<<20)), "is larger than", ""},
		"key in an export":    {put("CallManager_a-1.p12", withKey), "is damaged, or no export of cfgsrv: pkcs12: expected", ""},
		"other password":      {put("CallManager_a-1.p12", encode("other", certstest.Pair(t, certs.CallManager).Leaf())), "is PKCS#12 with another password, or damaged", ""},
		"missing export":      {gone("CallManager_a-1.p12"), "is missing, and stands in manifest_a-1.json", ""},
		"without manifest":    {gone("manifest_b-2.json"), "is not the export of any cluster with a manifest here", "is not the export of any cluster with a manifest here"},
		"foreign file":        {put("cucm.p12", foreign), "cucm.p12: is not the export of any cluster", "cucm.p12: is not the export of any cluster"},
		"cut manifest":        {cut("manifest_b-2.json"), "is damaged, or no manifest of cfgsrv", "is damaged, or no manifest of cfgsrv"},
		"unknown key":         {edit("manifest_b-2.json", `"host"`, `"guest"`), `unknown field "guest"`, `unknown field "guest"`},
		"other format":        {edit("manifest_b-2.json", "export 1", "export 2"), "its format is", "its format is"},
		"other cluster":       {edit("manifest_b-2.json", `"b-2"`, `"b-3"`), `it is of the cluster "b-3"`, `it is of the cluster "b-3"`},
		"bad cluster":         {edit("manifest_b-2.json", `"b-2"`, `"../x"`), `"../x" is no cluster's id`, `"../x" is no cluster's id`},
		"unknown unit":        {edit("manifest_b-2.json", `"CallManager"`, `"cups"`), `"cups" is no unit`, `"cups" is no unit`},
		"bad fingerprint":     {edit("manifest_b-2.json", `"CallManager": [`, `"CallManager": ["aa",`), `"aa" is no fingerprint`, `"aa" is no fingerprint`},
		"more after manifest": {edit("manifest_b-2.json", "}\n}\n", "}\n}\n{}"), "something follows its end", "something follows its end"},
		"no units":            {put("manifest_b-2.json", []byte(`{"format":"cfgsrv bulk export 1","cluster":"b-2"}`)), "it names no units", "it names no units"},
		"cut consolidated":    {cut("CallManager.p12"), "", "is damaged, or no export of cfgsrv"},
		"foreign consolidated": {put("CallManager.p12", foreign), "",
			"holds CN=foreign,O=example, which no cluster has exported"},
		"old consolidated": {func(t *testing.T, dir string) {
			if err := (certs.Bulk{Dir: dir}).Export(certs.Cluster{ID: "c-3"}, []certs.Pair{certstest.Pair(t, certs.Tomcat), pairAs(t, certs.CallManager, certs.TVS)}); err != nil {
				t.Fatal(err)
			}
		}, "", "lacks a certificate that the cluster c-3 has exported since"},
		"not consolidated": {gone("CallManager.p12"), "", "there is no CallManager.p12 in "},
		"harmless others": {func(t *testing.T, dir string) {
			write(t, dir, "README", nil, 0o644)
			write(t, dir, ".x.p12", nil, 0o644)
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := exchange(t)
			if _, err := b.Consolidate(tftp); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, b.Dir)
			before := content(t, b.Dir)
			others, err := b.Others("a-1", tftp)
			says(t, "reading", err, tt.others)
			if tt.others != "" && others != nil {
				t.Errorf("yet read %v", others)
			}
			if tt.consolidate == "" {
				return
			}
			_, err = b.Consolidate(tftp)
			says(t, "consolidating", err, tt.consolidate)
			if diff := cmp.Diff(before, content(t, b.Dir)); diff != "" {
				t.Errorf("the folder has changed: %s", diff)
			}
		})
	}
}

// pairAs is the certificate of one unit in the place of another's.
func pairAs(t *testing.T, u, of certs.Unit) certs.Pair {
	p := certstest.Pair(t, of)
	p.Unit = u
	return p
}

func says(t *testing.T, doing string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: got %v, want %q", doing, err, want)
	}
}

func TestBulkFolders(t *testing.T) {
	empty, none := certs.Bulk{Dir: t.TempDir()}, certs.Bulk{Dir: filepath.Join(t.TempDir(), "none")}
	write(t, none.Dir, "../file", nil, 0o600)
	file := certs.Bulk{Dir: filepath.Join(filepath.Dir(none.Dir), "file")}
	for b, want := range map[certs.Bulk]string{
		empty: "no cluster has exported anything to ", none: "no such file or directory", file: "is not a folder",
	} {
		_, err := b.Consolidate(tftp)
		says(t, "consolidating", err, want)
		_, err = b.Others("a-1", tftp)
		says(t, "reading", err, want)
		_, err = b.Units()
		says(t, "looking", err, want)
	}
	b := exchange(t)
	_, err := b.Consolidate([]certs.Unit{certs.CallManager, certs.TVS})
	says(t, "consolidating what nobody exported", err, "no cluster has exported TVS to ")
	write(t, b.Dir, "manifest_a-1.json", nil, 0o644)
	says(t, "exporting over a damaged manifest", b.Export(clusterA, nil), "is damaged, or no manifest of cfgsrv")
	says(t, "exporting to a file", file.Export(clusterA, nil), "file")
}

func TestClusterID(t *testing.T) {
	state := filepath.Join(t.TempDir(), "data", "state")
	id, err := certs.ClusterID(state, "UCM_1.example.org")
	if err != nil || !strings.HasPrefix(id, "ucm-1-") || len(id) != 18 {
		t.Fatalf("got %q, %v", id, err)
	}
	if again, err := certs.ClusterID(state, "renamed"); err != nil || again != id {
		t.Errorf("again %q, %v", again, err)
	}
	other, err := certs.ClusterID(t.TempDir(), "UCM_1.example.org")
	if err != nil || other == id {
		t.Errorf("of another %q, %v", other, err)
	}
	for _, host := range []string{"", "-", "192.0.2.1", "2001:db8::1", strings.Repeat("a", 300), "büro"} {
		state := t.TempDir()
		id, err := certs.ClusterID(state, host)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := certs.ClusterID(state, host); err != nil || again != id {
			t.Errorf("%q: %q, then %q, %v", host, id, again, err)
		}
	}
	write(t, state, "cluster-id", []byte("../x"), 0o600)
	if _, err := certs.ClusterID(state, "ucm1"); err == nil || !strings.Contains(err.Error(), "cluster-id holds none") {
		t.Errorf("got %v", err)
	}
}

func TestOpenSSLReadsOurBulk(t *testing.T) {
	openssl := needOpenSSL(t)
	b := exchange(t)
	if _, err := b.Consolidate(tftp); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"CallManager_a-1.p12": 1, "CallManager.p12": 2} {
		out, err := exec.Command(openssl, "pkcs12", "-in", filepath.Join(b.Dir, name), "-passin", "pass:changeit", "-nokeys").CombinedOutput()
		if got := bytes.Count(out, []byte("BEGIN CERTIFICATE")); err != nil || got != want {
			t.Errorf("%s: %d certificates, %v\n%s", name, got, err, out)
		}
	}
	b.Password = "other"
	if err := b.Export(clusterA, []certs.Pair{certstest.Pair(t, certs.TVS)}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(openssl, "pkcs12", "-in", filepath.Join(b.Dir, "TVS_a-1.p12"), "-passin", "pass:other", "-nokeys").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"format":"cfgsrv bulk export 1","cluster":"b-2","host":"b","units":{"TVS":["` + strings.Repeat("0f", 32) + `"]}}`))
	f.Add([]byte(`{"format":"cfgsrv bulk export 1","cluster":"b-2","units":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := certs.ParseManifest(data)
		if err != nil {
			return
		}
		if again, err := certs.ParseManifest(first); err != nil || !bytes.Equal(first, again) {
			t.Errorf("written again: %v", err)
		}
	})
}
