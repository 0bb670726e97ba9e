// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

func TestOffer(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for name, tt := range map[string]struct {
		profile  certs.Profile
		versions []uint16
		suites   string // of TLS 1.2
		groups   string
		units    []certs.Unit
	}{
		"default": {
			certs.Profile{}, []uint16{v12, v13},
			"ECDHE_ECDSA_AES_128_GCM ECDHE_RSA_AES_128_GCM ECDHE_ECDSA_AES_256_GCM ECDHE_RSA_AES_256_GCM " +
				"ECDHE_ECDSA_CHACHA20 ECDHE_RSA_CHACHA20 ECDHE_ECDSA_AES_128_CBC ECDHE_RSA_AES_128_CBC ECDHE_ECDSA_AES_256_CBC ECDHE_RSA_AES_256_CBC",
			"X25519MLKEM768 SecP256r1MLKEM768 SecP384r1MLKEM1024 X25519 P-256 P-384 P-521", phones,
		},
		"1.3": {certs.Profile{MinVersion: v13}, []uint16{v13}, "",
			"X25519MLKEM768 SecP256r1MLKEM768 SecP384r1MLKEM1024 X25519 P-256 P-384 P-521", phones},
		"RSA only": {certs.Profile{Keys: certs.RSAOnly, FIPS: true}, []uint16{v12, v13},
			"ECDHE_RSA_AES_128_GCM ECDHE_RSA_AES_256_GCM", "SecP256r1MLKEM768 SecP384r1MLKEM1024 P-256 P-384 P-521", phones[1:]},
		"EC only": {certs.Profile{Keys: certs.ECOnly, FIPS: true}, []uint16{v12, v13},
			"ECDHE_ECDSA_AES_128_GCM ECDHE_ECDSA_AES_256_GCM", "SecP256r1MLKEM768 SecP384r1MLKEM1024 P-256 P-384 P-521", phones[:1]},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := snapshot.Offer(tt.profile, phones...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.versions, o.Versions); diff != "" {
				t.Errorf("versions: %s", diff)
			}
			if diff := cmp.Diff(tt.units, o.Units); diff != "" {
				t.Errorf("units: %s", diff)
			}
			var groups, suites []string
			for _, g := range o.Groups {
				groups = append(groups, certs.GroupName(g))
			}
			for _, id := range o.Suites {
				if n, ok := strings.CutPrefix(tls.CipherSuiteName(id), "TLS_ECDHE_"); ok {
					n, _, _ = strings.Cut(n, "_SHA")
					suites = append(suites, "ECDHE_"+strings.NewReplacer("WITH_", "", "_POLY1305", "").Replace(n))
				}
			}
			if got := strings.Join(groups, " "); got != tt.groups {
				t.Errorf("groups %s, want %s", got, tt.groups)
			}
			if got := strings.Join(suites, " "); got != tt.suites {
				t.Errorf("suites %s, want %s", got, tt.suites)
			}
		})
	}
}

// TestOfferIsInTheOrderOfTheHandshake takes away from a client what it got,
// again and again.
func TestOfferIsInTheOrderOfTheHandshake(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	for _, keys := range []certs.Keys{certs.RSAOnly, certs.ECOnly} {
		profile := certs.Profile{Keys: keys, CipherSuites: certs.LegacySuites()}
		offer, err := snapshot.Offer(profile, phones...)
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(slices.Clone(offer.Suites), func(id uint16) bool {
			return strings.HasPrefix(tls.CipherSuiteName(id), "TLS_AES") || strings.HasPrefix(tls.CipherSuiteName(id), "TLS_CHACHA20")
		})
		want := slices.Clone(left)
		var got []uint16
		for len(left) > 0 {
			// An AES suite in front says that the client has AES in hardware.
			slices.SortStableFunc(left, func(a, b uint16) int { return strings.Compare(isChaCha(a), isChaCha(b)) })
			raw := hello(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: left})
			e, err := snapshot.Explain(raw, profile, phones...)
			if err != nil || e.Suite == 0 {
				t.Fatalf("%v: %v", err, e)
			}
			got = append(got, e.Suite)
			left = slices.DeleteFunc(left, func(id uint16) bool { return id == e.Suite })
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", keys, diff)
		}
	}
	offer, err := snapshot.Offer(certs.Profile{}, phones...)
	if err != nil {
		t.Fatal(err)
	}
	left := slices.Clone(offer.Groups)
	for _, want := range offer.Groups {
		e, err := snapshot.Explain(hello(t, &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: left}), certs.Profile{}, phones...)
		if err != nil {
			t.Fatal(err)
		}
		if e.Group != want {
			t.Errorf("of %v the handshake takes %s", left, e.Group)
		}
		left = left[1:]
	}
}

func isChaCha(id uint16) string {
	if strings.Contains(tls.CipherSuiteName(id), "CHACHA20") {
		return "yes"
	}
	return "no"
}

// TestApprovedProfile has no client get anything that FIPS 140-3 does not
// approve, as far as the profile decides.
func TestApprovedProfile(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, phones...))
	s := serve(t, serverConfig(t, snapshot, certs.Profile{FIPS: true}, phones...))
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for name, tt := range map[string]struct {
		client *tls.Config
		works  bool
	}{
		"1.2 ECDSA with AES-GCM": {&tls.Config{MaxVersion: v12, CurvePreferences: []tls.CurveID{tls.CurveP384}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}, true},
		"1.2 RSA with AES-GCM":   {&tls.Config{MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}, true},
		"1.2 ChaCha20":           {&tls.Config{MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}}, false},
		"1.2 CBC with SHA-1":     {&tls.Config{MaxVersion: v12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}}, false},
		"1.2 X25519":             {&tls.Config{MaxVersion: v12, CurvePreferences: []tls.CurveID{tls.X25519}}, false},
		"1.3 X25519":             {&tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.X25519}}, false},
		"1.3 X25519MLKEM768":     {&tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, false},
		"1.3 SecP384r1MLKEM1024": {&tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.SecP384r1MLKEM1024}}, true},
		"1.3 P-521":              {&tls.Config{MinVersion: v13, CurvePreferences: []tls.CurveID{tls.CurveP521}}, true},
		"1.1":                    {&tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, saw, err := s.dial(t, tt.client)
			if (err == nil) != tt.works {
				t.Errorf("got %v (server %v)", err, saw.err)
			}
		})
	}
}

func TestApprovedProfileRefuses(t *testing.T) {
	s := certstest.Load(t, certstest.Dir(t, certs.CAPF))
	for name, tt := range map[string]struct {
		profile certs.Profile
		want    string
	}{
		"old version": {certs.Profile{FIPS: true, MinVersion: tls.VersionTLS11, CipherSuites: certs.LegacySuites()}, "TLS 1.1 is not approved by FIPS 140-3"},
		"old suites":  {certs.Profile{FIPS: true, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}, "none of the cipher suites is approved"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.ServerConfig(tt.profile, certs.CAPF); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestOfferedSignatures(t *testing.T) {
	o, err := certstest.Load(t, certstest.Dir(t, phones...)).Offer(certs.Profile{MinVersion: tls.VersionTLS13}, phones...)
	if err != nil {
		t.Fatal(err)
	}
	want := []certs.Signature{
		{Unit: certs.CallManagerECDSA, Scheme: tls.ECDSAWithP384AndSHA384},
		{Unit: certs.CallManager, Scheme: tls.PSSWithSHA256}, {Unit: certs.CallManager, Scheme: tls.PSSWithSHA384}, {Unit: certs.CallManager, Scheme: tls.PSSWithSHA512},
	}
	if diff := cmp.Diff(want, o.Signatures); diff != "" {
		t.Error(diff)
	}
}
