// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// control is the way from a command to the running server: HTTP over a socket
// in state/ that only its user can open.
type control struct {
	ln   net.Listener
	http *http.Server
}

// errNoServer means that no server runs on this data directory.
var errNoServer = errors.New("no cfgsrv serves this data directory")

func controlPath(d data) string { return filepath.Join(d.state(), "control.sock") }

// newControl binds the socket. The caller holds the lock of DATA, so what is in
// the way is left from a server that died.
func newControl(d data, routes http.Handler, log *slog.Logger) (*control, error) {
	path := controlPath(d)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing an old control socket: %w", err)
	}
	name, done, err := socketName(path)
	if err != nil {
		return nil, err
	}
	defer done()
	ln, err := net.Listen("unix", name)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket %s: %w", path, err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // name may be short-lived
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("closing the control socket to others: %w", err)
	}
	return &control{ln: ln, http: &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// serve answers commands until ctx ends.
func (c *control) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.http.Close() })
	defer stop()
	if err := c.http.Serve(c.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

// socketName is a name for path that fits into the 108 bytes that the kernel
// allows: by way of the open folder where path itself is too long.
func socketName(path string) (name string, done func(), err error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, fmt.Errorf("opening the folder of the control socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

// askServer sends one request to the running server and decodes its JSON answer
// into answer, unless that is nil. It returns errNoServer if none runs.
func askServer(ctx context.Context, d data, method, path string, question, answer any) error {
	body, err := askServerRaw(ctx, d, method, path, question)
	if err != nil || answer == nil {
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

func askServerRaw(ctx context.Context, d data, method, path string, question any) ([]byte, error) {
	var body io.Reader
	if question != nil {
		b, err := json.Marshal(question)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://cfgsrv"+path, body)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		name, done, err := socketName(controlPath(d))
		if err != nil {
			return nil, err
		}
		defer done()
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}
	res, err := t.RoundTrip(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNoServer
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("asking the running server: not permitted for this user; use the server's user or root")
	case err != nil:
		return nil, fmt.Errorf("asking the running server: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the server's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(b)))
	}
	return b, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a command that went away wants no answer
}
