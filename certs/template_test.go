// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

// summary is what a certificate promises, in words that a test can compare.
type summary struct {
	CN        string
	Key       string
	Algorithm x509.SignatureAlgorithm
	Days      int
	CA        bool
	PathLen   int
	Usage     x509.KeyUsage
	ExtUsage  []x509.ExtKeyUsage
	DNS       []string
}

func summarize(c *x509.Certificate) summary {
	s := summary{
		CN: c.Subject.CommonName, Algorithm: c.SignatureAlgorithm, CA: c.IsCA, PathLen: c.MaxPathLen,
		Usage: c.KeyUsage, ExtUsage: c.ExtKeyUsage, DNS: c.DNSNames,
		Days: int(time.Until(c.NotAfter).Hours()+1) / 24,
	}
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		s.Key = map[int]string{2048: "RSA-2048", 4096: "RSA-4096"}[k.N.BitLen()]
	case *ecdsa.PublicKey:
		s.Key = k.Curve.Params().Name
	}
	return s
}

func TestSelfSignedUnits(t *testing.T) {
	const (
		sign      = x509.KeyUsageDigitalSignature
		encipher  = x509.KeyUsageKeyEncipherment
		certSign  = x509.KeyUsageCertSign
		shortName = "ucm1.example.org"
	)
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	dns := []string{shortName}
	rsaServer := summary{shortName, "RSA-2048", x509.SHA256WithRSA, 1825, false, -1, sign | encipher, both, dns}
	ecServer := summary{"ucm1-EC.example.org", "P-384", x509.ECDSAWithSHA384, 1825, false, -1, sign, both, dns}
	for unit, want := range map[certs.Unit]summary{
		certs.CallManager:      rsaServer,
		certs.Tomcat:           rsaServer,
		certs.TVS:              rsaServer,
		certs.CallManagerECDSA: ecServer,
		certs.TomcatECDSA:      ecServer,
		certs.CAPF:             {"", "RSA-2048", x509.SHA256WithRSA, 1825, true, 0, sign | certSign, nil, dns},
		certs.ITLRecovery:      {"ITLRECOVERY_ucm1.example.org", "RSA-2048", x509.SHA256WithRSA, 7300, false, -1, sign, nil, dns},
	} {
		t.Run(string(unit), func(t *testing.T) {
			p := certstest.Pair(t, unit)
			got := summarize(p.Leaf())
			if unit == certs.CAPF {
				if !regexp.MustCompile(`^CAPF-[0-9a-f]{8}$`).MatchString(got.CN) {
					t.Errorf("common name %q", got.CN)
				}
				got.CN = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if warnings, err := p.Check(); err != nil || len(warnings) > 0 {
				t.Errorf("checking what was made: %v, %v", warnings, err)
			}
			leaf := p.Leaf()
			if o, ou := leaf.Subject.Organization, leaf.Subject.OrganizationalUnit; len(o) != 1 || len(ou) != 1 {
				t.Errorf("O %q, OU %q", o, ou)
			}
			if leaf.SerialNumber.Sign() <= 0 || leaf.SerialNumber.BitLen() != 128 {
				t.Errorf("serial %x", leaf.SerialNumber)
			}
			if ago := time.Since(leaf.NotBefore); ago < 30*time.Minute || ago > 2*time.Hour {
				t.Errorf("valid since %s", leaf.NotBefore)
			}
		})
	}
}

func TestTemplateFields(t *testing.T) {
	key := certstest.Pair(t, certs.TomcatECDSA).Key
	p, err := certs.Template{
		Unit: certs.TomcatECDSA, Host: "2001:db8::1", SANs: []string{"ucm1.example.org.", "192.0.2.1"},
		Organization: "Example", OrganizationalUnit: "Voice", Days: 10,
		Key: certs.KeySpec{Hash: crypto.SHA512},
	}.SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := p.Leaf()
	if got, want := leaf.Subject.String(), "CN=2001:db8::1-EC,OU=Voice,O=Example"; got != want {
		t.Errorf("subject %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{"ucm1.example.org"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]net.IP{net.ParseIP("2001:db8::1"), net.IPv4(192, 0, 2, 1).To4()}, leaf.IPAddresses); diff != "" {
		t.Error(diff)
	}
	if leaf.SignatureAlgorithm != x509.ECDSAWithSHA512 {
		t.Errorf("signed with %s", leaf.SignatureAlgorithm)
	}
	if got := summarize(leaf).Days; got != 10 {
		t.Errorf("valid for %d days", got)
	}
}

func TestTemplateRefuses(t *testing.T) {
	ok := certs.Template{Unit: certs.TomcatECDSA, Host: "ucm1"}
	ecKey := certstest.Pair(t, certs.TomcatECDSA).Key
	for name, tt := range map[string]struct {
		change func(*certs.Template)
		want   string
	}{
		"no unit":           {func(t *certs.Template) { t.Unit = "cups" }, `"cups" is not a unit`},
		"no host":           {func(t *certs.Template) { t.Host = "" }, "neither a host name nor an address"},
		"bad host":          {func(t *certs.Template) { t.Host = "-ucm1" }, "neither a host name nor an address"},
		"bad name":          {func(t *certs.Template) { t.SANs = []string{"*.example.org"} }, "neither a host name nor an address"},
		"key of a size":     {func(t *certs.Template) { t.Key.Size = 521 }, "the key is EC-384, wanted is EC-521"},
		"key of a kind":     {func(t *certs.Template) { t.Unit = certs.Tomcat }, "the key is EC-384, wanted is RSA-2048"},
		"hash":              {func(t *certs.Template) { t.Key.Hash = crypto.SHA256 }, "allowed is SHA-384, SHA-512"},
		"negative days":     {func(t *certs.Template) { t.Days = -1 }, "validity of -1 days"},
		"too many days":     {func(t *certs.Template) { t.Days = 1 << 30 }, "allowed is 1 to"},
		"long organization": {func(t *certs.Template) { t.Organization = strings.Repeat("x", 65) }, "up to 64 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			template := ok
			tt.change(&template)
			if _, err := template.SelfSigned(ecKey); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestCommonName(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	for _, tt := range []struct {
		name string
		unit certs.Unit
		host string
		want string
	}{
		{"short", certs.TomcatECDSA, "ucm1", "ucm1-EC"},
		{"full", certs.TomcatECDSA, "ucm1.example.org", "ucm1-EC.example.org"},
		{"final dot", certs.Tomcat, "ucm1.example.org.", "ucm1.example.org"},
		{"address", certs.TomcatECDSA, "192.0.2.1", "192.0.2.1-EC"},
		{"mapped address", certs.Tomcat, "::ffff:192.0.2.1", "192.0.2.1"},
		{"address of ITLRecovery", certs.ITLRecovery, "192.0.2.1", "ITLRECOVERY_192.0.2.1"},
		{"domain left out", certs.Tomcat, "ucm1." + label63, "ucm1"},
		{"domain left out, EC", certs.TomcatECDSA, "ucm1." + label63, "ucm1-EC"},
		{"label fits", certs.Tomcat, label63, label63},
		{"label cut", certs.TomcatECDSA, label63 + ".example.org", label63[:61] + "-EC"},
		{"label cut for ITLRecovery", certs.ITLRecovery, label63, "ITLRECOVERY_" + label63[:52]},
		{"no hyphen before the cut", certs.TomcatECDSA, strings.Repeat("a", 60) + "-bb", strings.Repeat("a", 60) + "-EC"},
		{"64 fit", certs.TomcatECDSA, strings.Repeat("a", 61), strings.Repeat("a", 61) + "-EC"},
		{"no host", certs.Tomcat, "", ""},
		{"empty label", certs.Tomcat, "a..b", ""},
		{"not ASCII", certs.Tomcat, "bücher.example", ""},
		{"long label", certs.Tomcat, label63 + "a", ""},
		{"long name", certs.Tomcat, strings.Repeat("abc.", 64) + "a", ""},
		{"zone", certs.Tomcat, "fe80::1%eth0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := certs.CommonName(tt.unit, tt.host)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
			if len(got) > 64 {
				t.Errorf("%d characters", len(got))
			}
		})
	}
}

// TestOpenSSLReadsWhatWeMake has the other implementation verify each unit as
// what it is for.
func TestOpenSSLReadsWhatWeMake(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := certstest.Dir(t)
	for _, u := range certs.Units() {
		purpose := "sslserver"
		if u == certs.ITLRecovery || u == certs.CAPF {
			purpose = "any"
		}
		file := filepath.Join(dir, string(u)+".pem")
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-partial_chain", "-purpose", purpose, "-CAfile", file, file).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
		out, err = exec.Command(openssl, "pkey", "-noout", "-check", "-in", filepath.Join(dir, string(u)+".key")).CombinedOutput()
		if err != nil {
			t.Errorf("key of %s: %v\n%s", u, err, out)
		}
	}
}

func TestDeviceOfOurCAPFVerifies(t *testing.T) {
	snapshot := certstest.Load(t, certstest.Dir(t, certs.CAPF))
	pair, _ := snapshot.Pair(certs.CAPF)
	pool := snapshot.Pool(certs.CAPFTrust)
	device := certstest.CAPF(t).Issue(t, certstest.Device{CN: "SEP001122334455", Key: certstest.P384})
	opts := x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := device.Cert().Verify(opts); err == nil {
		t.Error("verified without our CAPF in the pool")
	}
	pool.AddCert(pair.Leaf())
	if _, err := device.Cert().Verify(opts); err != nil {
		t.Error(err)
	}
}
