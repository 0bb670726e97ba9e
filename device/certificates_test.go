// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
	ecKey = sync.OnceValue(newECKey)
)

func newECKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// now is the time at which the tests judge.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// template is for a certificate that is good at now.
func template(cn string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.Unix()),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(time.Hour),
	}
}

// issue signs template for key by parent; by itself if parent is nil.
func issue(t testing.TB, template, parent *x509.Certificate, key, parentKey crypto.Signer) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// folder makes a folder of files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadCertificates(t *testing.T) {
	ec := issue(t, template("SEP0011223344EC"), nil, ecKey(), nil)
	rs := issue(t, template("SEP0011223344AA"), nil, rsaKey(), nil)
	c, faults := LoadCertificates(folder(t, map[string]string{
		"sep0011223344ec.PEM": "some words\n" + string(pemOf(ec)),
		"SEP0011223344AA.pem": string(pemOf(rs)) + string(pemOf(ec)),
		".SEP001122334455":    "not looked at",
	}))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if got, want := c.Len(), 2; got != want {
		t.Errorf("Len() = %d, want %d", got, want)
	}

	got, ok := c.Get("SEP0011223344EC")
	if !ok || got.Kind != ECDSA || got.Fingerprint != sha256.Sum256(ec.Raw) {
		t.Errorf("Get of the ECDSA device = %+v, %v", got, ok)
	}
	got, ok = c.Get("SEP0011223344AA")
	if want := fmt.Sprintf("%x", md5.Sum(rs.Raw)); !ok || got.Kind != RSA || got.Hash != want || got.Device != "SEP0011223344AA" {
		t.Errorf("Get of the RSA device = %+v, %v, want the hash %s", got, ok, want)
	}
	if key, err := got.RSAKey(); err != nil || !key.Equal(rsaKey().Public()) {
		t.Errorf("RSAKey() = %v, %v", key, err)
	}
	if got, ok := c.Get("SEP001122334455"); ok || got.Kind != NoCertificate {
		t.Errorf("Get of an unknown device = %+v, %v", got, ok)
	}
}

func TestLoadCertificatesClosesOneDeviceAlone(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := string(pemOf(issue(t, template("SEP001122334455"), nil, ecKey(), nil)))
	ed := string(pemOf(issue(t, template("SEP0000000000ED"), nil, edKey, nil)))
	for _, c := range []struct {
		name, file string
		data       string
		device     Name   // closed by it; empty: nobody
		want       string // in the fault
	}{
		{"empty", "SEP0000000000AA.pem", "", "SEP0000000000AA", "no PEM certificate"},
		{"key alone", "SEP0000000000AA.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "SEP0000000000AA", "no PEM certificate"},
		{"truncated", "SEP0000000000AA.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "SEP0000000000AA", "x509"},
		{"oversized", "SEP0000000000AA.pem", strings.Repeat("x", maxCertificateFile+1), "SEP0000000000AA", "larger than"},
		{"Ed25519", "SEP0000000000ED.pem", ed, "SEP0000000000ED", "neither RSA nor ECDSA"},
		{"not a device", "README.pem", good, "", "not named"},
		{"not .pem", "SEP0000000000AA.crt", good, "", "not named"},
		{"Jabber", "CSFalice.pem", "?", "CSFALICE", "no PEM certificate"},
		{"twice", "sep001122334455.pem", good, "SEP001122334455", "in another case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, faults := LoadCertificates(folder(t, map[string]string{
				"SEP001122334455.pem": good,
				"SEP00112233449A.pem": good,
				c.file:                c.data,
			}))
			if len(faults) != 1 || !strings.Contains(faults[0].Error(), "lsc/"+c.file) || !strings.Contains(faults[0].Error(), c.want) {
				t.Fatalf("faults = %v, want one that names lsc/%s and has %q", faults, c.file, c.want)
			}
			if c.device != "" {
				if got, ok := got.Get(c.device); !ok || got.Kind != Unreadable || got.Hash != "" {
					t.Errorf("Get(%s) = %+v, %v, want Unreadable", c.device, got, ok)
				}
			}
			if got, ok := got.Get("SEP00112233449A"); !ok || got.Kind != ECDSA {
				t.Errorf("Get of another device = %+v, %v", got, ok)
			}
		})
	}
}

func TestLoadCertificatesOnDisk(t *testing.T) {
	dir := t.TempDir()
	good := pemOf(issue(t, template("SEP001122334455"), nil, ecKey(), nil))
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, ".data"), good, 0o600),
		os.Symlink(".data", filepath.Join(dir, "SEP001122334455.pem")),
		os.Symlink("nowhere", filepath.Join(dir, "SEP0000000000AA.pem")),
		os.Mkdir(filepath.Join(dir, "SEP0000000000BB.pem"), 0o700),
		syscall.Mkfifo(filepath.Join(dir, "SEP0000000000CC.pem"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c, faults := LoadCertificates(dir)
	if len(faults) != 3 {
		t.Errorf("faults = %v, want one for each of the dangling link, the folder and the pipe", faults)
	}
	if got, _ := c.Get("SEP001122334455"); got.Kind != ECDSA {
		t.Errorf("behind a link: %+v, want ECDSA", got)
	}
	for _, n := range []Name{"SEP0000000000AA", "SEP0000000000BB", "SEP0000000000CC"} {
		if got, _ := c.Get(n); got.Kind != Unreadable {
			t.Errorf("Get(%s) = %+v, want Unreadable", n, got)
		}
	}
}

func TestLoadCertificatesOfAFolder(t *testing.T) {
	dir := folder(t, map[string]string{"file": ""})
	if c, faults := LoadCertificates(filepath.Join(dir, "missing")); c == nil || c.Len() != 0 || len(faults) != 0 {
		t.Errorf("that is not there: %v, %v, want none and no fault", c, faults)
	}
	if c, faults := LoadCertificates(filepath.Join(dir, "file")); c != nil || len(faults) != 1 {
		t.Errorf("that cannot be listed: %v, %v, want nil and one fault", c, faults)
	}
	var none *Certificates
	if _, ok := none.Get("SEP001122334455"); ok || none.Len() != 0 {
		t.Error("a nil *Certificates knows one")
	}
}

// What reading a certificate costs is what starting with 10,000 costs. All but
// ten allocations are those of x509.
func TestReadEntryAllocations(t *testing.T) {
	cert := issue(t, template("SEP001122334455"), nil, ecKey(), nil)
	dir, err := os.Open(folder(t, map[string]string{"SEP001122334455.pem": string(pemOf(cert))}))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	r := newReader(int(dir.Fd()))
	parsing := testing.AllocsPerRun(50, func() {
		if _, err := x509.ParseCertificate(cert.Raw); err != nil {
			t.Error(err)
		}
	})
	reading := testing.AllocsPerRun(50, func() {
		if f := r.readFile("SEP001122334455.pem"); f.err != nil || f.entry.kind != ECDSA {
			t.Error(f.entry.kind, f.err)
		}
	})
	t.Logf("%v allocations, %v of them for parsing", reading, parsing)
	if reading > parsing+10 {
		t.Errorf("%v allocations, %v of them for parsing", reading, parsing)
	}
}

func BenchmarkLoadCertificates(b *testing.B) {
	for name, key := range map[string]crypto.Signer{"ECDSA": ecKey(), "RSA": rsaKey()} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			text := pemOf(issue(b, template("SEP001122334455"), nil, key, nil))
			for i := range 10_000 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("SEP%012X.pem", i)), text, 0o600); err != nil {
					b.Fatal(err)
				}
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var c *Certificates
			for b.Loop() {
				c, _ = LoadCertificates(dir)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(c.Len()), "B/device")
		})
	}
}

func TestWarnsOfACertificateOfAnotherDevice(t *testing.T) {
	c, faults := LoadCertificates(folder(t, map[string]string{
		"SEP001122334455.pem": string(pemOf(issue(t, template("CP-8861-SEP001122334455"), nil, ecKey(), nil))),
		"csfalice.pem":        string(pemOf(issue(t, template("CSFALICE"), nil, ecKey(), nil))),
		"SEP0011223344AA.pem": string(pemOf(issue(t, template("SEP001122334455"), nil, ecKey(), nil))),
		"SEP0011223344BB.pem": string(pemOf(issue(t, template("phone"), nil, ecKey(), nil))),
		"SEP0011223344CC.pem": "broken",
	}))
	if len(faults) != 1 || !strings.Contains(faults[0].Error(), "SEP0011223344CC") {
		t.Errorf("faults %v, want one of SEP0011223344CC", faults)
	}
	want := "[lsc/SEP0011223344AA.pem is the certificate of SEP001122334455 (CN=SEP001122334455), so SEP0011223344AA cannot prove itself with it; " +
		"put its own certificate there, or name the file SEP001122334455.pem " +
		"lsc/SEP0011223344BB.pem is a certificate that names no device (CN=\"phone\"), so SEP0011223344BB cannot prove itself with it; " +
		"put one there whose CN is or ends in SEP0011223344BB]"
	if got := fmt.Sprint(c.Warnings()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, ok := c.Get("SEP0011223344AA"); !ok || got.Kind != ECDSA {
		t.Errorf("the device is %+v, %v: a warning must not open it", got, ok)
	}
}
