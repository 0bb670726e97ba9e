// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// recorder is a connection on which the server never says anything.
type recorder struct {
	net.Conn
	sent bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { return r.sent.Write(b) }
func (r *recorder) Read([]byte) (int, error)    { return 0, errors.New("recorded") }

// hello records the ClientHello of a client.
func hello(t *testing.T, config *tls.Config) []byte {
	t.Helper()
	config.InsecureSkipVerify = true
	r := new(recorder)
	if err := tls.Client(r, config).Handshake(); err == nil || r.sent.Len() == 0 {
		t.Fatalf("nothing was recorded: %v", err)
	}
	return r.sent.Bytes()
}

// TestExplainAgreesWithTheHandshake has each client both explained and served.
func TestExplainAgreesWithTheHandshake(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	ecSuites := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	rsaSuites := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}
	const v11, v12, v13 = tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13
	for name, tt := range map[string]struct {
		profile certs.Profile
		client  *tls.Config
		why     string
	}{
		"everything":              {certs.Profile{}, &tls.Config{}, "CallManager-ECDSA: it is the first in our order that the client can use."},
		"1.2":                     {certs.Profile{}, &tls.Config{MaxVersion: v12}, "TLS 1.2: the highest version that both offer."},
		"1.2 RSA suites":          {certs.Profile{}, &tls.Config{MaxVersion: v12, CipherSuites: rsaSuites}, "Not CallManager-ECDSA: client doesn't support any cipher suites compatible with the certificate."},
		"1.2 without P-384":       {certs.Profile{}, &tls.Config{MaxVersion: v12, CurvePreferences: []tls.CurveID{tls.CurveP256}}, "Not CallManager-ECDSA: client doesn't support certificate curve."},
		"1.3 without P-384":       {certs.Profile{}, &tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.X25519}}, "Not CallManager-ECDSA: client doesn't offer P-384, the curve of its key."},
		"1.3 P-384":               {certs.Profile{}, &tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.CurveP384}}, "P-384: the key exchange."},
		"EC only, no P-384":       {certs.Profile{Keys: certs.ECOnly}, &tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.CurveP256}}, "TLS 1.3 does not ask for the curve of its key"},
		"RSA only, EC suites":     {certs.Profile{Keys: certs.RSAOnly}, &tls.Config{MaxVersion: v12, CipherSuites: ecSuites}, "No connection: the client can use no certificate of ours: CallManager: client doesn't support any cipher suites"},
		"too old":                 {certs.Profile{}, &tls.Config{MinVersion: v11, MaxVersion: v11}, "No connection: the client offers TLS 1.1, and this listener begins at TLS 1.2."},
		"1.2 where 1.3 is asked":  {certs.Profile{MinVersion: v13}, &tls.Config{MaxVersion: v12}, "this listener begins at TLS 1.3."},
		"client order":            {certs.Profile{ClientOrder: true}, &tls.Config{MinVersion: v13}, "the client puts PSSWithSHA256 before every other signature that we have a key for."},
		"client order, 1.2":       {certs.Profile{ClientOrder: true}, &tls.Config{MaxVersion: v12}, "CallManager-ECDSA: it is the first in our order"},
		"no common suite":         {certs.Profile{CipherSuites: ecSuites}, &tls.Config{MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}}, "No connection: "},
		"another share asked for": {certs.Profile{FIPS: true}, &tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP384}}, "P-384: the first key exchange that both have; the client sent no share for it"},
		"FIPS":                    {certs.Profile{FIPS: true}, &tls.Config{MaxVersion: v12}, "CallManager-ECDSA: it is the first"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := snapshot.Explain(hello(t, tt.client), tt.profile, phones...)
			if err != nil {
				t.Fatal(err)
			}
			if words := strings.Join(e.Why, "\n"); !strings.Contains(words, tt.why) {
				t.Errorf("it does not say %q:\n%s", tt.why, words)
			}
			state, saw, err := serve(t, serverConfig(t, snapshot, tt.profile, phones...)).dial(t, tt.client)
			if err != nil {
				if e.Unit != "" || e.Suite != 0 || !strings.HasPrefix(e.Why[len(e.Why)-1], "No connection: ") {
					t.Errorf("explained as %+v, but: %v", e, err)
				}
				return
			}
			if string(e.Unit) != saw.unit || e.Version != state.Version || e.Suite != state.CipherSuite || e.Group != state.CurveID {
				t.Errorf("explained as %s, %x, %x, %s\nserved as    %s, %x, %x, %s", e.Unit, e.Version, e.Suite, e.Group,
					saw.unit, state.Version, state.CipherSuite, state.CurveID)
			}
		})
	}
}

func TestExplainReadsEveryFormOfARecording(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	raw := hello(t, &tls.Config{})
	message := raw[5:]
	split := slices.Concat([]byte{22, 3, 1, 0, 7}, message[:7], []byte{22, 3, 3, byte((len(message) - 7) >> 8), byte(len(message) - 7)}, message[7:])
	digits := hex.EncodeToString(raw)
	for name, tt := range map[string]struct {
		recorded string
		fault    string
	}{
		"records":              {string(raw), ""},
		"message alone":        {string(message), ""},
		"two records":          {string(split), ""},
		"hex digits":           {digits, ""},
		"hex in lines":         {digits[:64] + "\n  " + strings.ToUpper(digits[64:]) + "\r\n", ""},
		"hex with colons":      {digits[:2] + ":" + digits[2:4] + ":" + digits[4:], ""},
		"hex of the message":   {hex.EncodeToString(message), ""},
		"empty":                {"", "does not begin as a ClientHello does"},
		"text":                 {"GET / HTTP/1.1\r\n\r\n", "does not begin as a ClientHello does"},
		"SSL 2":                {"\x80\x2e\x01\x03\x01", "does not begin as a ClientHello does"},
		"alert":                {"\x15\x03\x01\x00\x02\x02\x28", "does not begin as a ClientHello does"},
		"server hello":         {"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "does not begin as a ClientHello does"},
		"more after it":        {string(raw) + "\x14\x03\x03\x00\x01\x01", "something else than the records of one ClientHello"},
		"cut short":            {string(raw[:len(raw)-9]), "it ends 9 bytes early"},
		"message cut short":    {string(message[:len(message)-1]), "are announced"},
		"message and a byte":   {string(message) + "x", "are announced"},
		"empty record":         {"\x16\x03\x01\x00\x00" + string(raw), "a record has 0 bytes"},
		"record too long":      {"\x16\x03\x01\x40\x01" + string(raw), "a record has 16385 bytes"},
		"announces 16 MiB":     {"\x01\xff\xff\xff", "more than any real one"},
		"nonsense in the form": {"\x01\x00\x00\x03\x03\x03\x00", "reading the recorded ClientHello: "},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := snapshot.Explain([]byte(tt.recorded), certs.Profile{}, phones...)
			if tt.fault == "" && (err != nil || e.Unit != certs.CallManagerECDSA) {
				t.Errorf("got %+v, %v", e, err)
			}
			if tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
				t.Errorf("got %v, want %q", err, tt.fault)
			}
		})
	}
}

func TestExplainLeavesGREASEOut(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	raw := hello(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
	grease := bytes.Replace(raw, []byte{0xc0, 0x2b}, []byte{0x1a, 0x1a}, 1)
	e, err := snapshot.Explain(grease, certs.Profile{}, phones...)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(e.Client.Suites, 0x1a1a) {
		t.Errorf("the client's suites are %x", e.Client.Suites)
	}
}

// FuzzReadHello wants every message that is read to be read again from its
// records.
func FuzzReadHello(f *testing.F) {
	f.Add([]byte("16 03 01 00 05 01 00 00 01 00"))
	f.Add([]byte{22, 3, 1, 0, 2, 1, 0, 22, 3, 3, 0, 3, 0, 1, 9})
	f.Add([]byte{1, 0, 0, 2, 3, 3})
	f.Fuzz(func(t *testing.T, recorded []byte) {
		message, err := certs.ReadHello(recorded)
		if err != nil {
			return
		}
		again, err := certs.ReadHello(certs.Records(message))
		if err != nil || !bytes.Equal(again, message) {
			t.Errorf("%x became %x: %v", message, again, err)
		}
	})
}
