// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// witness is a connection that is told what was presented on it.
type witness struct {
	net.Conn
	unit, reason string
}

func (w *witness) Presented(unit string)     { w.unit = unit }
func (w *witness) Unpresented(reason string) { w.reason = reason }

// served is what a server saw of one connection.
type served struct {
	unit, reason string
	state        tls.ConnectionState
	err          error
}

// server answers each TLS connection with one byte.
type server struct {
	net.Listener
	results chan served
	done    sync.WaitGroup
}

// serve serves config until the test ends.
func serve(t *testing.T, config *tls.Config) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: ln, results: make(chan served, 16)}
	s.done.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.results <- s.answer(conn, config)
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.done.Wait()
	})
	return s
}

func (s *server) answer(conn net.Conn, config *tls.Config) served {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	w := &witness{Conn: conn}
	tc := tls.Server(w, config)
	err := tc.HandshakeContext(context.Background())
	if err == nil {
		_, err = tc.Write([]byte("!"))
		_, _ = io.Copy(io.Discard, tc) // until the client closes
	}
	return served{w.unit, w.reason, tc.ConnectionState(), err}
}

// dial makes a connection, and returns what client and server saw.
func (s *server) dial(t *testing.T, config *tls.Config) (tls.ConnectionState, served, error) {
	t.Helper()
	config.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", s.Addr().String(), config)
	if err != nil {
		return tls.ConnectionState{}, <-s.results, err
	}
	// The tickets of TLS 1.3 come with the first bytes.
	_, err = conn.Read(make([]byte, 1))
	state := conn.ConnectionState()
	conn.Close()
	return state, <-s.results, err
}

func serverConfig(t *testing.T, s *certs.Snapshot, p certs.Profile, units ...certs.Unit) *tls.Config {
	t.Helper()
	config, err := s.ServerConfig(p, units...)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

var phones = []certs.Unit{certs.CallManagerECDSA, certs.CallManager}

func TestCertificateChoice(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	ecSuites := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	rsaSuites := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	const ec, rsa = certs.CallManagerECDSA, certs.CallManager
	for name, tt := range map[string]struct {
		profile  certs.Profile
		min, max uint16 // of the client
		suites   []uint16
		curves   []tls.CurveID
		want     certs.Unit // empty: none
	}{
		"1.2":                    {max: v12, want: ec},
		"1.3":                    {min: v13, want: ec},
		"1.2 EC suites":          {max: v12, suites: ecSuites, want: ec},
		"1.2 RSA suites":         {max: v12, suites: rsaSuites, want: rsa},
		"1.2 with P-384":         {max: v12, curves: []tls.CurveID{tls.X25519, tls.CurveP384}, want: ec},
		"1.2 without P-384":      {max: v12, curves: []tls.CurveID{tls.X25519, tls.CurveP256}, want: rsa},
		"1.2 P-521 and P-256":    {max: v12, curves: []tls.CurveID{tls.CurveP521, tls.CurveP256}, want: rsa},
		"1.3 with P-384":         {min: v13, curves: []tls.CurveID{tls.CurveP256, tls.CurveP384}, want: ec},
		"1.3 without P-384":      {min: v13, curves: []tls.CurveID{tls.CurveP256, tls.X25519}, want: rsa},
		"1.3 P-521":              {min: v13, curves: []tls.CurveID{tls.CurveP521}, want: rsa},
		"1.2 EC suites, P-256":   {max: v12, suites: ecSuites, curves: []tls.CurveID{tls.CurveP256}},
		"RSA only 1.2":           {profile: certs.Profile{Keys: certs.RSAOnly}, max: v12, want: rsa},
		"RSA only 1.3":           {profile: certs.Profile{Keys: certs.RSAOnly}, min: v13, want: rsa},
		"RSA only, EC suites":    {profile: certs.Profile{Keys: certs.RSAOnly}, max: v12, suites: ecSuites},
		"EC only 1.3":            {profile: certs.Profile{Keys: certs.ECOnly}, min: v13, want: ec},
		"EC only, RSA suites":    {profile: certs.Profile{Keys: certs.ECOnly}, max: v12, suites: rsaSuites},
		"EC only, 1.2, no P-384": {profile: certs.Profile{Keys: certs.ECOnly}, max: v12, curves: []tls.CurveID{tls.CurveP256}},
		"EC only, 1.3, no P-384": {profile: certs.Profile{Keys: certs.ECOnly}, min: v13, curves: []tls.CurveID{tls.CurveP256}, want: ec},
		"our suites decide":      {profile: certs.Profile{CipherSuites: rsaSuites}, max: v12, want: rsa},
		"RSA key exchange":       {max: v12, suites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}},
		"RSA key exchange asked for": {profile: certs.Profile{CipherSuites: certs.LegacySuites()},
			max: v12, suites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, want: rsa},
	} {
		config := serverConfig(t, snapshot, tt.profile, phones...)
		// A server name, ours or not, must not change the choice.
		for _, serverName := range []string{"", certstest.Host, "elsewhere.example.net"} {
			t.Run(name+"/"+serverName, func(t *testing.T) {
				s := serve(t, config)
				state, saw, err := s.dial(t, &tls.Config{
					MinVersion: tt.min, MaxVersion: tt.max, CipherSuites: tt.suites, CurvePreferences: tt.curves, ServerName: serverName,
				})
				if tt.want == "" {
					checkRefused(t, saw, err)
					return
				}
				if err != nil || saw.err != nil {
					t.Fatalf("client %v, server %v", err, saw.err)
				}
				if saw.unit != string(tt.want) || !state.PeerCertificates[0].Equal(certstest.Pair(t, tt.want).Leaf()) {
					t.Errorf("told %s, presented %s, want %s", saw.unit, state.PeerCertificates[0].Subject, tt.want)
				}
			})
		}
	}
}

// TestCertificateChoiceByCurve has each curve decide, not only the default.
func TestCertificateChoiceByCurve(t *testing.T) {
	curves := map[int]tls.CurveID{256: tls.CurveP256, 384: tls.CurveP384, 521: tls.CurveP521}
	for size, curve := range curves {
		dir := certstest.Dir(t, phones...)
		p, err := certs.Maker{}.SelfSigned(certs.Template{Unit: certs.CallManagerECDSA, Host: certstest.Host, Key: certs.KeySpec{Size: size}})
		if err != nil {
			t.Fatal(err)
		}
		certstest.Write(t, dir, p)
		s := serve(t, serverConfig(t, certstest.Load(t, dir), certs.Profile{}, phones...))
		for _, offered := range curves {
			for version := uint16(tls.VersionTLS12); version <= tls.VersionTLS13; version++ {
				_, saw, err := s.dial(t, &tls.Config{MinVersion: version, MaxVersion: version, CurvePreferences: []tls.CurveID{offered}})
				want := certs.CallManager
				if offered == curve {
					want = certs.CallManagerECDSA
				}
				if err != nil || saw.unit != string(want) {
					t.Errorf("certificate %s, client %s over %s: presented %q, want %s: %v",
						curve, offered, tls.VersionName(version), saw.unit, want, err)
				}
			}
		}
	}
}

// checkRefused wants the alert handshake_failure and a reason in words.
func checkRefused(t *testing.T, saw served, err error) {
	t.Helper()
	// Over TCP crypto/tls gives the alert only as text.
	if err == nil || !strings.HasSuffix(err.Error(), "tls: handshake failure") {
		t.Errorf("the client saw %v", err)
	}
	if saw.err == nil || saw.unit != "" || !strings.Contains(saw.reason, "the client can use no certificate of ours: CallManager") {
		t.Errorf("the server saw %+v", saw)
	}
}

// TestSignatureAlgorithms asks the choice itself: Go's client cannot be told
// which algorithms to offer. The test below has openssl do it.
func TestSignatureAlgorithms(t *testing.T) {
	config := serverConfig(t, certstest.Load(t, certstest.Dir(t, phones...)), certs.Profile{}, phones...)
	p256, p384 := []tls.CurveID{tls.CurveP256}, []tls.CurveID{tls.CurveP384}
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	const ec, rsa = certs.CallManagerECDSA, certs.CallManager
	for name, tt := range map[string]struct {
		version uint16
		curves  []tls.CurveID
		schemes []tls.SignatureScheme
		want    certs.Unit
	}{
		"1.3 ECDSA of our curve":           {v13, p384, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}, ec},
		"1.3 RSA first":                    {v13, p384, []tls.SignatureScheme{tls.PSSWithSHA256, tls.ECDSAWithP384AndSHA384}, ec},
		"1.3 ECDSA of another curve":       {v13, p384, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}, rsa},
		"1.3 RSA":                          {v13, p384, []tls.SignatureScheme{tls.PSSWithSHA256}, rsa},
		"1.3 no RSA without P-384":         {v13, p256, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}, ec},
		"1.3 RSA without P-384":            {v13, p256, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA512}, rsa},
		"1.3 PKCS#1 signs no handshake":    {v13, p384, []tls.SignatureScheme{tls.PKCS1WithSHA256}, ""},
		"1.3 nothing of ours":              {v13, p384, []tls.SignatureScheme{tls.Ed25519, tls.ECDSAWithP521AndSHA512}, ""},
		"1.2 ECDSA with any hash":          {v12, p384, []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, ec},
		"1.2 RSA":                          {v12, p384, []tls.SignatureScheme{tls.PKCS1WithSHA256}, rsa},
		"1.2 ECDSA without P-384":          {v12, p256, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}, ""},
		"1.2 only SHA-1, which we do not":  {v12, p384, []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1}, ""},
		"1.2 everything":                   {v12, p384, []tls.SignatureScheme{tls.PKCS1WithSHA256, tls.ECDSAWithP384AndSHA384}, ec},
		"1.2 everything but without P-384": {v12, p256, []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384, tls.PKCS1WithSHA256}, rsa},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{}
			cert, err := config.GetCertificate(&tls.ClientHelloInfo{
				Conn: w, SupportedVersions: []uint16{tt.version}, SupportedCurves: tt.curves, SignatureSchemes: tt.schemes,
				CipherSuites: certs.DefaultSuites(), ServerName: "elsewhere.example.net",
			})
			if err != nil {
				t.Fatal(err)
			}
			if w.unit != string(tt.want) || (tt.want == "") != (w.reason != "") || (tt.want == "") != (cert.PrivateKey == nil) {
				t.Errorf("presented %q (%s), want %q", w.unit, w.reason, tt.want)
			}
		})
	}
}

func TestOpenSSLChoice(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	const ec, rsa = certs.CallManagerECDSA, certs.CallManager
	s := serve(t, serverConfig(t, certstest.Load(t, certstest.Dir(t, phones...)), certs.Profile{ClientCertificates: true}, phones...))
	for _, tt := range []struct {
		args string
		want certs.Unit
	}{
		{"-tls1_2", ec},
		{"-tls1_3", ec},
		{"-tls1_2 -sigalgs RSA+SHA256", rsa},
		{"-tls1_2 -sigalgs ECDSA+SHA384", ec},
		{"-tls1_2 -curves P-256", rsa},
		{"-tls1_2 -curves P-256:P-384", ec},
		{"-tls1_2 -cipher aRSA", rsa},
		{"-tls1_2 -cipher aECDSA", ec},
		{"-tls1_2 -cipher aECDSA -curves P-256", ""},
		{"-tls1_2 -cipher kRSA", ""},
		{"-tls1_2 -cipher ECDHE-RSA-AES128-SHA", rsa},
		{"-tls1_3 -sigalgs RSA-PSS+SHA256", rsa},
		{"-tls1_3 -sigalgs ECDSA+SHA384", ec},
		{"-tls1_3 -sigalgs ECDSA+SHA384 -curves P-256", ec},
		{"-tls1_3 -curves P-256", rsa},
		{"-tls1_3 -curves X25519", rsa},
		{"-tls1_3 -curves P-384", ec},
		{"-tls1_3 -sigalgs ed25519", ""},
		{"-tls1_1 -cipher DEFAULT@SECLEVEL=0", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			cmd := exec.Command(openssl, append([]string{"s_client", "-connect", s.Addr().String()}, strings.Fields(tt.args)...)...)
			out, err := cmd.CombinedOutput() // stdin is empty: it leaves after the handshake
			saw := <-s.results
			if saw.unit != string(tt.want) {
				t.Errorf("presented %q (%v, %s), want %q: %v\n%s", saw.unit, saw.err, saw.reason, tt.want, err, out)
			}
			if tt.want != "" && !bytes.Contains(out, certstest.CertPEM(certstest.Pair(t, tt.want).Leaf())) {
				t.Errorf("openssl saw another certificate than %s:\n%s", tt.want, out)
			}
			if tt.want == "" && err == nil {
				t.Errorf("openssl succeeded:\n%s", out)
			}
		})
	}
}

// TestSignaturePreference has the client's order decide over TLS 1.3 if the
// profile says so, and only there.
func TestSignaturePreference(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	const ec, rsa = certs.CallManagerECDSA, certs.CallManager
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	for _, tt := range []struct {
		args         string
		ours, theirs certs.Unit // by whose order
	}{
		{"-tls1_3 -sigalgs RSA-PSS+SHA256:ECDSA+SHA384", ec, rsa},
		{"-tls1_3 -sigalgs ECDSA+SHA384:RSA-PSS+SHA256", ec, ec},
		{"-tls1_3 -sigalgs ECDSA+SHA256:RSA-PSS+SHA384:ECDSA+SHA384", ec, rsa},
		{"-tls1_3 -sigalgs ECDSA+SHA384:RSA-PSS+SHA256 -curves P-256", rsa, ec},
		{"-tls1_3 -sigalgs RSA-PSS+SHA512", rsa, rsa},
		{"-tls1_3 -sigalgs ed25519", "", ""},
		{"-tls1_2 -sigalgs RSA+SHA256:ECDSA+SHA384", ec, ec},
	} {
		for clientOrder, want := range map[bool]certs.Unit{false: tt.ours, true: tt.theirs} {
			s := serve(t, serverConfig(t, snapshot, certs.Profile{ClientOrder: clientOrder}, phones...))
			cmd := exec.Command(openssl, append([]string{"s_client", "-connect", s.Addr().String()}, strings.Fields(tt.args)...)...)
			out, err := cmd.CombinedOutput()
			if saw := <-s.results; saw.unit != string(want) {
				t.Errorf("%s, client's order %v: presented %q, want %q: %v\n%s", tt.args, clientOrder, saw.unit, want, err, out)
			}
		}
	}
}

// TestFreshConfig sees that sessions resume within a configuration, with
// client certificates too, and never into the next: there the new certificate
// must be seen.
func TestFreshConfig(t *testing.T) {
	dir := certstest.Dir(t, phones...)
	device := certstest.NewCA(t, "ca").Issue(t, certstest.Device{CN: "SEP001122334455"})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			profile := certs.Profile{ClientCertificates: true}
			snapshot := certstest.Load(t, dir)
			client := &tls.Config{
				MinVersion: version, MaxVersion: version, ServerName: certstest.Host,
				Certificates: []tls.Certificate{device.TLS()}, ClientSessionCache: tls.NewLRUClientSessionCache(4),
			}
			// The cache knows servers by name: both have the same.
			first := serve(t, serverConfig(t, snapshot, profile, phones...))
			for i, resumes := range []bool{false, true} {
				state, saw, err := first.dial(t, client)
				if err != nil || state.DidResume != resumes {
					t.Fatalf("connection %d: resumed %v, %v", i, state.DidResume, err)
				}
				if len(saw.state.PeerCertificates) != 1 || !saw.state.PeerCertificates[0].Equal(device.Cert()) {
					t.Errorf("connection %d: the server saw %v", i, saw.state.PeerCertificates)
				}
			}
			second := serve(t, serverConfig(t, snapshot, profile, phones...))
			if state, _, err := second.dial(t, client); err != nil || state.DidResume {
				t.Errorf("resumed into a fresh configuration: %v, %v", state.DidResume, err)
			}
		})
	}
}

// TestClientCertificates has the handshake accept whoever holds his key, and
// nobody else.
func TestClientCertificates(t *testing.T) {
	s := serve(t, serverConfig(t, certstest.Load(t, certstest.Dir(t, phones...)), certs.Profile{ClientCertificates: true}, phones...))
	ca := certstest.NewCA(t, "unknown").Intermediate(t, "unknown 2")
	for name, device := range map[string]certstest.Identity{
		"unknown RSA":   ca.Issue(t, certstest.Device{CN: "SEP001122334455", Key: certstest.RSA2048}),
		"unknown P-521": ca.Issue(t, certstest.Device{CN: "SEP001122334455", Key: certstest.P521}),
		"expired":       ca.Issue(t, certstest.Device{CN: "SEP001122334455", NotAfter: time.Now().Add(-time.Minute)}),
	} {
		t.Run(name, func(t *testing.T) {
			_, saw, err := s.dial(t, &tls.Config{
				GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(r.AcceptableCAs) != 0 {
						t.Errorf("the server names %d authorities", len(r.AcceptableCAs))
					}
					c := device.TLS()
					return &c, nil
				},
			})
			if err != nil || len(saw.state.PeerCertificates) != 2 || !saw.state.PeerCertificates[0].Equal(device.Cert()) {
				t.Errorf("got %v, %v", saw.state.PeerCertificates, err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if _, saw, err := s.dial(t, &tls.Config{}); err != nil || len(saw.state.PeerCertificates) != 0 {
			t.Errorf("got %v, %v", saw.state.PeerCertificates, err)
		}
	})
	t.Run("not the key's", func(t *testing.T) {
		stolen := ca.Issue(t, certstest.Device{CN: "SEP001122334455"})
		stolen.Key = certstest.Key(t, certstest.P256)
		if _, saw, _ := s.dial(t, &tls.Config{Certificates: []tls.Certificate{stolen.TLS()}}); saw.err == nil {
			t.Error("a certificate without its key was taken")
		}
	})
}

func TestServerConfigOfFewerUnits(t *testing.T) {
	s := certstest.Load(t, certstest.Dir(t, certs.Tomcat, certs.CallManagerECDSA))
	for name, tt := range map[string]struct {
		keys  certs.Keys
		units []certs.Unit
		want  string // of the error
	}{
		"without tomcat-ECDSA":         {certs.ECAndRSA, []certs.Unit{certs.TomcatECDSA, certs.Tomcat}, ""},
		"RSA only, EC required":        {certs.RSAOnly, []certs.Unit{certs.CallManagerECDSA, certs.Tomcat}, ""},
		"RSA missing, but only EC":     {certs.ECOnly, phones, ""},
		"RSA missing":                  {certs.ECAndRSA, phones, "presenting CallManager: there is no such certificate"},
		"only EC without tomcat-ECDSA": {certs.ECOnly, []certs.Unit{certs.TomcatECDSA, certs.Tomcat}, "presenting tomcat-ECDSA: there is no such certificate"},
		"no units":                     {certs.ECAndRSA, nil, "presenting no certificate at all"},
		"capf, only EC":                {certs.ECOnly, []certs.Unit{certs.CAPF}, "presenting no certificate at all"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := s.ServerConfig(certs.Profile{Keys: tt.keys}, tt.units...)
			if tt.want == "" && err == nil && config != nil {
				return
			}
			if err == nil || tt.want == "" || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProfileVersions(t *testing.T) {
	s := certstest.Load(t, certstest.Dir(t, certs.CAPF))
	for name, tt := range map[string]struct {
		profile certs.Profile
		works   []uint16
	}{
		"default": {certs.Profile{}, []uint16{tls.VersionTLS12, tls.VersionTLS13}},
		"1.3":     {certs.Profile{MinVersion: tls.VersionTLS13}, []uint16{tls.VersionTLS13}},
		"1.0": {certs.Profile{MinVersion: tls.VersionTLS10, CipherSuites: certs.LegacySuites(), Keys: certs.RSAOnly},
			[]uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13}},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, serverConfig(t, s, tt.profile, certs.CAPF))
			var works []uint16
			for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
				if _, _, err := server.dial(t, &tls.Config{MinVersion: v, MaxVersion: v}); err == nil {
					works = append(works, v)
				}
			}
			if string(versionNames(works)) != string(versionNames(tt.works)) {
				t.Errorf("got %s, want %s", versionNames(works), versionNames(tt.works))
			}
		})
	}
}

func versionNames(versions []uint16) (names []byte) {
	for _, v := range versions {
		names = append(names, tls.VersionName(v)+" "...)
	}
	return names
}

// TestProfileIgnoresTheEnvironment opens in GODEBUG what the profile does not.
func TestProfileIgnoresTheEnvironment(t *testing.T) {
	t.Setenv("GODEBUG", "tls10server=1,tlsrsakex=1,tls3des=1")
	server := serve(t, serverConfig(t, certstest.Load(t, certstest.Dir(t, certs.CAPF)), certs.Profile{}, certs.CAPF))
	for name, client := range map[string]*tls.Config{
		"version":          {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"RSA key exchange": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		"3DES":             {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA}},
	} {
		if _, _, err := server.dial(t, client); err == nil {
			t.Errorf("%s was served", name)
		}
	}
}

func TestProfileRefuses(t *testing.T) {
	s := certstest.Load(t, certstest.Dir(t, certs.CAPF))
	for name, tt := range map[string]struct {
		profile certs.Profile
		want    string
	}{
		"SSL 3.0":            {certs.Profile{MinVersion: 0x0300}, "SSLv3 is no TLS version"},
		"1.4":                {certs.Profile{MinVersion: tls.VersionTLS13 + 1}, "0x0305 is no TLS version"},
		"1.0 without suites": {certs.Profile{MinVersion: tls.VersionTLS10}, "TLS 1.0 needs its cipher suites named"},
		"no suites":          {certs.Profile{CipherSuites: []uint16{}}, "empty list of cipher suites"},
		"unknown suite":      {certs.Profile{CipherSuites: []uint16{0xfefe}}, "0xFEFE cannot be chosen"},
		"suite of TLS 1.3":   {certs.Profile{CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256}}, "TLS_AES_128_GCM_SHA256 cannot be chosen"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.ServerConfig(tt.profile, certs.CAPF); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestNextProtos(t *testing.T) {
	s := certstest.Load(t, certstest.Dir(t, certs.CAPF))
	for _, tt := range []struct {
		ours []string
		want string
	}{{nil, ""}, {[]string{"http/1.1"}, "http/1.1"}} {
		server := serve(t, serverConfig(t, s, certs.Profile{NextProtos: tt.ours}, certs.CAPF))
		state, _, err := server.dial(t, &tls.Config{NextProtos: []string{"h2", "http/1.1"}})
		if err != nil || state.NegotiatedProtocol != tt.want {
			t.Errorf("got %q, %v, want %q", state.NegotiatedProtocol, err, tt.want)
		}
	}
}

// TestChainIsPresented has a client verify a unit that an authority issued.
func TestChainIsPresented(t *testing.T) {
	ca := certstest.NewCA(t, "ca")
	dir := certstest.Dir(t, certs.CallManagerECDSA)
	certstest.Write(t, dir, ca.Intermediate(t, "intermediate").IssueUnit(t, certs.CallManagerECDSA))
	server := serve(t, serverConfig(t, certstest.Load(t, dir), certs.Profile{}, certs.CallManagerECDSA))
	state, _, err := server.dial(t, &tls.Config{})
	if err != nil {
		t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca.Cert())
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: certstest.Host}); err != nil {
		t.Error(err)
	}
}
