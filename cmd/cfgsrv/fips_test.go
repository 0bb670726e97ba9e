// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfgsrv/signedfile"
)

const (
	fipsOn       = "[security]\nfips = true\n"
	fipsSettings = "[cluster]\nfile_signature_algorithm = \"SHA-512\"\n" + fipsOn
	moduleOn     = "GODEBUG=fips140=on"
)

// ends starts a server that must refuse to, and returns what it says.
func (n *instance) ends() string {
	n.t.Helper()
	n.launch()
	if code := n.waitExit(); code != 1 {
		n.t.Errorf("exit status %d, want 1", code)
	}
	if len(n.records("msg", "listener started")) > 0 {
		n.t.Error("it served")
	}
	return n.dump()
}

func TestFIPSModeNeedsTheModule(t *testing.T) {
	n := newInstance(t)
	n.env = []string{"GODEBUG=fips140=off"}
	n.configure(fipsSettings)
	if got := n.ends(); !strings.Contains(got, "setting security.fips: the FIPS 140-3 module is not active in this program; 'make fips' builds one") {
		t.Errorf("no clear sentence: %s", got)
	}
}

func TestFIPSModeRefusesWhatIsNotApproved(t *testing.T) {
	for _, tt := range []struct{ name, settings, says string }{
		{"SHA-1", fipsOn, "setting cluster.file_signature_algorithm: SHA-1 is not approved by FIPS 140-3"},
		{"old TLS for capf", fipsSettings + "[capf]\ntls_min_version = \"1.0\"\n", "setting capf.tls_min_version: TLS 1.0 is not approved"},
		{"old TLS for tvs", fipsSettings + "[tvs]\ntls_min_version = \"1.1\"\n", "setting tvs.tls_min_version: TLS 1.1 is not approved"},
		{"small keys", fipsSettings + "[capf]\nallow_small_keys = true\n", "setting capf.allow_small_keys: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newInstance(t)
			n.env = []string{moduleOn}
			n.configure(tt.settings)
			if got := n.ends(); !strings.Contains(got, tt.says) {
				t.Errorf("it does not say %q: %s", tt.says, got)
			}
		})
	}
}

func TestFIPSMode(t *testing.T) {
	n := newInstance(t)
	n.env = []string{moduleOn}
	checkFIPSMode(t, n)
}

// checkFIPSMode starts a server in FIPS mode and tries what it is to do and what
// not.
func checkFIPSMode(t *testing.T, n *instance) {
	cert, key := withPhones(t, n)
	encrypted := strings.TrimSuffix(withEncrypted(t, n), ".enc.sgn")
	n.configure(fipsSettings)
	n.start()
	fetch := func(transport string, args ...string) string {
		t.Helper()
		return n.must(append([]string{"get", "--timeout", "15s", "--transport", transport, "--server", n.addr(transport)}, args...)...)
	}

	// Mutual TLS with P-384 on both sides.
	if got := fetch("phones", "--cert", cert, "--key", key, protectedPhone+".cnf.xml"); got != configuration(true) {
		t.Errorf("with the LSC: %q", got)
	}
	r := n.waitLog("msg", "request", "device", protectedPhone, "outcome", "served")
	if r["cert"] != "CallManager-ECDSA" || r["tls"] != "1.3" || r["cipher"] != "TLS_AES_128_GCM_SHA256" {
		t.Errorf("mutual TLS as %v", r)
	}

	// What is signed has SHA-512, and certHash is empty.
	signed, err := signedfile.Parse([]byte(fetch("http", openPhone+".cnf.xml.sgn")))
	if err != nil {
		t.Fatal(err)
	}
	if got := signed.Digest().String(); got != "SHA-512" {
		t.Errorf("signed with %s", got)
	}
	if short := fetch("http", encrypted+".sgn"); !strings.Contains(short, "<certHash></certHash>") {
		t.Errorf("the short form has a certHash: %q", short)
	}
	n.waitLog("level", "WARN", "err", "FIPS mode leaves certHash empty, as it is an MD5: phones with an encrypted configuration enrol instead of fetching it; see security.fips_allow_legacy_formats")

	checkApprovedTLS(t, n.addr("phones"))

	// An EC LSC.
	n.must("utils", "capf", "set", protectedPhone, "--operation", "install", "--auth", "null-string", "--key-order", "ec-only")
	lsc, _ := splitPEM(t, fetch("capf", "--device", protectedPhone))
	if _, ok := parseLeaf(t, lsc).PublicKey.(*ecdsa.PublicKey); !ok {
		t.Error("the LSC has no elliptic curve key")
	}
	if tls := n.must("show", "tls"); !strings.Contains(tls, "FIPS mode") || strings.Contains(tls, "X25519") || strings.Contains(tls, "CHACHA20") {
		t.Errorf("show tls says\n%s", tls)
	}
}

// checkApprovedTLS offers one thing at a time that FIPS 140-3 does not approve.
func checkApprovedTLS(t *testing.T, addr string) {
	t.Helper()
	const v12 = tls.VersionTLS12
	for name, client := range map[string]*tls.Config{
		"X25519":           {CurvePreferences: []tls.CurveID{tls.X25519}},
		"X25519 with 1.2":  {MaxVersion: v12, CurvePreferences: []tls.CurveID{tls.X25519}},
		"ChaCha20":         {MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		"CBC":              {MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}},
		"RSA key exchange": {MaxVersion: v12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		"TLS 1.1":          {MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11},
	} {
		client.InsecureSkipVerify = true
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		c, err := (&tls.Dialer{Config: client}).DialContext(ctx, "tcp", addr)
		cancel()
		if err == nil {
			c.Close()
			t.Errorf("%s was served", name)
		}
	}
	if out, ok := sClient(t, addr, "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"); ok {
		t.Errorf("ChaCha20 was served over TLS 1.3:\n%s", out)
	}
}

func TestFIPSModeWithLegacyFormats(t *testing.T) {
	n := newInstance(t)
	n.env = []string{moduleOn}
	encrypted := withEncrypted(t, n)
	n.configure(fipsOn + "fips_allow_legacy_formats = true\n")
	n.start()
	n.waitLog("level", "WARN", "err", "legacy formats are allowed in FIPS mode: files and trust lists are signed with SHA-1, and certHash is an MD5")
	short := n.must("get", "--timeout", "15s", "--transport", "http", "--server", n.addr("http"), strings.TrimSuffix(encrypted, ".enc.sgn")+".sgn")
	signed, err := signedfile.Parse([]byte(short))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(short, "<certHash></certHash>") || signed.Digest().String() != "SHA-1" {
		t.Errorf("the legacy formats are not used: %s, %q", signed.Digest(), short)
	}
}

// TestFIPSBuild is TestFIPSMode with what make fips builds.
func TestFIPSBuild(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program with the FIPS 140-3 module")
	}
	program := filepath.Join(t.TempDir(), "cfgsrv")
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute) // from an empty build cache
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFIPS140=v1.0.0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	version, err := exec.Command(program, "version").Output()
	if err != nil || !bytes.Contains(version, []byte("FIPS 140-3 module: active, v1.0.0")) {
		t.Errorf("version says %q, %v", version, err)
	}
	n := newInstance(t)
	n.program = program
	checkFIPSMode(t, n)
}

// TestVersionTellsOfTheModule is for the programs that are not built with it.
func TestVersionTellsOfTheModule(t *testing.T) {
	for godebug, want := range map[string]string{
		"fips140=off": "FIPS 140-3 module: not active\n",
		moduleOn[8:]:  "FIPS 140-3 module: active, latest (the toolchain's own, not a validated one)\n",
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Args = []string{"cfgsrv", "version"}
		cmd.Env = append(os.Environ(), "GODEBUG="+godebug)
		out, err := cmd.Output()
		if err != nil || !bytes.HasSuffix(out, []byte(want)) {
			t.Errorf("%s: got %q, %v, want %q", godebug, out, err, want)
		}
	}
}
