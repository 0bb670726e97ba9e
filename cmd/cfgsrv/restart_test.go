// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/tftp"
)

// wire is an HTTPS client without a second try: every request that is not
// answered whole is lost.
type wire struct {
	addr string
	conn *tls.Conn
	in   *bufio.Reader
	used bool // the connection has answered before
}

func (w *wire) dial(ctx context.Context) error {
	c, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", w.addr)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	w.conn, w.in, w.used = c.(*tls.Conn), bufio.NewReader(c), false
	return nil
}

// get asks once, on the open connection if there is one, and keeps the
// connection if the server does.
func (w *wire) get(ctx context.Context, name, want string) error {
	if w.conn == nil {
		if err := w.dial(ctx); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w.conn, "GET /%s HTTP/1.1\r\nHost: phones.test\r\n\r\n", name); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if _, err := w.in.Peek(1); errors.Is(err, io.EOF) && w.used {
		// The server ended a connection that was idle for a second, just when
		// we asked: HTTP/1.1 has every client ask again (RFC 9112, 9.3.1).
		w.hangUp()
		return w.get(ctx, name, want)
	}
	w.used = true
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if res.StatusCode != http.StatusOK || string(body) != want {
		return fmt.Errorf("answered %s and %d bytes", res.Status, len(body))
	}
	if res.Close {
		w.hangUp()
	}
	return nil
}

func (w *wire) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// slowly is a phone that takes its time for each block.
type slowly struct {
	bytes.Buffer
	pause *time.Ticker
}

func (s *slowly) Write(p []byte) (int, error) {
	<-s.pause.C
	return s.Buffer.Write(p)
}

func TestRestartUnderLoadLosesNothing(t *testing.T) {
	const rotations, keeping, connecting, slow = 20, 32, 16, 16
	n := newInstance(t)
	const small = "Ringlist.xml"
	content := strings.Repeat("<ring/>\n", 1500)
	write(t, filepath.Join(n.files, small), content)
	firmware := strings.Repeat("firmware", 20_000)
	write(t, filepath.Join(n.files, "firmware.loads"), firmware)
	n.args = append(n.args, "--log-level", "info")
	n.start()
	phones, udp := n.addr("phones"), n.addr("tftp")

	stop := make(chan struct{})
	var https, transfers atomic.Int64
	var g errgroup.Group
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range keeping + connecting {
		g.Go(func() error {
			w := wire{addr: phones}
			defer w.hangUp()
			for running() {
				if err := w.get(ctx, small, content); err != nil {
					return fmt.Errorf("HTTPS client %d: %w", i, err)
				}
				https.Add(1)
				if i >= keeping {
					w.hangUp()
				}
			}
			return nil
		})
	}
	for i := range slow {
		g.Go(func() error {
			pause := time.NewTicker(10 * time.Millisecond)
			defer pause.Stop()
			for running() {
				s := slowly{pause: pause}
				if _, err := tftp.Get(ctx, udp, "firmware.loads", &s); err != nil {
					return fmt.Errorf("TFTP client %d: %w", i, err)
				}
				if s.String() != firmware {
					return fmt.Errorf("TFTP client %d: got %d bytes, want %d", i, s.Len(), len(firmware))
				}
				transfers.Add(1)
			}
			return nil
		})
	}
	units := []certs.Unit{certs.CallManagerECDSA, certs.CallManager}
	for i := range rotations {
		certstest.Rotate(t, n.certs, units[i%len(units)])
		n.waitLog("msg", "listener restarted", "listener", "phones", "gen", fmt.Sprint(i+2))
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests and %d transfers over %d restarts", https.Load(), transfers.Load(), rotations)
	if https.Load() < 1000 || transfers.Load() < slow {
		t.Errorf("only %d requests and %d transfers", https.Load(), transfers.Load())
	}
	for _, outcome := range []string{"aborted", "busy", "error", "refused"} {
		if lost := n.records("msg", "request", "outcome", outcome); len(lost) > 0 {
			t.Errorf("%d requests ended %s, the first: %v", len(lost), outcome, lost[0])
		}
	}
}

func TestTicketsEndWithTheirGeneration(t *testing.T) {
	n := startInstance(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			cache := tls.NewLRUClientSessionCache(1)
			resume := func() bool {
				w := wire{addr: n.addr("phones")}
				conf := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, ClientSessionCache: cache}
				c, err := (&tls.Dialer{Config: conf}).DialContext(t.Context(), "tcp", w.addr)
				if err != nil {
					t.Fatal(err)
				}
				w.conn, w.in = c.(*tls.Conn), bufio.NewReader(c)
				defer w.hangUp()
				// With TLS 1.3 the tickets come after the handshake: read on.
				if err := w.get(t.Context(), "nothing.xml", ""); err == nil {
					t.Fatal("a missing file was served")
				}
				return c.(*tls.Conn).ConnectionState().DidResume
			}
			if resume() {
				t.Fatal("the first connection was resumed")
			}
			if !resume() {
				t.Fatal("the second connection was not resumed")
			}
			before := len(n.records("msg", "listener restarted", "listener", "phones"))
			certstest.Rotate(t, n.certs, certs.CallManagerECDSA)
			n.waitFor("the restart", func() bool {
				return len(n.records("msg", "listener restarted", "listener", "phones")) > before
			})
			if resume() {
				t.Error("a ticket of the old generation was resumed by the new one")
			}
		})
	}
}

func TestOpensslResumesOnlyWithinAGeneration(t *testing.T) {
	n := startInstance(t)
	session := filepath.Join(t.TempDir(), "session.pem")
	connect := func(args ...string) string {
		out, err := tool(t, "openssl", append([]string{"s_client", "-connect", n.addr("phones"), "-tls1_2"}, args...)...)
		if err != nil && !strings.Contains(out, "SSL-Session") {
			t.Fatal(err)
		}
		return out
	}
	if out := connect("-sess_out", session); !strings.Contains(out, "New, TLSv1.2") {
		t.Fatalf("no new session:\n%s", out)
	}
	if out := connect("-sess_in", session); !strings.Contains(out, "Reused, TLSv1.2") {
		t.Errorf("the session was not resumed:\n%s", out)
	}
	certstest.Rotate(t, n.certs, certs.CallManager)
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	if out := connect("-sess_in", session); !strings.Contains(out, "New, TLSv1.2") {
		t.Errorf("the session of the old generation was resumed:\n%s", out)
	}
}

func TestOpensslGetsTheCertificateThatItCanUse(t *testing.T) {
	n := startInstance(t)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"everything", nil, "id-ecPublicKey"},
		{"TLS 1.2, everything", []string{"-tls1_2"}, "id-ecPublicKey"},
		{"TLS 1.2, RSA suites", []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, "rsaEncryption"},
		{"TLS 1.2, no P-384", []string{"-tls1_2", "-curves", "P-256"}, "rsaEncryption"},
		{"TLS 1.3, RSA signatures", []string{"-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"}, "rsaEncryption"},
		{"TLS 1.3, no P-384", []string{"-tls1_3", "-curves", "P-256"}, "rsaEncryption"},
		{"TLS 1.3, ECDSA signatures", []string{"-tls1_3", "-sigalgs", "ecdsa_secp384r1_sha384"}, "id-ecPublicKey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := tool(t, "openssl", append([]string{"s_client", "-connect", n.addr("phones"), "-showcerts"}, c.args...)...)
			if err != nil && !strings.Contains(out, "BEGIN CERTIFICATE") {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "leaf.pem")
			write(t, path, out[strings.Index(out, "-----BEGIN"):])
			text, err := tool(t, "openssl", "x509", "-in", path, "-noout", "-text")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, c.want) {
				t.Errorf("the key is not %s:\n%s", c.want, text)
			}
		})
	}
}

// links replaces the folder's pair by links as certbot and Kubernetes make them.
func TestLinksAsCertbotAndKubernetesUseThem(t *testing.T) {
	for _, style := range []string{"certbot", "kubernetes"} {
		t.Run(style, func(t *testing.T) {
			n := newInstance(t)
			archive := t.TempDir()
			put := func(version int, p certs.Pair) {
				dir := filepath.Join(archive, fmt.Sprint("v", version))
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				certstest.Write(t, dir, p)
			}
			put(1, certstest.Pair(t, certs.Tomcat))
			put(2, certstest.Other(t, certs.Tomcat))
			current := filepath.Join(archive, "..data")
			relink(t, filepath.Join(archive, "v1"), current)
			for _, file := range []string{"tomcat.pem", "tomcat.key"} {
				target := filepath.Join(current, file)
				if style == "certbot" {
					target = filepath.Join(archive, "v1", file)
				}
				relink(t, target, filepath.Join(n.certs, file))
			}
			n.start()
			rsa := func() *tls.Config {
				return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
			}
			old := handshake(t, n.addr("jabber"), rsa()).PeerCertificates[0]
			if style == "certbot" {
				for _, file := range []string{"tomcat.pem", "tomcat.key"} {
					relink(t, filepath.Join(archive, "v2", file), filepath.Join(n.certs, file))
				}
			} else {
				relink(t, filepath.Join(archive, "v2"), current)
			}
			n.waitLog("msg", "listener restarted", "listener", "jabber", "gen", "2")
			now := handshake(t, n.addr("jabber"), rsa()).PeerCertificates[0]
			if now.Equal(old) || !now.Equal(certstest.Other(t, certs.Tomcat).Leaf()) {
				t.Error("the new certificate is not served")
			}
		})
	}
}

// relink makes or replaces a link in one step.
func relink(t *testing.T, target, link string) {
	t.Helper()
	next := link + ".next"
	if err := os.Symlink(target, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
}

func TestNoDescriptorIsLeaked(t *testing.T) {
	n := newInstance(t)
	withPhones(t, n)
	n.start()
	count := func() int {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ask := func() {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				w := wire{addr: n.addr("phones")}
				defer w.hangUp()
				if err := w.get(t.Context(), openPhone+".cnf.xml", configuration(false)); err != nil {
					t.Error(err)
				}
				var out bytes.Buffer
				if _, err := tftp.Get(t.Context(), n.addr("tftp"), openPhone+".cnf.xml.sgn", &out); err != nil {
					t.Error(err)
				}
				var remote *tftp.RemoteError
				if _, err := tftp.Get(t.Context(), n.addr("tftp"), "nothing", io.Discard); !errors.As(err, &remote) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	ask()
	before := count()
	for range 3 {
		ask()
		n.signal(1) // SIGHUP
	}
	n.waitFor("the descriptors to be closed", func() bool { return count() <= before+2 })
}
