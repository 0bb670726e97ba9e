// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// takenPorts are addresses at which somebody else listens.
func takenPorts(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		all = append(all, l.Addr().String())
	}
	return all
}

func TestEachListenerThatCannotBeOpenedHasALine(t *testing.T) {
	taken := takenPorts(t, 2)
	n := newInstance(t)
	n.args = append(n.args, "--http", taken[0], "--tvs", taken[1])
	n.launch()
	if code := n.waitExit(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	want := regexp.MustCompile(`(?m)^cfgsrv: 2 listeners cannot be opened:
  http: TCP port ` + port(t, taken[0]) + ` is in use by .+; stop it or set another address with --http
  tvs: TCP port ` + port(t, taken[1]) + ` is in use by .+; stop it or set another address with --tvs$`)
	if got := n.dump(); !want.MatchString(got) {
		t.Errorf("want %s, got\n%s", want, got)
	}
}

func TestEachListenerThatCannotBeMovedHasARecord(t *testing.T) {
	taken := takenPorts(t, 2)
	n := newInstance(t)
	for _, flag := range []string{"--http", "--tvs"} { // the file is to set them
		i := slices.Index(n.args, flag)
		n.args = slices.Delete(n.args, i, i+2)
	}
	file := filepath.Join(n.data, "cfgsrv.toml")
	listen := func(http, tvs string) {
		write(t, file, fmt.Sprintf("[listen]\nhttp = %q\ntvs = %q\n", http, tvs))
	}
	listen("127.0.0.1:0", "127.0.0.1:0")
	n.start()
	listen(taken[0], taken[1])
	n.waitLog("msg", "reload failed", "err", "generation 1 goes on: 2 listeners cannot be opened")
	for i, name := range []string{"http", "tvs"} {
		all := n.records("msg", "listener not opened", "listener", name)
		want := regexp.MustCompile("^" + name + ": TCP port " + port(t, taken[i]) + " is in use by .+; stop it or set another address with --" + name + "$")
		if len(all) != 1 || !want.MatchString(all[0]["err"].(string)) {
			t.Errorf("want one record with %s, got %v", want, all)
		}
	}
	if stdout, _, err := n.output("show", "status"); err != nil || !regexp.MustCompile(`tvs: TCP port \d+ is in use`).MatchString(stdout) {
		t.Errorf("show status does not say why: %v\n%s", err, stdout)
	}
}
