// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGetSaysOnceWhatWentWrong sees that neither the file and the server nor
// what went wrong is said twice.
func TestGetSaysOnceWhatWentWrong(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			http.Error(w, "this device must present its LSC over HTTPS", http.StatusForbidden)
		case "/page":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte("<html>\n<h1>Not here</h1>"))
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	webAddr := strings.TrimPrefix(web.URL, "http://")
	refusing := answering(t, []byte("\x00\x05\x00\x02this device must present its LSC over HTTPS\x00"))
	wordless := answering(t, []byte("\x00\x05\x00\x02\x00"))
	silent := answering(t, nil)
	for _, test := range []struct{ name, transport, server, file, want string }{
		{"HTTP, refused", "http", webAddr, "plain", "this device must present its LSC over HTTPS"},
		{"HTTP, a page", "http", webAddr, "page", "404 Not Found"},
		{"HTTP, no words", "http", webAddr, "x", "503 Service Unavailable"},
		{"HTTP, nobody there", "http", freeAddr(t), "x", "connection refused: nothing listens there"},
		{"HTTP, unknown host", "http", "phones.invalid:6970", "x", "the host phones.invalid cannot be found: "},
		{"TFTP, refused", "tftp", refusing, "x", "this device must present its LSC over HTTPS"},
		{"TFTP, no words", "tftp", wordless, "x", "TFTP error 2"},
		{"TFTP, silence", "tftp", silent, "x", "not done within 200ms; see --timeout"},
		{"TFTP, unknown host", "tftp", "phones.invalid:69", "x", "the host phones.invalid cannot be found: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			timeout := "10s"
			if test.server == silent {
				timeout = "200ms"
			}
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"get", "--transport", test.transport, "--server", test.server, "--timeout", timeout, test.file}, nil, &stdout, &stderr)
			want := "cfgsrv: getting " + test.file + " from " + test.server + ": " + test.want
			got := strings.TrimSuffix(stderr.String(), "\n")
			if code != exitFailed || got != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got, want)) {
				t.Errorf("exit status %d\ngot  %s\nwant %s", code, got, want)
			}
		})
	}
}

// answering answers every datagram with packet; nil is silence.
func answering(t *testing.T, packet []byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			_, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if packet != nil {
				conn.WriteTo(packet, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return conn.LocalAddr().String()
}
