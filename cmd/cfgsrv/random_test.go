// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfgsrv/certs/certstest"
	"cfgsrv/entropy"
)

const (
	stuckSource = "[entropy]\nsource = \"/dev/zero\"\ninterval = \"1s\"\n"
	goodSource  = "[entropy]\nsource = \"getrandom\"\ninterval = \"1s\"\n"
)

func (n *instance) configure(content string) {
	n.t.Helper()
	write(n.t, filepath.Join(n.data, "cfgsrv.toml"), content)
}

// metric is the value of one line of /metrics.
func (n *instance) metric(name string) string {
	n.t.Helper()
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(n.t, "http://"+n.addr("status")+"/metrics"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// withEncrypted gives an instance a phone whose configuration is encrypted for
// its RSA key.
func withEncrypted(t *testing.T, n *instance) (name string) {
	t.Helper()
	const phone = "SEP0011223344AA"
	write(t, filepath.Join(n.files, phone+".cnf.xml"), configuration(true))
	lsc := certstest.CAPF(t).Issue(t, certstest.Device{CN: phone, Key: certstest.RSA2048})
	write(t, filepath.Join(n.data, "lsc", phone+".pem"), string(certstest.CertPEM(lsc.Cert())))
	return phone + ".cnf.xml.enc.sgn"
}

// TestFailedSourceStopsKeysAndNothingElse goes through every command and
// service that makes a key.
func TestFailedSourceStopsKeysAndNothingElse(t *testing.T) {
	n := newInstance(t)
	encrypted := withEncrypted(t, n)
	write(t, filepath.Join(n.files, openPhone+".cnf.xml"), configuration(false))
	n.configure(stuckSource)
	n.start()
	fetch := func(transport string, args ...string) error {
		return n.cfgsrv(append([]string{"get", "--timeout", "15s", "--transport", transport, "--server", n.addr(transport)}, args...)...)
	}
	n.waitFor("the alarm", func() bool { return strings.Contains(n.must("show", "entropy"), "failed") })

	const cause = "the random source failed its health test (repetition count 31 of at most 30 on /dev/zero); no key is made until it recovers"
	n.refused(cause, "set", "cert", "regen", "tomcat", "--yes")
	n.refused(cause, "set", "csr", "gen", "tomcat")
	for _, transport := range []string{"tftp", "http", "phones"} {
		err := fetch(transport, encrypted)
		if err == nil || !strings.Contains(err.Error(), "the random source is not healthy: nothing is encrypted until it recovers") {
			t.Errorf("%s over %s: %v", encrypted, transport, err)
		}
	}
	n.must("utils", "capf", "set", protectedPhone, "--operation", "install", "--auth", "null-string", "--key-order", "ec-only")
	if err := fetch("capf", "--device", protectedPhone); err == nil {
		t.Error("an LSC was issued")
	}
	n.waitFor("why there is no LSC", func() bool {
		return slices.ContainsFunc(n.records("listener", "capf", "device", protectedPhone), func(r map[string]any) bool {
			text, err := json.Marshal(r)
			return err == nil && strings.Contains(string(text), cause)
		})
	})
	if got := n.metric("cfgsrv_entropy_healthy"); got != "0" {
		t.Errorf("cfgsrv_entropy_healthy is %q", got)
	}
	if got := n.metric(`cfgsrv_entropy_failures_total{test="repetition_count"}`); got == "" || got == "0" {
		t.Errorf("cfgsrv_entropy_failures_total is %q", got)
	}

	for _, transport := range []string{"tftp", "http", "phones", "jabber"} {
		if err := fetch(transport, openPhone+".cnf.xml"); err != nil {
			t.Errorf("serving stopped: %v", err)
		}
	}
	if err := fetch("http", openPhone+".cnf.xml.sgn"); err != nil {
		t.Errorf("signing stopped: %v", err)
	}

	n.configure(goodSource)
	n.waitFor("the recovery", func() bool { return n.metric("cfgsrv_entropy_healthy") == "1" })
	if err := fetch("tftp", encrypted); err != nil {
		t.Error(err)
	}
	if err := fetch("capf", "--device", protectedPhone); err != nil {
		t.Error(err)
	}
	n.must("set", "csr", "gen", "tomcat")
	n.must("set", "cert", "regen", "tomcat", "--yes")
}

// TestStoppedDaemonLetsKeysBeMade is the operator's choice.
func TestStoppedDaemonLetsKeysBeMade(t *testing.T) {
	n := newInstance(t)
	n.configure(stuckSource)
	n.start()
	n.waitFor("the alarm", func() bool { return strings.Contains(n.must("show", "entropy"), "failed") })
	n.refused("random source", "set", "csr", "gen", "tomcat")
	n.must("utils", "service", "stop", "Entropy", "Monitoring", "Daemon")
	n.must("utils", "service", "stop", "Entropy", "Monitoring", "Daemon")
	n.must("set", "csr", "gen", "tomcat")
	if told := n.records("msg", daemonOff); len(told) != 1 {
		t.Errorf("told %d times that keys are made unchecked", len(told))
	}
	if got := n.metric("cfgsrv_entropy_healthy"); got != "0" {
		t.Errorf("cfgsrv_entropy_healthy is %q while nobody looks", got)
	}
	n.must("utils", "service", "start", entropyDaemon)
	n.waitFor("the alarm", func() bool { return strings.Contains(n.must("show", "entropy"), "failed") })
	n.refused("random source", "set", "csr", "gen", "TVS")
}

func TestNoUnitIsMadeFromAFailedSource(t *testing.T) {
	n := newInstance(t)
	n.certs = t.TempDir()
	n.args = append(n.args, "--certs", n.certs)
	n.configure(stuckSource)
	n.launch()
	if code := n.waitExit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if got := n.dump(); !strings.Contains(got, "the random source failed its health test (repetition count 31 of at most 30 on /dev/zero); no key is made until it recovers") {
		t.Errorf("no clear sentence: %s", got)
	}
	if made, err := filepath.Glob(filepath.Join(n.certs, "*.key")); err != nil || len(made) > 0 {
		t.Errorf("made %v, %v", made, err)
	}
}

func TestShowEntropy(t *testing.T) {
	n := newInstance(t)
	n.configure(goodSource)
	for _, tt := range []struct{ name, want string }{{"without a server", "no server runs here"}, {"with one", ""}} {
		name, want := tt.name, tt.want
		if want == "" {
			n.start()
		}
		t.Run(name, func(t *testing.T) {
			var stdout, stderr string
			var r entropy.Report
			n.waitFor("a healthy report", func() bool {
				var err error
				if stdout, stderr, err = n.output("show", "entropy", "--json"); err != nil {
					t.Fatal(err)
				}
				r = entropy.Report{}
				if err := json.Unmarshal([]byte(stdout), &r); err != nil {
					t.Fatal(err)
				}
				return r.State == entropy.Healthy
			})
			if r.Source != "getrandom" || r.Samples < entropy.StartUpSamples || r.RepetitionCount.Cutoff == 0 || r.Kernel.EntropyAvail == nil {
				t.Errorf("the report lacks figures: %+v", r)
			}
			if !strings.Contains(stderr, want) || want == "" && stderr != "" {
				t.Errorf("stderr %q, want %q", stderr, want)
			}
			text := n.must("show", "entropy")
			for _, figure := range []string{"healthy", "getrandom", "entropy_avail", "Repetition count"} {
				if !strings.Contains(text, figure) {
					t.Errorf("%q is not in\n%s", figure, text)
				}
			}
		})
	}
}
