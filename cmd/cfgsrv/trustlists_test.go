// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// list is a trust list as the running server gives it to phones; it verifies.
func (n *instance) list(k trustlist.Kind) *trustlist.List {
	n.t.Helper()
	stdout, _, err := n.output("get", "--timeout", "15s", "--transport", "http", "--server", n.addr("http"), k.FileName())
	if err != nil {
		n.t.Fatal(err)
	}
	l, err := trustlist.Parse([]byte(stdout))
	if err != nil {
		n.t.Fatal(err)
	}
	if err := l.Verify(); err != nil {
		n.t.Fatal(err)
	}
	return l
}

// roles are the roles of a unit's certificate in a list.
func roles(l *trustlist.List, c *x509.Certificate) string {
	var all []string
	for _, r := range l.Records() {
		if bytes.Equal(r.DER(), c.Raw) {
			all = append(all, r.Role().String())
		}
	}
	return strings.Join(all, " ")
}

// A command takes effect in the running server within two seconds, and every
// list that it changes is a new one.
func TestRunningServerFollowsTheListCommands(t *testing.T) {
	n := startInstance(t)
	callManager, recovery := certstest.Pair(t, certs.CallManager).Leaf(), certstest.Pair(t, certs.ITLRecovery).Leaf()
	signs := func(k trustlist.Kind, c *x509.Certificate) func() bool {
		return func() bool {
			l := n.list(k)
			r, ok := l.Find(l.SignedBy(), trustlist.SAST)
			return ok && bytes.Equal(r.DER(), c.Raw)
		}
	}
	noCTL := func() bool {
		_, _, err := n.output("get", "--transport", "tftp", "--server", n.addr("tftp"), "CTLFile.tlv")
		return err != nil && strings.Contains(err.Error(), "File not found")
	}
	if !noCTL() {
		t.Error("there is a CTL in non-secure mode")
	}
	for _, step := range []struct {
		command string
		then    func() bool
	}{
		{"utils ctl set-cluster mixed-mode", func() bool { return !noCTL() && roles(n.list(trustlist.CTL), callManager) == "SAST CCM+TFTP" }},
		{"utils ctl reset localkey", signs(trustlist.CTL, callManager)},
		{"utils itl reset localkey", signs(trustlist.ITL, callManager)},
		{"utils ctl update CTLFile", signs(trustlist.CTL, recovery)},
		{"utils itl update ITLFile", signs(trustlist.ITL, recovery)},
		{"utils itl prepare-migration on", func() bool { return roles(n.list(trustlist.ITL), callManager) == "SAST" }},
		{"utils itl prepare-migration off", func() bool { return roles(n.list(trustlist.ITL), callManager) == "SAST CCM+TFTP" }},
		{"utils ctl set-cluster non-secure-mode", func() bool { return noCTL() && roles(n.list(trustlist.ITL), callManager) == "SAST TFTP" }},
	} {
		if err := n.cfgsrv(append(strings.Fields(step.command), "--yes")...); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		n.waitFor(step.command, step.then)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took effect after %s", step.command, took)
		}
	}
	for _, says := range []string{"the CTL is signed by CallManager", "the ITL is signed by CallManager", "phones get an ITL without servers"} {
		if !strings.Contains(n.dump(), says) {
			t.Errorf("the log does not say: %s", says)
		}
	}
}

// given is one answer, as a phone on a connection of its own got it.
type given struct {
	remote, file string
	body         []byte
}

// fetchOnce asks on a new connection.
func fetchOnce(ctx context.Context, addr, file string) (given, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return given{}, err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost:%s\r\nConnection: close\r\n\r\n", file, addr); err != nil {
		return given{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return given{}, err
	}
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		return given{}, fmt.Errorf("%s: %s", file, res.Status)
	}
	return given{c.LocalAddr().String(), file, body}, err
}

// Certificates change under load: each answer is wholly of the generation that
// its log record names, and the first ones after a change are of the new one.
func TestNoAnswerMixesTwoGenerations(t *testing.T) {
	const rotations, askers = 6, 8
	n := newInstance(t)
	const file = "Ringlist.xml.sgn"
	write(t, filepath.Join(n.files, "Ringlist.xml"), strings.Repeat("<ring/>\n", 500))
	n.start()
	addr := n.addr("http")
	signer := map[string]*x509.Certificate{"1": certstest.Pair(t, certs.CallManager).Leaf()} // by generation

	stop := make(chan struct{})
	var mu sync.Mutex
	var answers []given
	var g errgroup.Group
	for i := range askers {
		g.Go(func() error {
			for asked := 0; ; asked++ {
				select {
				case <-stop:
					return nil
				default:
				}
				a, err := fetchOnce(t.Context(), addr, []string{file, "ITLFile.tlv"}[(i+asked)%2])
				if err != nil {
					return err
				}
				mu.Lock()
				answers = append(answers, a)
				mu.Unlock()
			}
		})
	}
	for r := range rotations {
		gen := fmt.Sprint(r + 2)
		now := certstest.Rotate(t, n.certs, certs.CallManager).Leaf()
		n.waitLog("msg", "listener restarted", "listener", "http", "gen", gen)
		signer[gen] = now
		for _, f := range []string{"ITLFile.tlv", file} {
			a, err := fetchOnce(t.Context(), addr, f)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.isOf(now); err != nil {
				t.Errorf("first %s of generation %s: %v", f, gen, err)
			}
			mu.Lock()
			answers = append(answers, a)
			mu.Unlock()
		}
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	n.checkGenerations(answers, signer)
}

// checkGenerations finds the record of each answer and checks it by the
// CallManager of the generation that it names.
func (n *instance) checkGenerations(answers []given, signer map[string]*x509.Certificate) {
	n.t.Helper()
	n.waitFor("the record of each answer", func() bool { return len(n.records("msg", "request")) >= len(answers) })
	generations := map[string][]string{} // more than one where a port was used again
	for _, r := range n.records("msg", "request") {
		key := fmt.Sprint(r["remote"], " ", r["file"])
		generations[key] = append(generations[key], fmt.Sprint(r["gen"]))
	}
	seen := map[string]int{}
	for _, a := range answers {
		all := generations[a.remote+" "+a.file]
		if len(all) == 0 {
			n.t.Fatalf("there is no record of %s for %s", a.file, a.remote)
		}
		if len(all) > 1 {
			continue
		}
		gen := all[0]
		if signer[gen] == nil {
			n.t.Fatalf("the record of %s for %s names generation %s", a.file, a.remote, gen)
		}
		if err := a.isOf(signer[gen]); err != nil {
			n.t.Errorf("%s of generation %s: %v", a.file, gen, err)
		}
		seen[gen]++
	}
	n.t.Logf("answers by generation: %v", seen)
	if len(seen) < 3 {
		n.t.Errorf("answers came from %d generations only", len(seen))
	}
}

// isOf says why an answer is not wholly that of a generation with this
// CallManager.
func (a given) isOf(callManager *x509.Certificate) error {
	if strings.HasSuffix(a.file, ".sgn") {
		f, err := signedfile.Parse(a.body)
		if err == nil {
			_, err = f.Verify(callManager)
		}
		return err
	}
	l, err := trustlist.Parse(a.body)
	if err != nil {
		return err
	}
	if err := l.Verify(); err != nil {
		return err
	}
	if got := roles(l, callManager); got != "SAST TFTP" {
		return fmt.Errorf("it names its CallManager as %q", got)
	}
	return nil
}
