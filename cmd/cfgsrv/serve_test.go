// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/trustlist"
)

const (
	openPhone      = "SEP001122334455"
	protectedPhone = "SEP0011223344EC"
	secret         = "s3cret-of-the-phone"
)

func configuration(encrypted bool) string {
	return fmt.Sprintf("<device><sshPassword>%s</sshPassword><encrConfig>%t</encrConfig></device>\n", secret, encrypted)
}

// withPhones gives an instance an open phone and a protected one, and returns
// the files of the protected one's certificate and key.
func withPhones(t *testing.T, n *instance) (cert, key string) {
	t.Helper()
	write(t, filepath.Join(n.files, openPhone+".cnf.xml"), configuration(false))
	write(t, filepath.Join(n.files, protectedPhone+".cnf.xml"), configuration(true))
	write(t, filepath.Join(n.files, "Desktops", "List.xml"), "<list/>\n")
	lsc := certstest.CAPF(t).Issue(t, certstest.Device{CN: protectedPhone, Key: certstest.P384})
	write(t, filepath.Join(n.data, "lsc", protectedPhone+".pem"), string(certstest.CertPEM(lsc.Cert())))
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "lsc.pem"), filepath.Join(dir, "lsc.key")
	write(t, cert, string(certstest.CertPEM(lsc.Cert())))
	write(t, key, string(certstest.KeyPEM(t, lsc.Key)))
	return cert, key
}

func TestPhonesFetchOverEveryTransport(t *testing.T) {
	n := newInstance(t)
	cert, key := withPhones(t, n)
	n.start()
	open, protected := openPhone+".cnf.xml", protectedPhone+".cnf.xml"
	for _, c := range []struct {
		name string
		args []string
		want string // in stdout; empty: refused or missing
		says string // on stderr
	}{
		{"tftp", []string{"--transport", "tftp", open}, configuration(false), ""},
		{"http", []string{"--transport", "http", open}, configuration(false), ""},
		{"phones", []string{"--transport", "phones", open}, configuration(false), ""},
		{"jabber", []string{"--transport", "jabber", open}, configuration(false), ""},
		{"signed name over TLS", []string{"--transport", "phones", open + ".sgn"}, configuration(false), ""},
		{"in a folder", []string{"--transport", "http", "Desktops/List.xml"}, "<list/>\n", ""},
		{"by base name and case", []string{"--transport", "tftp", "list.XML"}, "<list/>\n", ""},
		{"device flag", []string{"--transport", "http", "--device", openPhone}, configuration(false), ""},
		{"missing over tftp", []string{"--transport", "tftp", "nothing.xml"}, "", "File not found"},
		{"missing over http", []string{"--transport", "http", "nothing.xml"}, "", "File not found"},
		{"protected over tftp", []string{"--transport", "tftp", protected}, "", "must present its LSC"},
		{"protected over http", []string{"--transport", "http", protected + ".sgn"}, "", "must present its LSC"},
		{"protected without LSC", []string{"--transport", "phones", protected}, "", "must present its LSC"},
		{"protected with LSC", []string{"--transport", "phones", "--cert", cert, "--key", key, protected}, configuration(true), ""},
		{"protected with LSC, signed", []string{"--transport", "phones", "--cert", cert, "--key", key, protected + ".sgn"}, configuration(true), ""},
		{"protected with LSC on 6972", []string{"--transport", "jabber", "--cert", cert, "--key", key, protected}, configuration(true), ""},
		{"a copy of the protected one", []string{"--transport", "http", "Copy of " + protected}, "", "must present its LSC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"get", "--timeout", "15s", "--server", n.addr(c.args[argAfter(c.args, "--transport")])}, c.args...)
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), args, nil, &stdout, &stderr)
			if want := 0; c.want != "" && (code != want || stdout.String() != c.want) {
				t.Errorf("exit status %d, got %q, want %q; stderr: %s", code, stdout.String(), c.want, stderr.String())
			}
			if c.want == "" && (code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), c.says)) {
				t.Errorf("exit status %d, stdout %q, stderr %q does not say %q", code, stdout.String(), stderr.String(), c.says)
			}
		})
	}
	if strings.Contains(n.dump(), secret) {
		t.Error("the log holds what a file says")
	}
	r := n.waitLog("msg", "request", "device", protectedPhone, "outcome", "served", "listener", "phones")
	for _, k := range []string{"remote", "file", "as", "bytes", "took", "gen", "tls", "cipher", "cert", "client"} {
		if r[k] == nil {
			t.Errorf("the record of a request over mutual TLS lacks %q: %v", k, r)
		}
	}
}

func argAfter(args []string, flag string) int {
	for i, a := range args {
		if a == flag {
			return i + 1
		}
	}
	return -1
}

func TestRealClientsFetch(t *testing.T) {
	n := newInstance(t)
	cert, key := withPhones(t, n)
	n.start()
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		tool string
		args []string
		want string
	}{
		{"curl over http", "curl", []string{"-sf", "http://" + n.addr("http") + "/" + openPhone + ".cnf.xml"}, configuration(false)},
		{"curl over tftp", "curl", []string{"-sf", "tftp://" + n.addr("tftp") + "/" + openPhone + ".cnf.xml"}, configuration(false)},
		{"curl over https", "curl", []string{"-sfk", "https://" + n.addr("phones") + "/" + openPhone + ".cnf.xml.sgn"}, configuration(false)},
		{"curl with an LSC", "curl", []string{"-sfk", "--cert", cert, "--key", key, "https://" + n.addr("phones") + "/" + protectedPhone + ".cnf.xml"}, configuration(true)},
		{"atftp", "atftp", []string{"-g", "-r", openPhone + ".cnf.xml", "-l", filepath.Join(dir, "a"), "127.0.0.1", port(t, n.addr("tftp"))}, ""},
		{"tftp-hpa", "tftp", []string{"-m", "binary", "127.0.0.1", port(t, n.addr("tftp")), "-c", "get", openPhone + ".cnf.xml", filepath.Join(dir, "h")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := tool(t, c.tool, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if c.want != "" && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, f := range []string{"a", "h"} {
		if b, err := os.ReadFile(filepath.Join(dir, f)); err != nil {
			t.Error(err)
		} else if string(b) != configuration(false) {
			t.Errorf("%s: got %q", f, b)
		}
	}
}

// handshake makes one TLS connection and returns the server's leaf.
func handshake(t *testing.T, addr string, conf *tls.Config) tls.ConnectionState {
	t.Helper()
	conf.InsecureSkipVerify = true
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState()
}

func TestCertificateChangeReachesEverything(t *testing.T) {
	n := newInstance(t)
	withPhones(t, n)
	n.start()
	itl := func() *trustlist.List {
		stdout, _, err := n.output("get", "--timeout", "15s", "--transport", "http", "--server", n.addr("http"), "ITLFile.tlv")
		if err != nil {
			t.Fatal(err)
		}
		l, err := trustlist.Parse([]byte(stdout))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Verify(); err != nil {
			t.Fatal(err)
		}
		return l
	}
	before := itl()
	old := handshake(t, n.addr("phones"), &tls.Config{}).PeerCertificates[0]
	fresh := certstest.Rotate(t, n.certs, certs.CallManagerECDSA)
	began := time.Now()
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the new generation came after %s", took)
	}
	for _, l := range []string{"tftp", "http", "phones", "jabber", "status"} {
		n.waitLog("msg", "listener restarted", "listener", l, "gen", "2")
	}
	now := handshake(t, n.addr("phones"), &tls.Config{}).PeerCertificates[0]
	if now.Equal(old) || !now.Equal(fresh.Leaf()) {
		t.Error("the first handshake after the restart shows the old certificate")
	}
	after := itl()
	if bytes.Equal(before.Marshal(), after.Marshal()) {
		t.Error("the trust list is the old one")
	}
	if !listed(t, after, fresh) || listed(t, before, fresh) {
		t.Error("the new trust list does not hold the new certificate")
	}
}

func listed(t *testing.T, l *trustlist.List, p certs.Pair) bool {
	t.Helper()
	for _, r := range l.Records() {
		if bytes.Equal(r.DER(), p.Leaf().Raw) {
			return true
		}
	}
	return false
}

func TestBrokenCertificateLeavesTheOldGeneration(t *testing.T) {
	n := newInstance(t)
	withPhones(t, n)
	n.start()
	path := filepath.Join(n.certs, "tomcat.pem")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "not a certificate\n")
	r := n.waitLog("msg", "reload failed")
	if text := fmt.Sprint(r["err"]); !strings.Contains(text, "tomcat.pem") {
		t.Errorf("the error does not name the file: %s", text)
	}
	handshake(t, n.addr("jabber"), &tls.Config{})
	if stdout, _, err := n.output("show", "status"); err != nil || !strings.Contains(stdout, "the last change was not taken") {
		t.Errorf("show status does not tell: %v\n%s", err, stdout)
	}
	write(t, path, string(good))
	n.waitLog("msg", "listener restarted", "listener", "jabber", "gen", "2")
	if len(n.records("msg", "reload failed")) != 1 {
		t.Error("the fault was logged more than once")
	}
}

func TestFileIsServedTheMomentItIsThere(t *testing.T) {
	n := startInstance(t)
	for i := range 5 {
		name := fmt.Sprintf("Sub/Folder%d/New%d.xml", i, i)
		write(t, filepath.Join(n.files, name), name)
		stdout, _, err := n.output("get", "--timeout", "15s", "--transport", "http", "--server", n.addr("http"), strings.ToLower(filepath.Base(name)))
		if err != nil || stdout != name {
			t.Errorf("got %q, %v", stdout, err)
		}
	}
}

func TestSignals(t *testing.T) {
	n := startInstance(t)
	n.signal(syscall.SIGHUP)
	n.waitLog("msg", "listener restarted", "listener", "http", "gen", "2")
	write(t, filepath.Join(n.files, "big.bin"), strings.Repeat("x", 1<<20))
	beginTransfer(t, n.addr("tftp"), "big.bin") // a dead client's must not hold up the end
	began := time.Now()
	n.signal(syscall.SIGTERM)
	if code := n.waitExit(); code != 0 {
		t.Errorf("exit status %d after SIGTERM\n%s", code, n.dump())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %s", took)
	}
}

// beginTransfer asks for a file over TFTP, takes the first block and then says
// nothing more.
func beginTransfer(t *testing.T, addr, name string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo([]byte("\x00\x01"+name+"\x00octet\x00"), server); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadFrom(make([]byte, 600)); err != nil {
		t.Fatal(err)
	}
}

func TestSecondServerOnTheSameData(t *testing.T) {
	n := startInstance(t)
	second := &instance{t: t, data: n.data, args: n.args, update: make(chan struct{})}
	second.launch()
	if code := second.waitExit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if got := second.dump(); !strings.Contains(got, "serves "+n.data+" already") {
		t.Errorf("no clear sentence: %s", got)
	}
	handshake(t, n.addr("phones"), &tls.Config{})
}

func TestPortInUse(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	n := newInstance(t)
	n.args = append(n.args, "--http", holder.Addr().String())
	n.launch()
	if code := n.waitExit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if got := n.dump(); !strings.Contains(got, "http: TCP port "+port(t, holder.Addr().String())+" is in use") {
		t.Errorf("no clear sentence: %s", got)
	}
	if len(n.records("msg", "listener started")) > 0 {
		t.Error("some listeners were served although one could not be bound")
	}
}

func TestServeListsEveryFaultBeforeItBindsAnything(t *testing.T) {
	n := newInstance(t)
	write(t, filepath.Join(n.certs, "tomcat.pem"), "broken")
	write(t, filepath.Join(n.certs, "TVS.key"), "broken")
	write(t, filepath.Join(n.data, "cfgsrv.toml"), "colour = \"red\"\n[cluster]\nsecurity_mode = \"loud\"\n")
	n.launch()
	if code := n.waitExit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	got := n.dump()
	for _, want := range []string{"tomcat.pem", "TVS.key", "cfgsrv.toml:1:1: unknown key colour", `"loud" is not allowed`} {
		if !strings.Contains(got, want) {
			t.Errorf("not told: %s\n%s", want, got)
		}
	}
	stdout, _, err := n.output("check")
	if err == nil {
		t.Error("check exits 0")
	}
	for _, want := range []string{"tomcat.pem", "TVS.key", "unknown key colour"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("check does not tell: %s\n%s", want, stdout)
		}
	}
}
