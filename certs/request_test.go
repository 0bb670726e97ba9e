// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

// request makes a request for a unit with the key of certstest.Other.
func request(t *testing.T, u certs.Unit) certs.Request {
	t.Helper()
	r, err := certs.RequestFor(certs.RequestTemplate{Template: certs.Template{Unit: u, Host: certstest.Host}}, certstest.Other(t, u).Key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRequestAsksForWhatWeMake compares each request with our own certificate.
func TestRequestAsksForWhatWeMake(t *testing.T) {
	for _, u := range certs.Units() {
		r, own := request(t, u), certstest.Pair(t, u).Leaf()
		if u != certs.CAPF && r.CSR.Subject.String() != own.Subject.String() { // CAPF's name is random
			t.Errorf("%s: subject %s, want %s", u, r.CSR.Subject, own.Subject)
		}
		if diff := cmp.Diff(own.DNSNames, r.CSR.DNSNames); diff != "" {
			t.Errorf("%s: %s", u, diff)
		}
		for _, e := range r.CSR.Extensions {
			if !slices.ContainsFunc(own.Extensions, func(o certsExtension) bool { return o.Id.Equal(e.Id) && bytes.Equal(o.Value, e.Value) }) {
				t.Errorf("%s: asks for %v, which our own does not have", u, e.Id)
			}
		}
		if got := len(r.CSR.Extensions); got < 3 {
			t.Errorf("%s: asks for %d extensions", u, got)
		}
		if err := r.CSR.CheckSignature(); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestRequestNames(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for _, tt := range []struct {
		name  string
		unit  certs.Unit
		host  string
		multi bool
		want  string // empty: refused
	}{
		{"RSA", certs.Tomcat, "ucm1.example.org", false, "ucm1.example.org"},
		{"EC", certs.TomcatECDSA, "ucm1.example.org", false, "ucm1-EC.example.org"},
		{"RSA for many", certs.CallManager, "ucm1.example.org", true, "ucm1-ms.example.org"},
		{"EC for many", certs.CallManagerECDSA, "ucm1.example.org", true, "ucm1-EC-ms.example.org"},
		{"address", certs.TomcatECDSA, "192.0.2.1", true, "192.0.2.1-EC-ms"},
		{"label cut", certs.TomcatECDSA, label63, true, label63[:58] + "-EC-ms"},
		{"CAPF for many", certs.CAPF, "ucm1", true, ""},
		{"ITLRecovery for many", certs.ITLRecovery, "ucm1", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := certs.RequestFor(certs.RequestTemplate{
				Template: certs.Template{Unit: tt.unit, Host: tt.host, SANs: []string{"ucm2.example.org"}}, MultiServer: tt.multi,
			}, certstest.Pair(t, tt.unit).Key)
			if tt.want == "" {
				if _, ok := errors.AsType[*certs.NotAllowedError](err); !ok {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.CSR.Subject.CommonName; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if !slices.Contains(r.CSR.DNSNames, "ucm2.example.org") {
				t.Errorf("names %q", r.CSR.DNSNames)
			}
		})
	}
}

// TestSaveKilled stops after each step of saving a request over another one.
func TestSaveKilled(t *testing.T) {
	former := request(t, certs.TomcatECDSA)
	next, err := certs.Maker{}.Request(certs.RequestTemplate{Template: certs.Template{Unit: certs.TomcatECDSA, Host: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		dir := certstest.Dir(t, certs.TomcatECDSA)
		if err := former.Save(dir); err != nil {
			t.Fatal(err)
		}
		write(t, dir, ".tomcat-ECDSA.csr.key.1.tmp", nil, 0o600)
		steps, err := certs.SaveSteps(dir, next)
		if err != nil || len(steps) != 4 {
			t.Fatalf("%d steps, %v: this test knows another number", len(steps), err)
		}
		for i, step := range steps[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			keysAreClosed(t, dir, i)
		}
		if holds(t, dir, certstest.Pair(t, certs.TomcatECDSA)) != 0 {
			t.Errorf("after %d steps the unit is another", n)
		}
		got, ok, err := certs.LoadRequest(os.DirFS(dir), certs.TomcatECDSA)
		if err != nil {
			t.Fatal(err)
		}
		key, err := certs.PendingKey(os.DirFS(dir), certs.TomcatECDSA)
		if err != nil {
			t.Fatal(err)
		}
		if ok && !equalKeys(got.CSR.PublicKey, key.Public()) {
			t.Errorf("after %d steps the key is not the request's", n)
		}
		if n == 4 && (!ok || got.CSR.Subject.CommonName != "other-EC") {
			t.Errorf("at the end: %v %v", ok, got.CSR)
		}
	}
}

func TestRequestFiles(t *testing.T) {
	dir := certstest.Dir(t, certs.Tomcat)
	if _, ok, err := certs.LoadRequest(os.DirFS(dir), certs.Tomcat); ok || err != nil {
		t.Errorf("without one: %v, %v", ok, err)
	}
	if key, err := certs.PendingKey(os.DirFS(dir), certs.Tomcat); key != nil || err != nil {
		t.Errorf("without one: %v", err)
	}
	r := request(t, certs.Tomcat)
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	want := content(t, certstest.Dir(t, certs.Tomcat))
	want["tomcat.csr"] = "-rw-r--r-- " + string(r.PEM())
	want["tomcat.csr.key"] = "-rw------- " + string(certstest.KeyPEM(t, r.Key))
	if diff := cmp.Diff(want, content(t, dir)); diff != "" {
		t.Error(diff)
	}
	if w := certstest.Load(t, dir).Warnings(); len(w) > 0 {
		t.Errorf("Load warns of a request: %v", w)
	}
	for name, data := range map[string][]byte{
		"holds no certificate request": certstest.CertPEM(certstest.Pair(t, certs.Tomcat).Leaf()),
		"is broken":                    bytes.Replace(r.PEM(), []byte("MI"), []byte("AA"), 1),
	} {
		write(t, dir, "tomcat.csr", data, 0o644)
		_, ok, err := certs.LoadRequest(os.DirFS(dir), certs.Tomcat)
		if ok || err == nil || !strings.Contains(err.Error(), "tomcat: tomcat.csr: "+name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	// Recover removes what a kill has left of the key, and nothing else.
	write(t, dir, ".tomcat.csr.key.1.tmp", nil, 0o600)
	if err := certs.Recover(dir); err != nil {
		t.Error(err)
	}
	if got := len(content(t, dir)); got != 4 {
		t.Errorf("%d files are left", got)
	}
}

func TestNoKeyWhileTheSourceIsUnhealthy(t *testing.T) {
	_, err := certs.Maker{Healthy: unhealthy}.Request(certs.RequestTemplate{Template: certs.Template{Unit: certs.Tomcat, Host: "ucm1"}})
	if !errors.Is(err, errEntropy) {
		t.Errorf("got %v", err)
	}
}

func TestOpenSSLReadsOurRequests(t *testing.T) {
	openssl := needOpenSSL(t)
	dir := certstest.Dir(t, certs.CAPF)
	for _, u := range certs.Units() {
		if err := request(t, u).Save(dir); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "req", "-verify", "-noout", "-text", "-in", filepath.Join(dir, string(u)+".csr")).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "DNS:"+certstest.Host) || !strings.Contains(string(out), "Key Usage") {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
}

func needOpenSSL(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	return path
}
