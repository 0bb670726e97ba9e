// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bytes"
	"context"
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

// run runs a program, or skips the test if it is not installed.
func run(t *testing.T, stdin, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Logf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

func TestCurl(t *testing.T) {
	gen := Generation{Number: 1, Files: served, Identify: func(chain []*x509.Certificate) configfiles.Requester {
		return configfiles.Requester{Device: device.Name(chain[0].Subject.CommonName)}
	}}
	plain := start(t, gen)
	gen.TLS = serverTLS(t, 1)
	secure := start(t, gen)
	certFile, keyFile := writePEM(t, certificate(t, "SEP001122334455", 1, ecKey()))
	tests := []struct {
		name   string
		site   *site
		args   []string
		target string
		want   string
		check  func(configfiles.Record) bool
	}{
		{"http", plain, nil, "/block.bin", content(12<<10) + "200", nil},
		{"https", secure, nil, "/large.bin", content(300<<10) + "200", nil},
		{"TLS 1.2", secure, []string{"--tls-max", "1.2"}, "/ringlist.xml", "<r/>200",
			func(r configfiles.Record) bool { return r.TLS.Version == "1.2" }},
		{"RSA", secure, []string{"--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384"}, "/ringlist.xml", "<r/>200",
			func(r configfiles.Record) bool {
				return r.TLS.Cert == "CallManager" && r.TLS.Cipher == "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
			}},
		{"client certificate", secure, []string{"--cert", certFile, "--key", keyFile}, "/ringlist.xml", "<r/>200",
			func(r configfiles.Record) bool { return r.Device == "SEP001122334455" }},
		{"range", secure, []string{"--range", "10-19"}, "/block.bin", content(12 << 10)[10:20] + "206", nil},
		{"range over http", plain, []string{"--range", "-10"}, "/block.bin", content(12 << 10)[12<<10-10:] + "206", nil},
		{"time condition", plain, []string{"--time-cond", "Mon, 06 May 2024 07:08:09 GMT"}, "/block.bin", "304", nil},
		{"missing", plain, nil, "/nothing", "File not found\n404", nil},
		{"traversal", plain, []string{"--path-as-is"}, "/../../etc/passwd", "File not found\n404", nil},
		{"upload", plain, []string{"--data", "x"}, "/ringlist.xml", getOnly + "\n405", nil},
		{"HTTP/1.0", plain, []string{"--http1.0"}, "/ringlist.xml", "<r/>200", nil},
		{"HTTP/2", secure, []string{"--http2"}, "/ringlist.xml", "<r/>200", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scheme := "http://"
			if tt.site == secure {
				scheme = "https://"
			}
			args := append([]string{"--silent", "--insecure", "--write-out", "%{http_code}"}, tt.args...)
			if got, _ := run(t, "", "curl", append(args, scheme+tt.site.Addr().String()+tt.target)...); got != tt.want {
				t.Errorf("got %.80q, want %.80q", got, tt.want)
			}
			if r := tt.site.record(); tt.check != nil && !tt.check(r) {
				t.Errorf("record %+v, %+v", r, r.TLS)
			}
		})
	}
	t.Run("http to a TLS port", func(t *testing.T) {
		got, _ := run(t, "", "curl", "--silent", "http://"+secure.Addr().String()+"/ringlist.xml")
		if got != "This port speaks only HTTPS.\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestOpenSSL(t *testing.T) {
	s := start(t, Generation{Number: 1, Files: served, TLS: serverTLS(t, 1)})
	addr := s.Addr().String()
	connect := func(t *testing.T, args ...string) string {
		t.Helper()
		const request = "GET /ringlist.xml HTTP/1.0\r\n\r\n"
		out, errs := run(t, request, "openssl", append([]string{"s_client", "-ign_eof", "-connect", addr}, args...)...)
		if !strings.Contains(out, "<r/>") {
			t.Errorf("got no answer: %s%s", out, errs)
		}
		return out
	}
	t.Run("EC certificate", func(t *testing.T) {
		for _, args := range [][]string{{"-tls1_3"}, {"-tls1_2"}, {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}} {
			if out := connect(t, args...); !strings.Contains(out, "id-ecPublicKey") && !strings.Contains(out, "ECDSA") {
				t.Errorf("%v: %s", args, out)
			}
		}
	})
	t.Run("RSA certificate", func(t *testing.T) {
		for _, args := range [][]string{{"-tls1_3", "-sigalgs", "RSA-PSS+SHA256"}, {"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}} {
			if out := connect(t, args...); !strings.Contains(out, "RSA") || strings.Contains(out, "ECDSA,") {
				t.Errorf("%v: %s", args, out)
			}
		}
	})
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run("resumption across a restart"+version, func(t *testing.T) {
			ticket := filepath.Join(t.TempDir(), "ticket")
			resumes := func(args ...string) bool {
				t.Helper()
				return strings.Contains(connect(t, append(args, version)...), "\nReused, ")
			}
			resumes("-sess_out", ticket)
			if !resumes("-sess_in", ticket) {
				t.Error("a ticket does not resume in its generation")
			}
			n := s.gen.Load().Number + 1
			s.publish(Generation{Number: n, Files: served, TLS: serverTLS(t, int64(n))})
			s.Restart()
			if resumes("-sess_in", ticket) {
				t.Error("a ticket resumes after a restart")
			}
		})
	}
	t.Run("version", func(t *testing.T) {
		_, errs := run(t, "", "openssl", "s_client", "-connect", addr, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
		if !strings.Contains(errs, "protocol version") {
			t.Errorf("openssl says %s", errs)
		}
	})
}
