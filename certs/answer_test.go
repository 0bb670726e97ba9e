// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

// signRequest has an authority issue what a request asks for, as change leaves
// it.
func signRequest(t *testing.T, ca certstest.Identity, csr *x509.CertificateRequest, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: csr.Subject, ExtraExtensions: csr.Extensions,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Cert(), csr.PublicKey, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, der)
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// smallAuthority is an authority with an RSA key of 1024 bits.
func smallAuthority(t *testing.T) certstest.Identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "small ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return certstest.Identity{Chain: []*x509.Certificate{parse(t, der)}, Key: key}
}

func TestAnswerInAnyOrder(t *testing.T) {
	root := certstest.NewCA(t, "root")
	middle := root.Intermediate(t, "middle")
	for _, u := range certs.Units() {
		r := request(t, u)
		leaf := signRequest(t, middle, r.CSR, unchanged)
		for _, order := range [][]*x509.Certificate{
			{leaf, middle.Cert(), root.Cert()}, {root.Cert(), middle.Cert(), leaf}, {middle.Cert(), leaf},
		} {
			p, warnings, err := certs.Answer{
				Unit: u, Bundle: certs.Bundle{Name: "file", Certificates: order},
				Keys: []crypto.Signer{certstest.Pair(t, u).Key, r.Key}, Trusted: []*x509.Certificate{root.Cert()},
			}.Pair()
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%s: %v, %v", u, warnings, err)
			}
			if diff := cmp.Diff([]string{leaf.Subject.String(), "CN=middle,O=example"}, subjects(p.Chain)); diff != "" {
				t.Errorf("%s: %s", u, diff)
			}
			if p.Unit != u || p.Key != r.Key {
				t.Errorf("%s: another key", u)
			}
		}
	}
}

func subjects(all []*x509.Certificate) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.Subject.String())
	}
	return names
}

func TestAnswerChains(t *testing.T) {
	root := certstest.NewCA(t, "root")
	middle := root.Intermediate(t, "middle")
	lower := middle.Intermediate(t, "lower")
	r := request(t, certs.TomcatECDSA)
	leaf := signRequest(t, lower, r.CSR, unchanged)
	own := certstest.Other(t, certs.TomcatECDSA).Leaf()
	stranger := certstest.NewCA(t, "stranger").Cert()
	older := signRequest(t, lower, r.CSR, func(c *x509.Certificate) { c.NotBefore = c.NotBefore.Add(-time.Hour) })
	for name, tt := range map[string]struct {
		given, trusted []*x509.Certificate
		want           int // certificates of the chain
		warning        string
	}{
		"up to the root":         {[]*x509.Certificate{leaf, lower.Cert(), middle.Cert()}, []*x509.Certificate{root.Cert()}, 3, ""},
		"issuers in the store":   {[]*x509.Certificate{leaf}, []*x509.Certificate{root.Cert(), middle.Cert(), lower.Cert()}, 2, ""},
		"up to an issuer":        {[]*x509.Certificate{leaf, lower.Cert()}, []*x509.Certificate{middle.Cert()}, 3, ""},
		"the leaf itself":        {[]*x509.Certificate{leaf}, []*x509.Certificate{leaf}, 1, ""},
		"self-signed, trusted":   {[]*x509.Certificate{own}, []*x509.Certificate{own}, 1, ""},
		"with a stranger":        {[]*x509.Certificate{stranger, leaf}, []*x509.Certificate{lower.Cert()}, 2, "holds CN=stranger,O=example, which is no part of the chain"},
		"newest of one key":      {[]*x509.Certificate{older, leaf}, []*x509.Certificate{lower.Cert()}, 2, "which is no part of the chain"},
		"each certificate twice": {[]*x509.Certificate{leaf, lower.Cert(), leaf, lower.Cert()}, []*x509.Certificate{middle.Cert()}, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, warnings, err := certs.Answer{
				Unit: certs.TomcatECDSA, Bundle: certs.Bundle{Name: "file", Certificates: tt.given},
				Keys: []crypto.Signer{r.Key}, Trusted: tt.trusted,
			}.Pair()
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Chain) != tt.want || p.Leaf().Equal(older) {
				t.Errorf("chain %q", subjects(p.Chain))
			}
			if tt.warning == "" && len(warnings) > 0 || tt.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0].What, tt.warning)) {
				t.Errorf("warnings %v, want %q", warnings, tt.warning)
			}
		})
	}
}

func TestAnswerRefusals(t *testing.T) {
	root := certstest.NewCA(t, "root")
	middle := root.Intermediate(t, "middle")
	small := smallAuthority(t)
	rsaKey, ecKey := certstest.Other(t, certs.Tomcat).Key, certstest.Other(t, certs.TomcatECDSA).Key
	smallKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	oddKey, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	// csr is what a unit would ask for, with any key.
	csr := func(u certs.Unit, key crypto.Signer) *x509.CertificateRequest {
		c := *request(t, u).CSR
		c.PublicKey = key.Public()
		return &c
	}
	issue := func(u certs.Unit, key crypto.Signer, change func(*x509.Certificate)) []*x509.Certificate {
		return []*x509.Certificate{signRequest(t, middle, csr(u, key), change), middle.Cert()}
	}
	expiredCA := root.Intermediate(t, "expired")
	expiredCA.Chain[0] = signRequest(t, root, &x509.CertificateRequest{Subject: expiredCA.Cert().Subject, PublicKey: expiredCA.Key.Public()},
		func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid, c.NotAfter = true, true, time.Now().Add(-time.Minute)
		})
	noCA := root.Intermediate(t, "no authority")
	noCA.Chain[0] = signRequest(t, root, &x509.CertificateRequest{Subject: noCA.Cert().Subject, PublicKey: noCA.Key.Public()},
		func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	trusted := []*x509.Certificate{root.Cert(), small.Cert(), noCA.Cert()}
	selfSHA1 := relabelled(t, certstest.Other(t, certs.Tomcat).Leaf())
	for name, tt := range map[string]struct {
		unit  certs.Unit
		keys  []crypto.Signer
		given []*x509.Certificate
		want  string
	}{
		"foreign key": {certs.Tomcat, []crypto.Signer{certstest.Pair(t, certs.Tomcat).Key}, issue(certs.Tomcat, rsaKey, unchanged),
			"holds no certificate of the pending request's key or of the present key of tomcat"},
		"no key at all": {certs.Tomcat, nil, issue(certs.Tomcat, rsaKey, unchanged), "holds no certificate of the pending request's key"},
		"EC for an RSA unit": {certs.Tomcat, []crypto.Signer{ecKey}, issue(certs.Tomcat, ecKey, unchanged),
			"has a key of another kind or size: EC-384"},
		"RSA for an EC unit": {certs.TomcatECDSA, []crypto.Signer{rsaKey}, issue(certs.TomcatECDSA, rsaKey, unchanged),
			"has a key of another kind or size: RSA-2048"},
		"3072 for CallManager": {certs.CallManager, []crypto.Signer{oddKey}, issue(certs.CallManager, oddKey, unchanged),
			"has a key of another kind or size: RSA-3072"},
		"RSA below 2048": {certs.Tomcat, []crypto.Signer{smallKey}, issue(certs.Tomcat, smallKey, unchanged),
			"has a key of another kind or size: RSA-1024"},
		"issuer below 2048": {certs.Tomcat, []crypto.Signer{rsaKey},
			[]*x509.Certificate{signRequest(t, small, csr(certs.Tomcat, rsaKey), unchanged)},
			"certificate 2 of the chain (CN=small ca) has an RSA key of 1024 bits"},
		"expired": {certs.Tomcat, []crypto.Signer{rsaKey},
			issue(certs.Tomcat, rsaKey, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
			"is expired since"},
		"not yet valid": {certs.Tomcat, []crypto.Signer{rsaKey},
			issue(certs.Tomcat, rsaKey, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
			"is not valid before"},
		"issuer expired": {certs.Tomcat, []crypto.Signer{rsaKey},
			[]*x509.Certificate{signRequest(t, expiredCA, csr(certs.Tomcat, rsaKey), unchanged), expiredCA.Cert()},
			"certificate 2 of the chain (CN=expired,O=example) is expired since"},
		"SHA-1 by an issuer": {certs.Tomcat, []crypto.Signer{certstest.Pair(t, certs.Tomcat).Key},
			[]*x509.Certificate{relabelled(t, certstest.CAPF(t).IssueUnit(t, certs.Tomcat).Leaf()), certstest.CAPF(t).Cert()},
			"certificate 1 is signed with SHA1-RSA"},
		"SHA-1 self-signed": {certs.Tomcat, []crypto.Signer{rsaKey}, []*x509.Certificate{selfSHA1}, "is self-signed with SHA1-RSA"},
		"issuer not there": {certs.Tomcat, []crypto.Signer{rsaKey}, issue(certs.Tomcat, rsaKey, unchanged)[:1],
			"has a chain that does not lead to a certificate in tomcat-trust: CN=middle,O=example is missing (put it there first with cfgsrv set cert import trust tomcat-trust FILE)"},
		"root not trusted": {certs.Tomcat, []crypto.Signer{rsaKey},
			func() []*x509.Certificate {
				other := certstest.NewCA(t, "other root")
				return []*x509.Certificate{signRequest(t, other, csr(certs.Tomcat, rsaKey), unchanged), other.Cert()}
			}(), "has a chain that ends at CN=other root,O=example, which is not in tomcat-trust"},
		"self-signed, not trusted": {certs.Tomcat, []crypto.Signer{rsaKey}, certstest.Other(t, certs.Tomcat).Chain,
			"has a chain that ends at CN=ucm1.example.org,OU=phones,O=cfgsrv, which is not in tomcat-trust"},
		"issuer is no authority": {certs.Tomcat, []crypto.Signer{rsaKey},
			[]*x509.Certificate{signRequest(t, noCA, csr(certs.Tomcat, rsaKey), unchanged)}, "has a chain that does not hold: "},
		"EC without -EC": {certs.TomcatECDSA, []crypto.Signer{ecKey},
			issue(certs.TomcatECDSA, ecKey, func(c *x509.Certificate) { c.Subject.CommonName = "ucm1.example.org" }),
			`has the common name "ucm1.example.org"; the host part of that of tomcat-ECDSA ends in -EC or -EC-ms`},
		"RSA with -EC": {certs.Tomcat, []crypto.Signer{rsaKey},
			issue(certs.Tomcat, rsaKey, func(c *x509.Certificate) { c.Subject.CommonName = "ucm1-EC.example.org" }),
			`has the common name "ucm1-EC.example.org"; the host part of that of tomcat does not end in -EC`},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, err := certs.Answer{Unit: tt.unit, Bundle: certs.Bundle{Name: "file", Certificates: tt.given}, Keys: tt.keys, Trusted: trusted}.Pair()
			if err == nil || p.Chain != nil {
				t.Fatal("accepted")
			}
			prefix := string(tt.unit) + ": file: "
			if !slices.ContainsFunc(certs.Faults(err), func(f *certs.Fault) bool {
				return strings.HasPrefix(f.Error(), prefix) && strings.Contains(f.Error(), tt.want)
			}) {
				t.Errorf("got %v\nwant %s%s", err, prefix, tt.want)
			}
		})
	}
}

func TestAnswerWithItsOwnKey(t *testing.T) {
	own := certstest.Other(t, certs.TomcatECDSA)
	b := certs.Bundle{Name: "file", Certificates: own.Chain, Key: own.Key}
	a := certs.Answer{Unit: certs.TomcatECDSA, Bundle: b, Keys: []crypto.Signer{certstest.Pair(t, certs.TomcatECDSA).Key}, Trusted: own.Chain}
	if p, _, err := a.Pair(); err != nil || p.Key != own.Key {
		t.Errorf("got %v", err)
	}
	// The key given counts, even if another would fit.
	a.Bundle.Key, a.Keys = certstest.Pair(t, certs.TomcatECDSA).Key, []crypto.Signer{own.Key}
	if _, _, err := a.Pair(); err == nil || !strings.Contains(err.Error(), "holds no certificate of the key given") {
		t.Errorf("got %v", err)
	}
}

func TestAnswerWarnings(t *testing.T) {
	root := certstest.NewCA(t, "root")
	large, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		key    crypto.Signer
		change func(*x509.Certificate)
		want   string
	}{
		"no OU": {certstest.Other(t, certs.Tomcat).Key, func(c *x509.Certificate) { c.Subject.OrganizationalUnit = nil },
			"has no O or no OU in its subject"},
		"not for a server": {certstest.Other(t, certs.Tomcat).Key, func(c *x509.Certificate) {
			c.ExtraExtensions, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, "is not for server authentication"},
		"large key": {large, unchanged, "has an RSA key of 3072 bits, and desk phones stop at 2048"},
	} {
		t.Run(name, func(t *testing.T) {
			csr := *request(t, certs.Tomcat).CSR
			csr.PublicKey = tt.key.Public()
			_, warnings, err := certs.Answer{
				Unit: certs.Tomcat, Keys: []crypto.Signer{tt.key}, Trusted: root.Chain,
				Bundle: certs.Bundle{Name: "file", Certificates: []*x509.Certificate{signRequest(t, root, &csr, tt.change)}},
			}.Pair()
			if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0].Error(), "tomcat: file: "+tt.want) {
				t.Errorf("got %v, %v, want %s", warnings, err, tt.want)
			}
		})
	}
}

// TestOpenSSLVerifiesTheAnswer has the other implementation verify what was
// installed of an answer to our request, below an intermediate.
func TestOpenSSLVerifiesTheAnswer(t *testing.T) {
	openssl := needOpenSSL(t)
	root := certstest.NewCA(t, "root")
	middle := root.Intermediate(t, "middle")
	for _, u := range []certs.Unit{certs.Tomcat, certs.CallManagerECDSA} {
		dir := certstest.Dir(t, u)
		r := request(t, u)
		if err := r.Save(dir); err != nil {
			t.Fatal(err)
		}
		key, err := certs.PendingKey(os.DirFS(dir), u)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := certs.Answer{
			Unit: u, Keys: []crypto.Signer{key}, Trusted: root.Chain,
			Bundle: certs.Bundle{Name: "file", Certificates: []*x509.Certificate{middle.Cert(), signRequest(t, middle, r.CSR, unchanged)}},
		}.Pair()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := certs.Install(dir, t.TempDir(), p); err != nil {
			t.Fatal(err)
		}
		if holds(t, dir, p) != 0 {
			t.Error("not installed")
		}
		if got := content(t, dir); len(got) != 2 {
			t.Errorf("%d files are left: the request was not removed", len(got))
		}
		write(t, dir, "root", certstest.CertPEM(root.Cert()), 0o644)
		file := filepath.Join(dir, string(u)+".pem")
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", filepath.Join(dir, "root"), "-untrusted", file, file).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
		if out, err = exec.Command(openssl, "x509", "-noout", "-text", "-in", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "CN = middle") {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
}
