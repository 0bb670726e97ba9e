// SPDX-License-Identifier: Apache-2.0

package https

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestFailedHandshakesAreTold(t *testing.T) {
	oldClient := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	noSuite := func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	strict := func(c *tls.Config) {
		c.InsecureSkipVerify, c.RootCAs, c.ServerName = false, x509.NewCertPool(), "localhost"
	}
	leaving := func(c *tls.Config) {
		c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not this one") }
	}
	tests := []struct {
		name   string
		client func(*tls.Config) // nil: raw is sent
		raw    string
		level  string
		reason string
	}{
		{"old version", oldClient, "", "INFO", "client offers no common TLS version"},
		{"no suite for a certificate", noSuite, "", "INFO", "no certificate suits"},
		{"no common curve", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} }, "", "INFO", "client offers no common cipher, curve or signature algorithm"},
		{"unknown authority", strict, "", "INFO", "client rejected our certificate: bad certificate"},
		{"unknown authority in TLS 1.2", func(c *tls.Config) { strict(c); c.MaxVersion = tls.VersionTLS12 }, "", "INFO", "client rejected our certificate: bad certificate"},
		{"own opinion", leaving, "", "INFO", "client rejected our certificate: bad certificate"},
		{"protocols", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, "", "INFO", "client offers no common application protocol"},
		{"plain HTTP", nil, "GET /ringlist.xml HTTP/1.1\r\nHost: x\r\n\r\n", "INFO", "plain HTTP sent to a TLS port"},
		{"garbage", nil, "\x00\x01\x02\x03\x04\x05\x06\x07", "INFO", "not TLS at all"},
		{"garbage in a record", nil, "\x16\x03\x01\x00\x04\x00\x00\x00\x00", "INFO", "client does not keep to the protocol"},
		{"half a record", nil, "\x16\x03\x01\x00\x04\x01", "INFO", "client hung up during the handshake"},
		{"nothing", nil, "", "DEBUG", "client hung up during the handshake"},
	}
	gen := Generation{Files: served, TLS: serverTLS(t, 1)}
	gen.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.CurveP384}
	gen.TLS.NextProtos = []string{"http/1.1"}
	s := start(t, gen)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var remote string
			if tt.client != nil {
				c, err := net.Dial("tcp", s.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				remote = c.LocalAddr().String()
				config := clientTLS(tt.client)
				if err := tls.Client(c, config).Handshake(); err == nil && config.MaxVersion != 0 {
					t.Error("the client is content")
				}
				c.Close()
			} else {
				phone := s.dial(nil)
				remote = phone.LocalAddr().String()
				io.WriteString(phone, tt.raw)
				phone.Conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, phone)
			}
			line := s.waitForLine(`msg="handshake failed" listener=phones remote=` + remote)
			if !strings.Contains(line, "level="+tt.level) || !strings.Contains(line, `reason="`+tt.reason) {
				t.Errorf("the log says %s, want %s and %q", line, tt.level, tt.reason)
			}
		})
	}
}

// waitForLine waits for a line of the log.
func (s *site) waitForLine(part string) (line string) {
	s.t.Helper()
	search := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(part) + `.*$`)
	waitFor(s.t, "the log to say "+part, func() bool {
		line = search.FindString(s.log.String())
		return line != ""
	})
	return line
}

func TestPlainHTTPOnATLSPortIsAnswered(t *testing.T) {
	s := start(t, Generation{Files: served, TLS: serverTLS(t, 1)})
	if got := s.dial(nil).get("/ringlist.xml"); got.StatusCode != 400 || got.body != "This port speaks only HTTPS.\n" {
		t.Errorf("got %s %q", got.Status, got.body)
	}
}

func TestHandshakesOfScannersDoNotFloodTheLog(t *testing.T) {
	limits := usualTimes
	s := startAt(t, "127.0.0.1:0", Generation{Files: served, TLS: serverTLS(t, 1)}, limits)
	const scans = 200
	begun := time.Now()
	for range scans {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "\x00\x01\x02\x03\x04\x05\x06\x07")
		c.Close()
	}
	waitFor(t, "all to be told", func() bool { return strings.Count(s.log.String(), `msg="handshake failed"`) == scans })
	seconds := int(time.Since(begun)/time.Second) + 1
	if n := strings.Count(s.log.String(), "level=INFO"); n > 20*seconds {
		t.Errorf("%d records at level info in %d s", n, seconds)
	}
}

func TestHalfOpenConnectionsDoNotHoldTheServer(t *testing.T) {
	limits := usualTimes
	limits.request = 200 * time.Millisecond
	s := startAt(t, "127.0.0.1:0", Generation{Files: served, TLS: serverTLS(t, 1)}, limits)
	half := make([]*phone, 200)
	for i := range half {
		half[i] = s.dial(nil)
		if i%2 == 0 {
			io.WriteString(half[i], "\x16\x03\x01\x02\x00\x01")
		}
	}
	for range 10 {
		if got := s.dial(clientTLS()).get("/ringlist.xml"); got.StatusCode != 200 {
			t.Errorf("got %s", got.Status)
		}
	}
	for _, p := range half {
		if !p.isEnded() {
			t.Fatal("a half-open connection goes on")
		}
	}
}

func TestBothCertificatesOnOnePort(t *testing.T) {
	s := start(t, Generation{Files: served, TLS: serverTLS(t, 1)})
	tests := []struct {
		name, unit, version string
		client              func(*tls.Config)
	}{
		{"new", "CallManager-ECDSA", "1.3", func(*tls.Config) {}},
		{"TLS 1.2", "CallManager-ECDSA", "1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		{"RSA only", "CallManager", "1.2", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.dial(clientTLS(tt.client)).get("/ringlist.xml")
			if r := s.record().TLS; r.Cert != tt.unit || r.Version != tt.version || r.Cipher == "" {
				t.Errorf("record %+v, want %s and %s", r, tt.unit, tt.version)
			}
		})
	}
}

func TestOurAlerts(t *testing.T) {
	for alert, want := range map[tls.AlertError]string{
		0:                         "handshake broke off",
		alertProtocolVersion:      "client offers no common TLS version",
		alertInternalError:        "server has a fault",
		alertUnknownCA:            "client does not keep to the protocol",
		alertInsufficientSecurity: "client offers no common cipher, curve or signature algorithm",
	} {
		if got := ourAlert(alert); got != want {
			t.Errorf("alert %d: %q, want %q", alert, got, want)
		}
	}
	if got := clientAlert(tls.AlertError(112)); got != "client broke off: unrecognized name" {
		t.Errorf("got %q", got)
	}
}

func TestMeter(t *testing.T) {
	m := meter{most: 2}
	now := time.Now()
	for i, want := range []bool{true, true, false, false} {
		if got := m.pass(now); got != want {
			t.Errorf("event %d passes: %t", i, got)
		}
	}
	if !m.pass(now.Add(time.Second)) {
		t.Error("nothing passes in the next second")
	}
}
