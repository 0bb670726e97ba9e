// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// openSSLSuites are the suites of TLS 1.2 that this openssl can ask for, by the
// names of our own; the last three nobody is to get.
var openSSLSuites = []struct{ ours, theirs string }{
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
	{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
	{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
	{"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
	{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"},
	{"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"},
}

// offered is what openssl was given: the suites of TLS 1.2 and, by version and
// signature, the kinds of certificates.
type offered struct {
	Suites12 []string
	Keys12   []string
	Keys13   []string
}

func sClient(t *testing.T, addr string, args ...string) (string, bool) {
	t.Helper()
	out, err := tool(t, "openssl", append([]string{"s_client", "-connect", addr}, args...)...)
	return out, err == nil && !strings.Contains(out, "Cipher is (NONE)")
}

// probe asks a listener for its suites, each time without those it has given
// before, and for each kind of certificate alone.
func probe(t *testing.T, addr string) offered {
	t.Helper()
	var o offered
	left := slices.Clone(openSSLSuites)
	for len(left) > 0 {
		var names []string
		for _, s := range left {
			names = append(names, s.theirs)
		}
		out, ok := sClient(t, addr, "-tls1_2", "-cipher", strings.Join(names, ":"))
		if !ok {
			break
		}
		_, rest, _ := strings.Cut(out, "Cipher is ")
		given, _, _ := strings.Cut(rest, "\n")
		i := slices.Index(names, given)
		if i < 0 {
			t.Fatalf("asked for %v, got %q", names, given)
		}
		o.Suites12 = append(o.Suites12, left[i].ours)
		left = slices.Delete(left, i, i+1)
	}
	for _, kind := range []struct{ name, sigalgs12, sigalgs13 string }{
		{"EC", "ECDSA+SHA256:ECDSA+SHA384", "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512"},
		{"RSA", "RSA+SHA256", "RSA-PSS+SHA256"},
	} {
		for version, list := range map[string]struct {
			keys    *[]string
			sigalgs string
		}{"-tls1_2": {&o.Keys12, kind.sigalgs12}, "-tls1_3": {&o.Keys13, kind.sigalgs13}} {
			out, ok := sClient(t, addr, version, "-sigalgs", list.sigalgs)
			if ok {
				*list.keys = append(*list.keys, publicKey(t, out))
			}
			if ok && publicKey(t, out) != kind.name {
				t.Errorf("asked for %s alone, got\n%s", kind.name, out)
			}
		}
	}
	return o
}

// publicKey is the kind of the key of the server's certificate: all our EC keys
// here have 384 bits.
func publicKey(t *testing.T, out string) string {
	t.Helper()
	switch {
	case strings.Contains(out, "Server public key is 384 bit"):
		return "EC"
	case strings.Contains(out, "Server public key is 2048 bit"):
		return "RSA"
	}
	t.Fatalf("no public key in\n%s", out)
	return ""
}

// TestTLSParameters has openssl see what each value of https_ciphers and
// min_version offers, and compares it with what show tls says.
func TestTLSParameters(t *testing.T) {
	t.Parallel()
	n := startInstance(t)
	suites := func(part string) []string {
		var all []string
		for _, s := range openSSLSuites[:10] {
			if strings.Contains(s.ours, part) {
				all = append(all, s.ours)
			}
		}
		return all
	}
	both, ec, rsa := []string{"EC", "RSA"}, []string{"EC"}, []string{"RSA"}
	for i, tt := range []struct {
		name, settings string
		phones, jabber offered
	}{
		{"RSA Ciphers Only", `https_ciphers = "RSA Ciphers Only"`,
			offered{suites("_RSA_"), rsa, rsa}, offered{suites("_RSA_"), rsa, rsa}},
		{"EC Ciphers Only", `https_ciphers = "EC Ciphers Only"`,
			offered{suites("_ECDSA_"), ec, ec}, offered{suites("_ECDSA_"), ec, ec}},
		{"All", `https_ciphers = "All Supported EC and RSA Ciphers"`,
			offered{suites(""), both, both}, offered{suites(""), both, both}},
		{"All, 1.3", `min_version = "1.3"`,
			offered{nil, nil, both}, offered{nil, nil, both}},
		{"RSA, 1.3", "min_version = \"1.3\"\nhttps_ciphers = \"RSA Ciphers Only\"",
			offered{nil, nil, rsa}, offered{nil, nil, rsa}},
		{"EC, 1.3", "min_version = \"1.3\"\nhttps_ciphers = \"EC Ciphers Only\"",
			offered{nil, nil, ec}, offered{nil, nil, ec}},
		{"each listener its own", "min_version = \"1.2\"\n[tls.phones]\nhttps_ciphers = \"EC Ciphers Only\"\n[tls.jabber]\nhttps_ciphers = \"RSA Ciphers Only\"",
			offered{suites("_ECDSA_"), ec, ec}, offered{suites("_RSA_"), rsa, rsa}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.configure("[tls]\n" + tt.settings + "\n")
			for _, l := range []string{"phones", "jabber"} {
				n.waitLog("msg", "listener restarted", "listener", l, "gen", fmt.Sprint(i+2))
			}
			for listener, want := range map[string]offered{"phones": tt.phones, "jabber": tt.jabber} {
				if diff := cmp.Diff(want, probe(t, n.addr(listener)), sorted); diff != "" {
					t.Errorf("%s: %s", listener, diff)
				}
				checkShown(t, n, listener, want)
			}
		})
	}
}

// sorted compares sets: openssl puts ChaCha20 in front, or not, by its hardware.
var sorted = cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })

// checkShown compares show tls with what openssl is given.
func checkShown(t *testing.T, n *instance, listener string, want offered) {
	t.Helper()
	var v listenerTLSView
	if err := json.Unmarshal([]byte(n.must("show", "tls", listener, "--json")), &v); err != nil {
		t.Fatal(err)
	}
	shown := slices.DeleteFunc(slices.Clone(v.Suites), func(s string) bool { return !strings.Contains(s, "_WITH_") })
	if diff := cmp.Diff(want.Suites12, shown, sorted); diff != "" {
		t.Errorf("show tls %s: %s", listener, diff)
	}
	if got := len(v.Certificates); got != len(want.Keys13) {
		t.Errorf("show tls %s has certificates %v", listener, v.Certificates)
	}
	if got := slices.Contains(v.Versions, "TLS 1.2"); got != (want.Keys12 != nil) {
		t.Errorf("show tls %s has versions %v", listener, v.Versions)
	}
}

// TestCertificatePreference has openssl put RSA first.
func TestCertificatePreference(t *testing.T) {
	n := startInstance(t)
	chosen := func() string {
		out, _ := sClient(t, n.addr("phones"), "-tls1_3", "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA384")
		return publicKey(t, out)
	}
	if got := chosen(); got != "EC" {
		t.Errorf("by our order %s", got)
	}
	n.configure("[tls]\ntls13_certificate_preference = \"" + preferClientOrder + "\"\n")
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	if got := chosen(); got != "RSA" {
		t.Errorf("by the client's order %s", got)
	}
}

func TestTLSCiphersAreThoseOfTheGuide(t *testing.T) {
	const rsa256, ecdsa256 = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"
	const rsa128, ecdsa128 = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
	for name, want := range map[string][]string{
		"Strongest- AES-256 SHA-384 only: RSA Preferred":   {rsa256, ecdsa256},
		"Strongest- AES-256 SHA-384 only: ECDSA Preferred": {ecdsa256, rsa256},
		"Medium- AES-256 AES-128 only: RSA Preferred":      {rsa256, ecdsa256, rsa128, ecdsa128},
		"Medium- AES-256 AES-128 only: ECDSA Preferred":    {ecdsa256, rsa256, ecdsa128, rsa128},
		"All Ciphers, RSA Preferred":                       {rsa256, ecdsa256, rsa128, ecdsa128, "AES128-SHA"},
		"All Ciphers, ECDSA Preferred":                     {ecdsa256, rsa256, ecdsa128, rsa128, "AES128-SHA"},
	} {
		i := slices.IndexFunc(tlsCiphers, func(c tlsCipherChoice) bool { return c.name == name })
		if i < 0 {
			t.Errorf("there is no %q", name)
			continue
		}
		var got []string
		for _, s := range tlsCiphers[i].suites {
			j := slices.IndexFunc(openSSLSuites, func(o struct{ ours, theirs string }) bool { return o.ours == s })
			got = append(got, openSSLSuites[j].theirs)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		approved := slices.DeleteFunc(slices.Clone(tlsCiphers[i].suites), func(s string) bool { return s == "TLS_RSA_WITH_AES_128_CBC_SHA" })
		if diff := cmp.Diff(approved, tlsCiphers[i].offered(true)); diff != "" {
			t.Errorf("%s in FIPS mode: %s", name, diff)
		}
	}
}

func TestGetExplains(t *testing.T) {
	n := newInstance(t)
	cert, key := withPhones(t, n)
	n.start()
	for _, tt := range []struct {
		name, settings string
		args           []string
		want           []string
	}{
		{"both kinds", "", []string{"--transport", "phones"}, []string{"TLS 1.3", "(EC-384)", "An EC certificate: ", "there was none to give"}},
		{"with an LSC", "", []string{"--transport", "phones", "--cert", cert, "--key", key}, []string{"was given it"}},
		{"RSA alone", `https_ciphers = "RSA Ciphers Only"`, []string{"--transport", "jabber"}, []string{"(RSA-2048)", "An RSA certificate, though "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.settings != "" {
				n.configure("[tls]\n" + tt.settings + "\n")
				n.waitLog("msg", "listener restarted", "listener", "jabber", "gen", "2")
			}
			out := n.must(append([]string{"get", "--explain", "--timeout", "15s", "--server", n.addr(tt.args[1])}, tt.args...)...)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
	n.refused("exit status 2", "get", "--explain", "--transport", "http")
	n.refused("exit status 2", "get", "--explain", "--transport", "phones", "x.xml")
}

// TestServerExplainsAsItServes asks the running server about a recorded client.
func TestServerExplainsAsItServes(t *testing.T) {
	n := startInstance(t)
	explain := func() explainView {
		t.Helper()
		var v explainView
		if err := json.Unmarshal([]byte(n.must("show", "tls", "explain", "--client", "testdata/hello-p256.hex", "--json")), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := explain(); v.Certificate != "CallManager" || v.Version != "TLS 1.2" || v.Group != "P-256" || v.Suite != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" {
		t.Errorf("got %+v", v)
	}
	n.configure("[tls]\nhttps_ciphers = \"EC Ciphers Only\"\n")
	n.waitLog("msg", "listener restarted", "listener", "phones", "gen", "2")
	if v := explain(); v.Certificate != "" || !strings.HasPrefix(v.Why[len(v.Why)-1], "No connection: ") {
		t.Errorf("got %+v", v)
	}
	n.refused("exit status 2", "show", "tls", "explain", "--client", "testdata/hello-p256.hex", "--listener", "tftp")
}
