// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// freeAddr is an address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// again is a server on the same data, to be started after n has ended.
func (n *instance) again() *instance {
	return &instance{t: n.t, data: n.data, files: n.files, certs: n.certs, args: n.args, env: n.env, program: n.program, update: make(chan struct{})}
}

// must runs a command that must succeed and returns its stdout.
func (n *instance) must(args ...string) string {
	n.t.Helper()
	stdout, _, err := n.output(args...)
	if err != nil {
		n.t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return stdout
}

// refused runs a command that must fail and say so.
func (n *instance) refused(says string, args ...string) {
	n.t.Helper()
	if _, _, err := n.output(args...); err == nil || !strings.Contains(err.Error(), says) {
		n.t.Errorf("%s: got %v, want %q", strings.Join(args, " "), err, says)
	}
}

func (n *instance) wantService(line string) {
	n.t.Helper()
	if list := n.must("utils", "service", "list"); !slices.Contains(strings.Split(list, "\n"), line) {
		n.t.Errorf("want %q in\n%s", line, list)
	}
}

func TestStoppedListenerDrainsAndComesBack(t *testing.T) {
	n := newInstance(t)
	addr := freeAddr(t)
	n.args = append(n.args, "--http", addr)
	const size = 16 << 20 // more than the sockets buffer
	write(t, filepath.Join(n.files, "firmware.bin"), strings.Repeat("x", size))
	n.start()
	get := func() *http.Response {
		t.Helper()
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, "http://"+addr+"/firmware.bin"))
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	underWay := get()
	defer underWay.Body.Close()
	if out := n.must("utils", "service", "stop", "HTTP"); out != "http stopped\n" {
		t.Errorf("got %q", out)
	}
	n.wantService("http [STOPPED]")
	n.waitFor("the socket to close", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	n.must("utils", "service", "start", "http") // while the old one drains
	n.wantService("http [STARTED]")
	res := get()
	res.Body.Close()
	if got, err := io.Copy(io.Discard, underWay.Body); err != nil || got != size {
		t.Errorf("what was under way got %d bytes, %v", got, err)
	}
	n.waitLog("msg", "listener stopped", "listener", "http")
	if all := n.records("msg", "listener restarted"); len(all) > 0 {
		t.Errorf("others were disturbed: %v", all)
	}
	if all := n.records("msg", "listener started", "listener", "http"); len(all) != 2 || all[1]["gen"] != 1.0 {
		t.Errorf("started: %v", all)
	}
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStopAndStartAtOnce(t *testing.T) {
	n := newInstance(t)
	for _, l := range []string{"tftp", "http", "phones", "capf", "status"} {
		n.args = append(n.args, "--"+l, freeAddr(t))
	}
	n.start()
	for _, l := range []string{"tftp", "http", "phones", "capf", "status"} {
		for range 3 {
			n.must("utils", "service", "stop", l)
			n.must("utils", "service", "start", l)
		}
		n.wantService(l + " [STARTED]")
	}
}

// TestReloadLeavesStoppedServicesStopped has certificates change while services
// do.
func TestReloadLeavesStoppedServicesStopped(t *testing.T) {
	n := startInstance(t)
	n.must("utils", "service", "stop", "jabber")
	n.must("utils", "service", "stop", entropyDaemon)
	certstest.Rotate(t, n.certs, certs.CallManager)
	for range 20 {
		n.must("utils", "service", "stop", "tftp")
		n.must("utils", "service", "start", "tftp")
	}
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	n.wantService("jabber [STOPPED]")
	n.wantService(entropyDaemon + " [STOPPED]")
	n.must("utils", "service", "start", "jabber")
	if r := n.waitLog("msg", "listener started", "listener", "jabber", "gen", "2"); r == nil {
		t.Error("jabber did not come back")
	}
	for _, r := range n.records("listener", "tftp") {
		if r["msg"] == "listener restarted" && r["gen"] != 2.0 {
			t.Errorf("tftp went back: %v", r)
		}
	}
}

func TestDeactivationLastsOverRestarts(t *testing.T) {
	n := startInstance(t)
	if out := n.must("utils", "service", "deactive", "jabber"); out != "jabber deactivated\n" {
		t.Errorf("got %q", out)
	}
	n.must("utils", "service", "deactivate", "Entropy", "Monitoring", "Daemon")
	n.wantService("jabber [STOPPED] Service Not Activated")
	n.wantService(entropyDaemon + " [STOPPED] Service Not Activated")
	n.refused("jabber is not activated; use 'cfgsrv utils service activate jabber'", "utils", "service", "start", "jabber")
	n.signal(syscall.SIGTERM)
	n.waitExit()
	n.wantService("phones [STOPPED]")
	n.wantService("jabber [STOPPED] Service Not Activated")

	second := n.again()
	second.start()
	second.wantService("phones [STARTED]")
	second.wantService("jabber [STOPPED] Service Not Activated")
	second.wantService(entropyDaemon + " [STOPPED] Service Not Activated")
	if told := second.records("msg", daemonOff); len(told) != 1 {
		t.Errorf("told %d times that keys are made unchecked", len(told))
	}
	second.must("utils", "service", "active", "jabber")
	second.waitLog("msg", "listener started", "listener", "jabber")
	second.wantService("jabber [STARTED]")
	second.must("utils", "service", "activate", entropyDaemon)
	second.wantService(entropyDaemon + " [STARTED]")
}

func TestServiceThatCannotStart(t *testing.T) {
	n := newInstance(t)
	addr := freeAddr(t)
	n.args = append(n.args, "--http", addr, "--jabber", "off")
	n.start()
	n.wantService("jabber [STOPPED]")
	n.refused("jabber is off; give it an address", "utils", "service", "start", "jabber")
	n.must("utils", "service", "stop", "http")
	var holder net.Listener
	n.waitFor("the port", func() (ok bool) {
		l, err := net.Listen("tcp", addr)
		holder = l
		return err == nil
	})
	n.refused(" is in use by ", "utils", "service", "start", "http")
	n.wantService("http [STOPPED]")
	certstest.Rotate(t, n.certs, certs.Tomcat) // which must not fail for http's sake
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	holder.Close()
	n.must("utils", "service", "start", "http")
	n.wantService("http [STARTED]")
}
