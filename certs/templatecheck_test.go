// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// wishes are sizes and hashes, allowed and not, and the name of the signature
// that follows.
var (
	hashes = []crypto.Hash{0, crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512}
	sizes  = []int{-1, 0, 224, 256, 384, 512, 521, 1024, 2047, 2048, 3072, 4096, 8192}
)

// wanted is the table of key sizes and hashes; empty is refused.
func wanted(u certs.Unit, size int, hash crypto.Hash) string {
	ec := u == certs.CallManagerECDSA || u == certs.TomcatECDSA
	if size == 0 {
		size = map[bool]int{true: 384, false: 2048}[ec]
	}
	if ec {
		return map[string]string{
			"256 0": "EC-256 ECDSA-SHA384", "256 SHA-256": "EC-256 ECDSA-SHA256", "256 SHA-384": "EC-256 ECDSA-SHA384", "256 SHA-512": "EC-256 ECDSA-SHA512",
			"384 0": "EC-384 ECDSA-SHA384", "384 SHA-384": "EC-384 ECDSA-SHA384", "384 SHA-512": "EC-384 ECDSA-SHA512",
			"521 0": "EC-521 ECDSA-SHA512", "521 SHA-512": "EC-521 ECDSA-SHA512",
		}[fmt.Sprint(size, " ", hashName(hash))]
	}
	if size != 2048 && size != 4096 && (size != 3072 || u == certs.CallManager || u == certs.ITLRecovery) {
		return ""
	}
	name := map[string]string{"0": "SHA256-RSA", "SHA-256": "SHA256-RSA", "SHA-384": "SHA384-RSA", "SHA-512": "SHA512-RSA"}[hashName(hash)]
	if name == "" {
		return ""
	}
	return fmt.Sprintf("RSA-%d %s", size, name)
}

func hashName(h crypto.Hash) string {
	if h == 0 {
		return "0"
	}
	return h.String()
}

func describe(pub crypto.PublicKey, a x509.SignatureAlgorithm) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d %s", k.N.BitLen(), a)
	case *ecdsa.PublicKey:
		return fmt.Sprintf("EC-%d %s", k.Curve.Params().BitSize, a)
	}
	return fmt.Sprintf("%T", pub)
}

// TestEverySizeHashAndUnit makes what is allowed, as certificate and as
// request, and sees all else refused with what is allowed, before any key is
// made.
func TestEverySizeHashAndUnit(t *testing.T) {
	keys := map[string]crypto.Signer{} // one for each kind and size: RSA-4096 takes long
	for _, u := range certs.Units() {
		for _, size := range sizes {
			for _, hash := range hashes {
				template := certs.Template{Unit: u, Host: certstest.Host, Key: certs.KeySpec{Size: size, Hash: hash}}
				want := wanted(u, size, hash)
				if want == "" {
					refused(t, template)
					continue
				}
				kind, _, _ := strings.Cut(want, " ")
				if keys[kind] == nil {
					key, err := certs.Maker{}.Key(u, template.Key)
					if err != nil {
						t.Fatal(err)
					}
					keys[kind] = key
				}
				if err := template.Check(); err != nil {
					t.Errorf("%s %d %v: %v", u, size, hash, err)
				}
				pair, err := template.SelfSigned(keys[kind])
				if err != nil {
					t.Fatalf("%s %d %v: %v", u, size, hash, err)
				}
				if got := describe(pair.Leaf().PublicKey, pair.Leaf().SignatureAlgorithm); got != want {
					t.Errorf("certificate: %s %d %v: got %s, want %s", u, size, hash, got, want)
				}
				r, err := certs.RequestFor(certs.RequestTemplate{Template: template}, keys[kind])
				if err != nil {
					t.Fatalf("%s %d %v: %v", u, size, hash, err)
				}
				if got := describe(r.CSR.PublicKey, r.CSR.SignatureAlgorithm); got != want {
					t.Errorf("request: %s %d %v: got %s, want %s", u, size, hash, got, want)
				}
			}
		}
	}
}

func refused(t *testing.T, template certs.Template) {
	t.Helper()
	m := certs.Maker{Healthy: func() error {
		t.Errorf("%+v: a key was about to be made", template)
		return errEntropy
	}}
	_, requestErr := m.Request(certs.RequestTemplate{Template: template})
	for _, err := range []error{template.Check(), requestErr} {
		notAllowed, ok := errors.AsType[*certs.NotAllowedError](err)
		if !ok || notAllowed.Unit != template.Unit || notAllowed.Allowed == "" {
			t.Errorf("%+v: got %v", template, err)
		}
	}
}

func TestTemplateCheckRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		template certs.Template
		want     string
	}{
		"no unit":       {certs.Template{Unit: "cups", Host: "ucm1"}, "allowed is CallManager, CallManager-ECDSA, tomcat,"},
		"no host":       {certs.Template{Unit: certs.Tomcat}, `the name "" is not allowed; allowed is a DNS name`},
		"bad host":      {certs.Template{Unit: certs.Tomcat, Host: "a b"}, `tomcat: the name "a b" is not allowed; allowed is a DNS name in ASCII without a wildcard, or an IP address`},
		"wildcard":      {certs.Template{Unit: certs.Tomcat, Host: "ucm1", SANs: []string{"*.example.org"}}, `the name "*.example.org" is not allowed`},
		"-EC":           {certs.Template{Unit: certs.TomcatECDSA, Host: "ucm1-EC.example.org"}, `the host "ucm1-EC.example.org" is not allowed; allowed is the server's own name`},
		"-EC-ms of RSA": {certs.Template{Unit: certs.Tomcat, Host: "ucm1-EC-ms"}, `the host "ucm1-EC-ms" is not allowed`},
		"days":          {certs.Template{Unit: certs.Tomcat, Host: "ucm1", Days: -1}, "allowed is 1 to 36500"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.template.Check()
			if _, ok := errors.AsType[*certs.NotAllowedError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	key, err := certs.Maker{}.Key(certs.TVS, certs.KeySpec{Size: 3072})
	if err != nil {
		t.Fatal(err)
	}
	template := certs.Template{Unit: certs.TVS, Host: "ucm1", Key: certs.KeySpec{Size: 3072}}
	pair, err := template.SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := certs.RequestFor(certs.RequestTemplate{Template: template}, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, advice := range [][]*certs.Fault{pair.Advice(), r.Advice()} {
		if len(advice) != 1 || !strings.Contains(advice[0].What, "3072 bits, and desk phones stop at 2048") {
			t.Errorf("got %v", advice)
		}
	}
	for _, u := range certs.Units() {
		if advice := certstest.Pair(t, u).Advice(); len(advice) > 0 {
			t.Errorf("the defaults of %s: %v", u, advice)
		}
	}
}

// TestAddressesHaveASuffixToo: an address is a host part as a whole, dots
// included.
func TestAddressesHaveASuffixToo(t *testing.T) {
	for _, host := range []string{"192.0.2.1", "2001:db8::1"} {
		pair, err := certs.Template{Unit: certs.TomcatECDSA, Host: host}.SelfSigned(certstest.Pair(t, certs.TomcatECDSA).Key)
		if err != nil {
			t.Fatal(err)
		}
		if warnings, err := pair.Check(); err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", pair.Leaf().Subject, warnings, err)
		}
	}
}
