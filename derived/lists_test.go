// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/configfiles"
	"cfgsrv/trustlist"
)

// summary is what a list says: its signer, then each record.
func summary(t *testing.T, c *certs.Snapshot, list []byte) []string {
	t.Helper()
	if list == nil {
		return nil
	}
	unitOf := func(der []byte) string {
		for _, u := range c.Units() {
			if p, _ := c.Pair(u); bytes.Equal(p.Leaf().Raw, der) {
				return string(u)
			}
		}
		return "nobody"
	}
	l := parseList(t, list)
	signer, _ := l.Find(l.SignedBy(), trustlist.SAST)
	lines := []string{"signed by " + unitOf(signer.DER())}
	for _, r := range l.Records() {
		line := fmt.Sprint(r.Role(), " ", unitOf(r.DER()))
		if r.Host() != certstest.Host {
			line += " of host " + r.Host()
		}
		lines = append(lines, line)
	}
	return lines
}

func TestLists(t *testing.T) {
	version10, version11 := trustlist.Version{Major: 1, Minor: 0}, trustlist.Version{Major: 1, Minor: 1}
	withoutTFTP := []string{"SAST ITLRecovery", "SAST CallManager"}
	nonSecure := append(withoutTFTP[:2:2], "TFTP CallManager", "CCM+TFTP CallManager-ECDSA", "CAPF CAPF", "TVS TVS", "APP-SERVER tomcat")
	mixed := append(withoutTFTP[:2:2], "CCM+TFTP CallManager", "CCM+TFTP CallManager-ECDSA", "CAPF CAPF", "TVS TVS", "APP-SERVER tomcat")
	ctl := append(withoutTFTP[:2:2], "CCM+TFTP CallManager", "CCM+TFTP CallManager-ECDSA", "CAPF CAPF")
	signedBy := func(u string, records ...string) []string { return append([]string{"signed by " + u}, records...) }
	for _, test := range []struct {
		name     string
		lists    Lists
		offline  bool // the key of ITLRecovery
		itl, ctl []string
	}{
		{"non-secure", Lists{SignerVersion: version11}, false, signedBy("ITLRecovery", nonSecure...), nil},
		{"mixed", Lists{SignerVersion: version11, Mixed: true}, false, signedBy("ITLRecovery", mixed...), signedBy("ITLRecovery", ctl...)},
		{"signer version 1.0", Lists{SignerVersion: version10, Mixed: true}, false,
			signedBy("ITLRecovery", "SAST ITLRecovery", "SAST CallManager", "CCM+TFTP CallManager", "CAPF CAPF", "TVS TVS", "APP-SERVER tomcat"),
			signedBy("ITLRecovery", "SAST ITLRecovery", "SAST CallManager", "CCM+TFTP CallManager", "CAPF CAPF")},
		{"ITLRecovery offline", Lists{SignerVersion: version11, Mixed: true}, true, signedBy("CallManager", mixed...), signedBy("CallManager", ctl...)},
		{"ITL reset", Lists{SignerVersion: version11, Mixed: true, ITLByCallManager: true}, false, signedBy("CallManager", mixed...), signedBy("ITLRecovery", ctl...)},
		{"CTL reset", Lists{SignerVersion: version11, Mixed: true, CTLByCallManager: true}, false, signedBy("ITLRecovery", mixed...), signedBy("CallManager", ctl...)},
		{"emptied", Lists{SignerVersion: version11, Mixed: true, Emptied: true}, false,
			signedBy("ITLRecovery", "SAST ITLRecovery", "SAST CallManager", "CCM+TFTP nobody", "CCM+TFTP nobody", "CAPF CAPF", "TVS nobody", "APP-SERVER tomcat"),
			signedBy("ITLRecovery", ctl...)},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := certstest.Dir(t)
			if test.offline {
				if err := os.Remove(filepath.Join(dir, "ITLRecovery.key")); err != nil {
					t.Fatal(err)
				}
			}
			conf := testConfig(t, dir)
			test.lists.Host = certstest.Host
			conf.Lists = test.lists
			s, err := New(conf)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.itl, summary(t, conf.Certs, s.List(trustlist.ITL))); diff != "" {
				t.Errorf("ITL (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.ctl, summary(t, conf.Certs, s.List(trustlist.CTL))); diff != "" {
				t.Errorf("CTL (-want +got):\n%s", diff)
			}
			for _, k := range []trustlist.Kind{trustlist.ITL, trustlist.CTL} {
				if s.List(k) == nil {
					continue
				}
				l := parseList(t, s.List(k))
				if l.FileName() != k.FileName() || l.SignerVersion() != test.lists.SignerVersion || !l.Time().Equal(conf.Time) || l.Digest() != crypto.SHA1 {
					t.Errorf("%s: %s, signer version %s, %s, %s", k, l.FileName(), l.SignerVersion(), l.Time(), l.Digest())
				}
			}
		})
	}
}

// Where there is no CTL a phone is told so at once, and the log hears why.
func TestNoCTLInANonSecureCluster(t *testing.T) {
	s := newSite(t, nil, nil)
	for _, name := range []string{"CTLFile.tlv", "CTL" + string(open) + ".tlv"} {
		if got := s.ask(name, overTFTP); got != "not found" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Certificates of Phone-SAST-trust serve TVS alone.
func TestPhoneSASTTrustJoinsNoList(t *testing.T) {
	dir := certstest.Dir(t)
	other := certstest.Other(t, certs.ITLRecovery).Leaf()
	certstest.Trust(t, dir, certs.PhoneSASTTrust, "other", other)
	conf := testConfig(t, dir)
	conf.Lists.Mixed = true
	s, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(conf.Certs.Trusted(certs.PhoneSASTTrust)) != 1 {
		t.Fatal("the certificate is not in the store")
	}
	for _, k := range []trustlist.Kind{trustlist.ITL, trustlist.CTL} {
		if bytes.Contains(s.List(k), other.Raw) {
			t.Errorf("the %s holds it", k)
		}
	}
}

// oversized is a pair of CallManager with a certificate of some 30,000 bytes.
func oversized(t *testing.T) certs.Pair {
	t.Helper()
	template := certs.Template{Unit: certs.CallManager, Host: certstest.Host}
	for i := range 500 {
		template.SANs = append(template.SANs, fmt.Sprintf("host-%03d.%s.example.org", i, strings.Repeat("x", 45)))
	}
	p, err := template.SelfSigned(certstest.Pair(t, certs.CallManager).Key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestListOver64KiB(t *testing.T) {
	dir := certstest.Dir(t)
	certstest.Write(t, dir, oversized(t))
	_, err := New(testConfig(t, dir))
	if err == nil || !strings.HasPrefix(err.Error(), "building the ITL: the list would have ") || !strings.Contains(err.Error(), "remove ") {
		t.Errorf("got %v", err)
	}
}

// The chain of a unit is for TLS; no list holds it, however long it is.
func TestChainsDoNotCount(t *testing.T) {
	dir := certstest.Dir(t)
	authority := certstest.NewCA(t, "root")
	for i := range 14 {
		authority = authority.Intermediate(t, fmt.Sprintf("%02d%s", i, strings.Repeat("i", 3000)))
	}
	certstest.Write(t, dir, authority.IssueUnit(t, certs.CallManager))
	conf := testConfig(t, dir)
	s, err := New(conf)
	if err != nil {
		t.Fatal(err)
	}
	p := pair(t, conf.Certs, certs.CallManager)
	if size := len(certstest.CertPEM(p.Chain...)); size < trustlist.MaxSize {
		t.Fatalf("the chain has only %d bytes", size)
	}
	list := s.List(trustlist.ITL)
	if !bytes.Contains(list, p.Leaf().Raw) || bytes.Contains(list, p.Chain[1].Raw) {
		t.Error("the list is to hold the unit's own certificate and no other of its chain")
	}
}

func TestNewTellsWhatIsMissing(t *testing.T) {
	_, err := New(testConfig(t, certstest.Dir(t, certs.Tomcat)))
	if err == nil || err.Error() != "signing files: there is no certificate of CallManager" {
		t.Errorf("got %v", err)
	}
}

func TestFileSignatureAlgorithm(t *testing.T) {
	s := newSite(t, map[string]string{"a.xml": "a", keyed.Master(): master(keyed, true)}, func(c *Config) { c.Digest = crypto.SHA512 })
	for name, want := range map[string]string{
		"a.xml.sgn":                 "signed a",
		keyed.Master() + ".enc.sgn": "encrypted for " + string(keyed) + " " + master(keyed, true),
	} {
		if got := s.ask(name, overTFTP); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if l := parseList(t, s.List(trustlist.ITL)); l.Digest() != crypto.SHA512 {
		t.Errorf("the ITL is signed with %s", l.Digest())
	}
}

// The phone finds the signer of its files in the list by the names in their
// headers, and its key there is the one that signed.
func TestSignerOfFilesIsInTheList(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		s := newSite(t, map[string]string{"a.xml": "a"}, func(c *Config) { c.Lists.Mixed = mixed })
		b, err := s.get("a.xml.sgn", overTFTP)
		if err != nil {
			t.Fatal(err)
		}
		f := parseSigned(t, b)
		r, ok := parseList(t, s.List(trustlist.ITL)).Find(f.SignedBy(), trustlist.TFTP, trustlist.CCMTFTP)
		if !ok {
			t.Fatalf("%s is not in the list", f.SignedBy())
		}
		cert, err := r.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Verify(cert); err != nil {
			t.Error(err)
		}
		if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
			t.Errorf("its key is %T", cert.PublicKey)
		}
	}
}

// What the guard did not decide on is not ours.
func TestPlainIsNotOurs(t *testing.T) {
	s := newSite(t, map[string]string{"a.xml": "a"}, nil)
	req := request(t, "a.xml", overTFTP)
	req.As, req.Path = configfiles.Plain, "a.xml"
	if f, err := s.Open(t.Context(), req); f != nil || err == nil {
		t.Errorf("got %v, %v", f, err)
	}
}
