// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
	"cfgsrv/trustlist"
)

// cfgsrvRun runs a command line and returns its exit status and what it printed.
func cfgsrvRun(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, diag bytes.Buffer
	code = run(t.Context(), args, nil, &out, &diag)
	return code, out.String(), diag.String()
}

// signerFile writes the certificate that signed data.
func signerFile(t testing.TB, data []byte) string {
	t.Helper()
	h, err := tlv.ParseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "signer.pem")
	writeBytes(t, path, certstest.CertPEM(tlvtest.SignerOf(t, h).Cert))
	return path
}

func writeBytes(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestShowFileVerifiesEveryVector(t *testing.T) {
	data := t.TempDir()
	for _, pattern := range []string{"ctl/*.tlv", "itl/*.tlv", "sgn/*.sgn", "enc/*/*.sgn"} {
		for _, v := range tlvtest.Vectors(t, pattern) {
			t.Run(v.Path, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), filepath.Base(v.Path))
				writeBytes(t, path, v.Data)
				code, stdout, stderr := cfgsrvRun(t, "show", "file", path, "--cert", signerFile(t, v.Data), "--data", data)
				if code != 0 || !strings.Contains(stdout, "verified successfully") {
					t.Errorf("exit status %d\n%s%s", code, stdout, stderr)
				}
				code, stdout, _ = cfgsrvRun(t, "show", "file", path, "--cert", signerFile(t, v.Data), "--data", data, "--json")
				var listing struct{ Verified bool }
				if err := json.Unmarshal([]byte(stdout), &listing); code != 0 || err != nil || !listing.Verified {
					t.Errorf("--json: exit status %d, %v\n%s", code, err, stdout)
				}
			})
		}
	}
}

// Nothing that was cut or changed passes; the codecs' tests go through every
// byte.
func TestShowFileRefusesWhatWasChanged(t *testing.T) {
	data := t.TempDir()
	for _, pattern := range []string{"itl/ITLFile.tlv", "cucm/CTLFile.tlv", "sgn/one.xml.sgn", "enc/sha1-rsa1024/*.enc.sgn"} {
		t.Run(pattern, func(t *testing.T) {
			whole := tlvtest.Read(t, pattern)
			args := []string{"show", "file", filepath.Join(t.TempDir(), "file"), "--data", data}
			if !strings.HasPrefix(pattern, "cucm") { // whose key only Cisco has; a list carries its signer
				args = append(args, "--cert", signerFile(t, whole))
			}
			refused := func(b []byte) bool {
				writeBytes(t, args[2], b)
				code, stdout, _ := cfgsrvRun(t, args...)
				return code == 1 && !strings.Contains(stdout, "verified successfully")
			}
			if refused(whole) {
				t.Fatal("the file itself is refused")
			}
			step := 1 + len(whole)/40
			for i := 0; i < len(whole); i += step {
				if !refused(whole[:i]) {
					t.Errorf("cut to %d bytes it passes", i)
				}
				changed := bytes.Clone(whole)
				changed[i] ^= 1 << (i % 8)
				if !refused(changed) {
					t.Errorf("with another byte %d it passes", i)
				}
			}
		})
	}
	for _, v := range tlvtest.Vectors(t, "refused/*.*") {
		path := filepath.Join(t.TempDir(), filepath.Base(v.Path))
		writeBytes(t, path, v.Data)
		if code, stdout, _ := cfgsrvRun(t, "show", "file", path, "--data", data); code != 1 {
			t.Errorf("%s: exit status %d\n%s", v.Path, code, stdout)
		}
	}
}

func TestShowFileDecrypts(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "file.enc.sgn")
	enc, plain := tlvtest.Read(t, "enc/sha1-rsa2048/*.enc.sgn"), string(tlvtest.Read(t, "src/SEP001122334455.cnf.xml"))
	writeBytes(t, path, enc)
	keyFile := func(name string) string {
		p := filepath.Join(dir, name)
		writeBytes(t, p, certstest.KeyPEM(t, tlvtest.Key(t, name).Key))
		return p
	}
	args := []string{"show", "file", path, "--data", data, "--cert", signerFile(t, enc), "--key"}
	code, stdout, stderr := cfgsrvRun(t, append(args, keyFile("phone-lsc-rsa2048"))...)
	if code != 0 || !strings.Contains(stdout, "verified successfully") || !strings.HasSuffix(stdout, plain) {
		t.Errorf("exit status %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = cfgsrvRun(t, append(args, keyFile("phone-lsc-rsa2048"), "--json")...)
	var listing struct {
		Encrypted, Verified bool
		Content             string
	}
	if err := json.Unmarshal([]byte(stdout), &listing); code != 0 || err != nil || !listing.Encrypted || !listing.Verified || listing.Content != plain {
		t.Errorf("--json: exit status %d, %v\n%s", code, err, stdout)
	}
	for key, says := range map[string]string{
		keyFile("phone-lsc-rsa3072"): "this key does not decrypt the file: it has 3072 bits",
		keyFile("capf-rsa2048"):      "this key does not decrypt the file",
		keyFile("phone-lsc-ec256"):   "holds no RSA key",
		filepath.Join(dir, "none"):   "no such file",
	} {
		if code, stdout, stderr := cfgsrvRun(t, append(args, key)...); code != 1 || !strings.Contains(stderr, says) || strings.Contains(stdout, "<device>") {
			t.Errorf("%s: exit status %d, stderr %q\n%s", key, code, stderr, stdout)
		}
	}
}

func TestShowFileWithTheWrongCertificate(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	other := filepath.Join(dir, "other.pem")
	writeBytes(t, other, certstest.CertPEM(tlvtest.Key(t, "capf-rsa2048").Cert))
	for _, pattern := range []string{"itl/ITLFile.tlv", "sgn/one.xml.sgn"} {
		path := filepath.Join(dir, filepath.Base(pattern))
		writeBytes(t, path, tlvtest.Read(t, pattern))
		if code, stdout, _ := cfgsrvRun(t, "show", "file", path, "--cert", other, "--data", data); code != 1 || !strings.Contains(stdout, "not verified: ") {
			t.Errorf("%s: exit status %d\n%s", pattern, code, stdout)
		}
	}
	writeBytes(t, other, pem.EncodeToMemory(&pem.Block{Type: "OTHER"}))
	if code, _, stderr := cfgsrvRun(t, "show", "file", filepath.Join(dir, "one.xml.sgn"), "--cert", other, "--data", data); code != 1 || !strings.Contains(stderr, "holds no PEM certificate") {
		t.Errorf("exit status %d, %s", code, stderr)
	}
}

// Without --cert it is our own CallManager's file, also that of one replaced.
func TestShowFileKnowsOwnSigners(t *testing.T) {
	n := newInstance(t)
	write(t, filepath.Join(n.files, "Ringlist.xml"), "<rings/>\n")
	n.start()
	path := filepath.Join(t.TempDir(), "Ringlist.xml.sgn")
	signed, _, err := n.output("get", "--transport", "http", "--server", n.addr("http"), "Ringlist.xml.sgn")
	if err != nil {
		t.Fatal(err)
	}
	writeBytes(t, path, []byte(signed))
	if err := n.cfgsrv("show", "file", path); err != nil {
		t.Errorf("present: %v", err)
	}
	if err := n.cfgsrv("set", "cert", "regen", "CallManager", "--host", "ucm1", "--yes"); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := n.output("show", "file", path); err != nil || !strings.Contains(stdout, "verified successfully") {
		t.Errorf("replaced: %v\n%s", err, stdout)
	}
	if err := os.RemoveAll(filepath.Join(n.data, "state", "replaced")); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := n.output("show", "file", path); err == nil || !strings.Contains(stdout, "whose certificate is not among those tried") {
		t.Errorf("forgotten: %v\n%s", err, stdout)
	}
}

// show itl and show ctl print what phones get, to the byte.
func TestShowListIsWhatPhonesGet(t *testing.T) {
	n := newInstance(t)
	write(t, filepath.Join(n.data, "cfgsrv.toml"), "[cluster]\nsecurity_mode = \"mixed\"\n")
	n.start()
	for _, kind := range []trustlist.Kind{trustlist.ITL, trustlist.CTL} {
		list := n.list(kind)
		listing := list.Listing()
		stdout, _, err := n.output("show", strings.ToLower(string(kind)))
		if err != nil || stdout != listing.Text() {
			t.Errorf("%s: %v\n%s", kind, err, stdout)
		}
		path := filepath.Join(t.TempDir(), "list.tlv")
		writeBytes(t, path, list.Marshal())
		if again, _, err := n.output("show", strings.ToLower(string(kind)), path); err != nil || again != stdout {
			t.Errorf("from a file: %v\n%s", err, again)
		}
		if r, ok := list.Find(list.SignedBy(), trustlist.SAST); !ok || !bytes.Equal(r.DER(), certstest.Pair(t, certs.ITLRecovery).Leaf().Raw) {
			t.Errorf("%s is not signed by ITLRecovery", kind)
		}
	}
}
