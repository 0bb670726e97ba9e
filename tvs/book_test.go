// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

func parseCert(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQueryByName(t *testing.T) {
	cm := readCert(t, "callmanager-rsa2048.pem")
	torture := readCert(t, "names-torture.pem")
	b := NewBook(
		Listed{Certificate: cm, Roles: []Role{TFTP}, Issuer: "the very string", Subject: "its subject"},
		Listed{Certificate: torture, Roles: []Role{AppServer}},
	)
	serial := cm.SerialNumber.Bytes()
	for name, test := range map[string]struct {
		q    Question
		want *x509.Certificate
	}{
		"CUCM":                   {Question{Issuer: "CN=ucm-a.example.test;OU=Lab;O=Example Org;L=Anytown;ST=ZZ;C=US", Serial: serial}, cm},
		"certutils":              {Question{Issuer: "CN=ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US", Serial: serial}, cm},
		"certutils before 2024":  {Question{Issuer: "CN=ucm-a.example.test;O=Example Org;OU=Lab;L=Anytown;ST=ZZ;C=US", Serial: serial}, cm},
		"lower case, blanks":     {Question{Issuer: "cn=UCM-A.example.test; ou=Lab; o=Example Org; l=Anytown; st=ZZ; c=US", Serial: serial}, cm},
		"the string of our list": {Question{Issuer: "the very string", Serial: serial}, cm},
		"the subject alone":      {Question{Subject: "its subject", Serial: serial}, cm},
		"another subject":        {Question{Subject: "CN=x", Issuer: "the very string", Serial: serial}, cm},
		"a sign byte":            {Question{Issuer: "the very string", Serial: append([]byte{0}, serial...)}, cm},
		"every escape": {Question{
			Subject: `C=NZ,O=Example\, Inc\; \"Q\" \+ \<x\> \\ = #,OU=\#lead,L=\ lead and trail\ ,2.5.4.5=PID:CP-8861 SN:FCH00000000,1.2.840.113549.1.9.1=a@example.test,CN=Zoë ucm`,
			Serial:  []byte{0x80, 0xff},
		}, torture},
		"issuer of domains": {Question{Issuer: "DC=test,DC=example,CN=Issuing CA", Serial: []byte{0x80, 0xff}}, torture},
		"another serial":    {Question{Issuer: "the very string", Serial: []byte{1}}, nil},
		"no serial":         {Question{Issuer: "the very string"}, nil},
		"another issuer":    {Question{Issuer: "CN=ucm-b.example.test", Serial: serial}, nil},
		"only a part":       {Question{Issuer: "CN=ucm-a.example.test", Serial: serial}, nil},
		"no name":           {Question{Serial: serial}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l, ok := b.Query(test.q)
			if ok != (test.want != nil) || ok && !l.Certificate.Equal(test.want) {
				t.Errorf("Query = %+v, %t", l, ok)
			}
		})
	}
}

func TestBookJoins(t *testing.T) {
	c := readCert(t, "callmanager-rsa2048.pem")
	b := NewBook(
		Listed{Certificate: c, Roles: []Role{CCMTFTP, SAST}},
		Listed{Certificate: c, Roles: []Role{SAST, TFTP}, Issuer: "old"},
		Listed{Certificate: c, Roles: []Role{SAST}, Issuer: "older"},
	)
	for _, issuer := range []string{"old", "older", QuestionFor(c).Issuer} {
		l, ok := b.Query(Question{Issuer: issuer, Serial: c.SerialNumber.Bytes()})
		if want := []Role{SAST, CCMTFTP, TFTP}; !ok || !slices.Equal(l.Roles, want) {
			t.Errorf("as %q: %v, %t; want %v", issuer, l.Roles, ok, want)
		}
	}
}

func TestPresent(t *testing.T) {
	dir := certstest.Dir(t)
	store := func(st certs.Store, name string) *x509.Certificate {
		c := certstest.NewCA(t, name).Cert()
		certstest.Trust(t, dir, st, "", c)
		return c
	}
	want := map[string][]Role{}
	note := func(c *x509.Certificate, roles ...Role) { want[string(c.Raw)] = roles }
	note(certstest.Pair(t, certs.ITLRecovery).Leaf(), SAST)
	note(certstest.Pair(t, certs.CallManagerECDSA).Leaf(), CCMTFTP)
	note(certstest.Pair(t, certs.CAPF).Leaf(), CAPF)
	note(certstest.Pair(t, certs.TVS).Leaf(), TVS)
	note(certstest.Pair(t, certs.Tomcat).Leaf(), AppServer)
	note(certstest.Pair(t, certs.TomcatECDSA).Leaf(), AppServer)
	note(store(certs.CallManagerTrust, "ccm"), CCMTFTP)
	note(store(certs.CAPFTrust, "capf"), CAPF)
	note(store(certs.TomcatTrust, "tomcat"), AppServer)
	note(store(certs.TVSTrust, "tvs"), TVS)
	note(store(certs.PhoneSASTTrust, "sast"), SAST)
	s := certstest.Load(t, dir)
	for mixed, role := range map[bool]Role{false: TFTP, true: CCMTFTP} {
		note(certstest.Pair(t, certs.CallManager).Leaf(), SAST, role)
		got := map[string][]Role{}
		for _, l := range Present(s, mixed) {
			got[string(l.Certificate.Raw)] = l.Roles
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("mixed mode %t (-want +got):\n%s", mixed, d)
		}
	}
}

func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tvs.json")
	open := func() *Memory {
		t.Helper()
		m, err := OpenMemory(path)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a := Listed{Certificate: readCert(t, "callmanager-rsa2048.pem"), Roles: []Role{SAST, TFTP}, Subject: "s", Issuer: "i"}
	b := Listed{Certificate: readCert(t, "callmanager-ec384.pem"), Roles: []Role{CCMTFTP}}
	if err := open().Remember(a, b); err != nil {
		t.Fatal(err)
	}
	m := open()
	if d := cmp.Diff([]Listed{a, b}, m.Listed()); d != "" {
		t.Errorf("(-remembered +read):\n%s", d)
	}
	before := modTime(t, path)
	if err := m.Remember(b, a); err != nil || modTime(t, path) != before {
		t.Errorf("what is known was written again: %v", err)
	}
	mixed := Listed{Certificate: a.Certificate, Roles: []Role{CCMTFTP}, Subject: "s", Issuer: "i2"}
	if err := m.Remember(mixed); err != nil {
		t.Fatal(err)
	}
	want := Listed{Certificate: a.Certificate, Roles: []Role{SAST, CCMTFTP, TFTP}, Subject: "s", Issuer: "i2"}
	if d := cmp.Diff([]Listed{b, want}, open().Listed()); d != "" {
		t.Errorf("(-remembered +read):\n%s", d)
	}
	if err := errors.Join(m.Forget(b.fingerprint()), m.Forget(b.fingerprint())); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Listed{want}, open().Listed()); d != "" {
		t.Errorf("(-remembered +read):\n%s", d)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("beside the file: %v, %v", files, err)
	}
}

func modTime(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().UnixNano()
}

func TestMemoryIsBounded(t *testing.T) {
	m, err := OpenMemory(filepath.Join(t.TempDir(), "tvs.json"))
	if err != nil {
		t.Fatal(err)
	}
	first := Listed{Certificate: certstest.NewCA(t, "first").Cert()}
	second := Listed{Certificate: certstest.NewCA(t, "second").Cert()}
	var list []Listed
	for range maxRemembered - 2 {
		list = append(list, Listed{Certificate: certstest.NewCA(t, "CA").Cert()})
	}
	for _, l := range [][]Listed{{first, second}, list, {first, {Certificate: certstest.NewCA(t, "last").Cert()}}} {
		if err := m.Remember(l...); err != nil {
			t.Fatal(err)
		}
	}
	all := m.Listed()
	if len(all) != maxRemembered || find(all, first.fingerprint()) < 0 || find(all, second.fingerprint()) >= 0 {
		t.Errorf("%d remembered, the first at %d, the second at %d", len(all), find(all, first.fingerprint()), find(all, second.fingerprint()))
	}
}

func TestMemoryFaults(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"half a file":    `[{"certificate":`,
		"no certificate": `[{"certificate":"aGVsbG8="}]`,
	} {
		path := filepath.Join(dir, "tvs.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMemory(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenMemory(dir); err == nil {
		t.Error("a folder was read as a file")
	}
	m, err := OpenMemory(filepath.Join(dir, "missing", "tvs.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Remember(Listed{Certificate: readCert(t, "callmanager-rsa2048.pem")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remember = %v", err)
	}
	if len(m.Listed()) != 0 {
		t.Error("it remembers what it could not write")
	}
}
