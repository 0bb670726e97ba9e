// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
)

// patience bounds every wait of these tests; nothing takes that long.
const patience = 20 * time.Second

// instance is a cfgsrv in a process of its own.
type instance struct {
	t     *testing.T
	data  string
	files string
	certs string
	args  []string
	env   []string // beside our own
	// program is the binary to run; empty: this one
	program string

	cmd  *exec.Cmd
	exit chan error

	mu     sync.Mutex
	log    []map[string]any
	text   bytes.Buffer // lines of stderr that are no log records
	update chan struct{}
}

// newInstance prepares a data directory with all units, made once per process,
// and all listeners on free ports.
func newInstance(t *testing.T) *instance {
	t.Helper()
	n := &instance{t: t, data: t.TempDir(), files: t.TempDir(), certs: certstest.Dir(t), update: make(chan struct{})}
	n.args = []string{"serve", "--data", n.data, "--files", n.files, "--certs", n.certs, "--log-format", "json", "--log-level", "debug"}
	for _, l := range defaultSettings().Listen.all() {
		n.args = append(n.args, "--"+l.name, "127.0.0.1:0")
	}
	return n
}

// startInstance starts an instance and waits until it serves.
func startInstance(t *testing.T) *instance {
	t.Helper()
	n := newInstance(t)
	n.start()
	return n
}

func (n *instance) start() {
	n.t.Helper()
	n.launch()
	n.waitLog("msg", "listener started", "listener", "status")
	n.waitFor("the control socket", func() bool { return n.cfgsrv("show", "status") == nil })
}

// launch starts the process without waiting for anything.
func (n *instance) launch() {
	n.t.Helper()
	n.cmd = exec.Command(cmp.Or(n.program, os.Args[0]))
	n.cmd.Args = append([]string{"cfgsrv"}, n.args...)
	// The race detector sleeps a second before the end, which is not ours.
	n.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), n.env...)
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.exit = make(chan error, 1)
	read := make(chan struct{})
	go func() { defer close(read); n.read(stderr) }()
	go func() { <-read; n.exit <- n.cmd.Wait() }()
	n.t.Cleanup(func() {
		n.cmd.Process.Kill()
		<-read
		if n.t.Failed() && testing.Verbose() {
			n.t.Logf("log of the server:\n%s", n.dump())
		}
	})
}

func (n *instance) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var rec map[string]any
		err := json.Unmarshal(lines.Bytes(), &rec)
		n.mu.Lock()
		if err == nil {
			n.log = append(n.log, rec)
		} else {
			n.text.Write(append(lines.Bytes(), '\n'))
		}
		close(n.update)
		n.update = make(chan struct{})
		n.mu.Unlock()
	}
}

func (n *instance) dump() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	for _, r := range n.log {
		fmt.Fprintln(&b, r)
	}
	return b.String() + n.text.String()
}

// records returns the log records that have all of the pairs of key and value.
func (n *instance) records(pairs ...string) []map[string]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []map[string]any
	for _, r := range n.log {
		if matches(r, pairs) {
			found = append(found, r)
		}
	}
	return found
}

func matches(r map[string]any, pairs []string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if fmt.Sprint(r[pairs[i]]) != pairs[i+1] {
			return false
		}
	}
	return true
}

// waitLog waits for a log record with all of the pairs and returns it.
func (n *instance) waitLog(pairs ...string) map[string]any {
	n.t.Helper()
	var found []map[string]any
	n.waitFor(fmt.Sprintf("a log record with %v", pairs), func() bool {
		found = n.records(pairs...)
		return len(found) > 0
	})
	return found[len(found)-1]
}

// waitFor waits until the condition holds. It is looked at after each line that
// the server writes, and now and then.
func (n *instance) waitFor(what string, condition func() bool) {
	n.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		n.mu.Lock()
		update := n.update
		n.mu.Unlock()
		if condition() {
			return
		}
		select {
		case <-update:
		case <-again.C:
		case <-deadline.C:
			n.t.Fatalf("waiting for %s: it does not come\n%s", what, n.dump())
		}
	}
}

// addr is where the listener listens.
func (n *instance) addr(listener string) string {
	n.t.Helper()
	return n.waitLog("msg", "listener started", "listener", listener)["addr"].(string)
}

// generation is the number of the running generation.
func (n *instance) generation() float64 {
	all := n.records("msg", "listener restarted")
	if len(all) == 0 {
		return 1
	}
	return all[len(all)-1]["gen"].(float64)
}

// waitExit waits for the end of the process and returns its exit status.
func (n *instance) waitExit() int {
	n.t.Helper()
	select {
	case err := <-n.exit:
		n.exit <- err
		var e *exec.ExitError
		if errors.As(err, &e) {
			return e.ExitCode()
		}
		if err != nil {
			n.t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		n.t.Fatal("the server does not end")
		return -1
	}
}

func (n *instance) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// cfgsrv runs a command on the instance's data directory.
func (n *instance) cfgsrv(args ...string) error {
	_, _, err := n.output(args...)
	return err
}

func (n *instance) output(args ...string) (stdout, stderr string, err error) {
	var out, diag bytes.Buffer
	args = append(args, "--data", n.data, "--files", n.files, "--certs", n.certs)
	if code := run(context.Background(), args, nil, &out, &diag); code != 0 {
		err = fmt.Errorf("exit status %d: %s", code, diag.String())
	}
	return out.String(), diag.String(), err
}

// write puts a file into a folder of the instance.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tool runs a real client and returns what it wrote to stdout. The test is
// skipped where the client is not installed.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return string(out), err
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
