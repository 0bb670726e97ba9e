// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cfgsrv/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, conf status.Config) (base string) {
	t.Helper()
	conf.Addr = "127.0.0.1:0"
	s, err := status.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func sample(now time.Time) status.Config {
	m, b := status.NewMetrics(), &status.Book{}
	for _, r := range []status.Request{
		{Device: "SEP001122334455", File: "SEP001122334455.cnf.xml", Outcome: "served", As: "plain", Listener: "tftp", Bytes: 812},
		{Device: "SEP0011223344EC", File: "SEP0011223344EC.cnf.xml", Outcome: "refused", Reason: "this device must present its LSC <now>", Listener: "http"},
	} {
		r.At = now
		m.Request(r)
		b.Record(r)
	}
	m.Generation(7, map[string]time.Time{"CallManager": now.Add(24 * time.Hour)})
	m.Reloaded(nil)
	m.InProgress(func() int { return 2 })
	m.Entropy(func() bool { return true }, map[string]func() uint64{"repetition": func() uint64 { return 3 }})
	return status.Config{
		Metrics: m, Book: b,
		Overview: func() status.Overview {
			return status.Overview{
				Version: "1.2.3", Generation: 7, Started: now, Loaded: now,
				Listeners:    []status.Listener{{Name: "tftp", Addr: "127.0.0.1:69"}, {Name: "jabber"}},
				Certificates: []status.Certificate{{Unit: "CallManager", Subject: "CN=ucm1", Ends: now.Add(30 * 24 * time.Hour)}},
			}
		},
	}
}

func TestPageTellsWhyADeviceDoesNotComeUp(t *testing.T) {
	base := start(t, sample(time.Now()))
	code, body := get(t, base+"/", "")
	if code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	for _, want := range []string{
		"cfgsrv 1.2.3", "SEP001122334455", "Generation 7", "127.0.0.1:69", "off", "CN=ucm1",
		"must present its LSC &lt;now&gt;",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(body, `<span class="bad">`); n != 1 {
		t.Errorf("%d devices in trouble, want 1", n)
	}
}

func TestMetricsHaveTheNamesOfTheContract(t *testing.T) {
	base := start(t, sample(time.Now()))
	_, body := get(t, base+"/metrics", "")
	for _, want := range []string{
		`cfgsrv_requests_total{listener="http",outcome="refused"} 1`,
		`cfgsrv_request_seconds_count{listener="tftp"} 1`,
		"cfgsrv_requests_in_progress 2", "cfgsrv_sent_bytes_total 812", "cfgsrv_generation 7",
		`cfgsrv_reloads_total{result="ok"} 1`, `cfgsrv_certificate_expiry_seconds{unit="CallManager"}`,
		"cfgsrv_signed_total 0", "cfgsrv_encrypted_total 0", "cfgsrv_lsc_issued_total 0", "cfgsrv_entropy_healthy 1",
		`cfgsrv_entropy_failures_total{test="repetition"} 3`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
}

func TestTokenGuardsAllButHealth(t *testing.T) {
	conf := sample(time.Now())
	conf.Token = func() string { return "open sesame" }
	base := start(t, conf)
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/", "", 401}, {"/", "wrong", 401}, {"/", "open sesame", 200},
		{"/metrics", "", 401}, {"/metrics", "open sesame", 200},
		{"/healthz", "", 200}, {"/readyz", "", 200}, {"/nothing", "open sesame", 404},
	} {
		if got, _ := get(t, base+c.path, c.token); got != c.want {
			t.Errorf("GET %s with token %q: %d, want %d", c.path, c.token, got, c.want)
		}
	}
}

func TestBookForgetsTheDeviceThatWasSilentLongest(t *testing.T) {
	var b status.Book
	const most = 20_000
	for i := range most + 1 {
		b.Record(status.Request{Device: fmt.Sprintf("SEP%012X", i), Outcome: "served"})
	}
	if n := len(b.Devices()); n != most {
		t.Errorf("%d devices remembered, want %d", n, most)
	}
	if _, ok := b.Device("SEP000000000000"); ok {
		t.Error("the oldest device is still there")
	}
	if _, ok := b.Device("SEP000000000001"); !ok {
		t.Error("the second oldest device is gone")
	}
}

func TestTroubleIsOverOnceSomethingWasServed(t *testing.T) {
	refused := status.Request{Device: "SEP001122334455", Outcome: "refused", File: "a"}
	served := status.Request{Device: "SEP001122334455", Outcome: "served", File: "b"}
	missing := status.Request{Device: "SEP001122334455", Outcome: "notfound", File: "c"}
	for _, c := range []struct {
		name     string
		requests []status.Request
		want     string
	}{
		{"refused", []status.Request{refused}, "a"},
		{"refused, then a missing file", []status.Request{refused, missing}, "a"},
		{"refused, then served", []status.Request{refused, served}, ""},
		{"missing only", []status.Request{missing}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if r := (status.Device{Requests: c.requests}).Trouble(); r != nil {
				got = r.File
			}
			if got != c.want {
				t.Errorf("trouble with %q, want %q", got, c.want)
			}
		})
	}
}

func TestStopBeforeStart(t *testing.T) {
	conf := sample(time.Now())
	conf.Addr = "127.0.0.1:0"
	s, err := status.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
	if err := s.Serve(); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}
