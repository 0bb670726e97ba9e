// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name string, data []byte, mode os.FileMode) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// leafFor makes a self-signed certificate of any kind for the key.
func leafFor(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "ucm1-EC", Organization: []string{"o"}, OrganizationalUnit: []string{"ou"}},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func unchanged(*x509.Certificate) {}

// relabelled turns the SHA-256 of a certificate's signature into SHA-1, as far
// as a parser sees: Go does not sign with SHA-1 any more.
func relabelled(t *testing.T, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	// sha256WithRSAEncryption and sha1WithRSAEncryption of RFC 8017, A.2.4.
	sha256 := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}
	sha1 := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05}
	weak, err := x509.ParseCertificate(bytes.ReplaceAll(c.Raw, sha256, sha1))
	if err != nil {
		t.Fatal(err)
	}
	return weak
}

func TestLoadFaults(t *testing.T) {
	rsaPair := certstest.Pair(t, certs.Tomcat)
	ecPair := certstest.Pair(t, certs.TomcatECDSA)
	rsaKey, ecKey := certstest.KeyPEM(t, rsaPair.Key), certstest.KeyPEM(t, ecPair.Key)
	rsaCert, ecCert := certstest.CertPEM(rsaPair.Leaf()), certstest.CertPEM(ecPair.Leaf())
	ca := certstest.NewCA(t, "ca")
	issued := ca.Intermediate(t, "intermediate").IssueUnit(t, certs.Tomcat)
	put := func(unit string, cert, key []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(t, dir, unit+".pem", cert, 0o644)
			write(t, dir, unit+".key", key, 0o600)
		}
	}
	file := func(name string, data []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, dir, name, data, 0o600) }
	}
	for name, tt := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string // of one line; all of the line before the advice in brackets
	}{
		"certificate alone": {file("tomcat.pem", rsaCert), "tomcat: tomcat.key: is missing"},
		"key alone":         {file("tomcat.key", rsaKey), "tomcat: tomcat.pem: is missing"},
		"not PEM":           {put("tomcat", []byte("hello\n"), rsaKey), "tomcat: tomcat.pem: is not PEM"},
		"DER":               {put("tomcat", rsaPair.Leaf().Raw, rsaKey), "tomcat: tomcat.pem: is DER, not PEM"},
		"empty":             {put("tomcat", nil, rsaKey), "tomcat: tomcat.pem: is empty"},
		"mark only":         {put("tomcat", []byte("\xef\xbb\xbf"), rsaKey), "tomcat: tomcat.pem: is empty"},
		"cut short": {put("tomcat", rsaCert[:len(rsaCert)-30], rsaKey),
			"tomcat: tomcat.pem: line 1: a PEM block begins that does not end or is not base64"},
		"damaged second": {put("tomcat", append(bytes.Clone(rsaCert), bytes.Replace(rsaCert, []byte("MII"), []byte("M!I"), 1)...), rsaKey),
			"tomcat: tomcat.pem: line 22: a PEM block begins that does not end or is not base64"},
		"broken DER": {put("tomcat", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 1, 2}}), rsaKey),
			"tomcat: tomcat.pem: line 1: a certificate is broken: x509: malformed tbs certificate"},
		"key in certificate file": {put("tomcat", append(bytes.Clone(rsaCert), rsaKey...), rsaKey),
			"tomcat: tomcat.pem: line 22: holds a PRIVATE KEY"},
		"certificate in key file": {put("tomcat", rsaCert, append(bytes.Clone(rsaKey), rsaCert...)),
			"tomcat: tomcat.key: holds 2 PEM blocks where one key belongs"},
		"request as key": {put("tomcat", rsaCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{0}})),
			"tomcat: tomcat.key: line 1: holds a CERTIFICATE REQUEST, not a private key"},
		"broken key": {put("tomcat", rsaCert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0}})),
			"tomcat: tomcat.key: line 1: the key is broken: asn1: syntax error: sequence truncated"},
		"encrypted key": {put("tomcat", rsaCert, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{0}})),
			"tomcat: tomcat.key: line 1: the key is protected by a passphrase"},
		"old encrypted key": {put("tomcat", rsaCert, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES"}, Bytes: []byte{0}})),
			"tomcat: tomcat.key: line 1: the key is protected by a passphrase"},
		"key that cannot sign": {put("tomcat", rsaCert, x25519Key(t)), "tomcat: tomcat.key: line 1: the key cannot sign"},
		"foreign key": {put("tomcat", rsaCert, certstest.KeyPEM(t, certstest.Pair(t, certs.TVS).Key)),
			"tomcat: tomcat.key: does not belong to the certificate in tomcat.pem"},
		"EC for RSA": {put("TVS", ecCert, ecKey), "TVS: TVS.pem: has a key of another kind or size: EC-384"},
		"RSA for EC": {put("tomcat-ECDSA", rsaCert, rsaKey), "tomcat-ECDSA: tomcat-ECDSA.pem: has a key of another kind or size: RSA-2048"},
		"Ed25519": {func(t *testing.T, dir string) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			put("tomcat-ECDSA", certstest.CertPEM(leafFor(t, key, unchanged)), certstest.KeyPEM(t, key))(t, dir)
		}, "tomcat-ECDSA: tomcat-ECDSA.pem: has a key of another kind or size: ed25519.PublicKey"},
		"3072 for lists": {func(t *testing.T, dir string) {
			key, err := rsa.GenerateKey(rand.Reader, 3072)
			if err != nil {
				t.Fatal(err)
			}
			put("CallManager", certstest.CertPEM(leafFor(t, key, unchanged)), certstest.KeyPEM(t, key))(t, dir)
		}, "CallManager: CallManager.pem: has a key of another kind or size: RSA-3072"},
		"chain in reverse": {put("tomcat", certstest.CertPEM(issued.Chain[1], issued.Chain[0]), rsaKey),
			"tomcat: tomcat.pem: is out of order: the certificate of the key in tomcat.key is number 2 in it"},
		"chain with a hole": {put("tomcat", certstest.CertPEM(issued.Chain[0], ca.Cert()), rsaKey),
			"tomcat: tomcat.pem: is out of order: certificate 1 ("},
		"chain with a namesake": {put("tomcat", certstest.CertPEM(issued.Chain[0], certstest.NewCA(t, "intermediate").Cert()), rsaKey),
			"tomcat: tomcat.pem: is out of order: certificate 1 ("},
		"long chain": {put("tomcat", bytes.Repeat(rsaCert, 17), rsaKey), "tomcat: tomcat.pem: holds 17 certificates, more than 16"},
		"SHA-1 by an authority": {func(t *testing.T, dir string) {
			capf := certstest.CAPF(t)
			weak := relabelled(t, capf.IssueUnit(t, certs.Tomcat).Leaf())
			put("tomcat", certstest.CertPEM(weak), rsaKey)(t, dir)
		}, "tomcat: tomcat.pem: certificate 1 is signed with SHA1-RSA"},
		"large file":    {put("tomcat", make([]byte, 300<<10), rsaKey), "tomcat: tomcat.pem: is larger than 262144 bytes"},
		"folder":        {file("tomcat.pem/x", nil), "tomcat: tomcat.pem: is not a file"},
		"named pipe":    {func(t *testing.T, dir string) { mkfifo(t, dir, "tomcat.pem") }, "tomcat: tomcat.pem: is not a file"},
		"broken link":   {func(t *testing.T, dir string) { symlink(t, "nowhere", dir, "tomcat.pem") }, "tomcat: tomcat.pem: is a link that leads nowhere"},
		"broken commit": {file(".tomcat.commit", rsaCert), "tomcat: .tomcat.commit: does not hold certificates and a key"},
		"cut commit": {file(".tomcat.commit", rsaCert[:100]),
			"tomcat: .tomcat.commit: line 1: a PEM block begins that does not end or is not base64"},
		"broken trust":          {file("CAPF-trust/a.pem", []byte("x")), "CAPF-trust/a.pem: is not PEM"},
		"trust store is a file": {file("TVS-trust", nil), "TVS-trust: cannot be read: not a directory"},
		"trust link": {func(t *testing.T, dir string) {
			certstest.Trust(t, dir, certs.TVSTrust, "", ca.Cert())
			symlink(t, "nowhere", dir, "TVS-trust/b.pem")
		}, "TVS-trust/b.pem: is a link that leads nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := certstest.Dir(t, certs.CallManagerECDSA)
			tt.damage(t, dir)
			snapshot, err := certs.Load(os.DirFS(dir))
			if snapshot != nil || err == nil {
				t.Fatal("loaded")
			}
			faults := certs.Faults(err)
			line := faults[0].Error()
			if !strings.HasPrefix(line, tt.want) || !strings.HasSuffix(line, " ("+faults[0].Do+")") || strings.Contains(line, "\n") {
				t.Errorf("got  %s\nwant %s", line, tt.want)
			}
		})
	}
}

func x25519Key(t *testing.T) []byte {
	t.Helper()
	// RFC 8410, 10.3 has the shape: PKCS#8 with 1.3.101.110.
	der := append([]byte{0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20}, make([]byte, 32)...)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func mkfifo(t *testing.T, dir, name string) {
	t.Helper()
	if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, dir, name string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func TestLoadReportsEveryFaultAtOnce(t *testing.T) {
	dir := certstest.Dir(t)
	remove(t, dir, "tomcat.key")
	remove(t, dir, "CAPF.pem")
	write(t, dir, "TVS.pem", []byte("x"), 0o600)
	write(t, dir, "TVS.key", []byte("x"), 0o600)
	write(t, dir, "TVS-trust/x.pem", nil, 0o600)
	_, err := certs.Load(os.DirFS(dir))
	var got []string
	for _, f := range certs.Faults(err) {
		got = append(got, f.File)
	}
	if diff := cmp.Diff([]string{"tomcat.key", "CAPF.pem", "TVS.pem", "TVS.key", "TVS-trust/x.pem"}, got); diff != "" {
		t.Error(diff)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.HasPrefix(text, "5 faults: tomcat: tomcat.key: is missing") {
		t.Error(text)
	}
}

func TestLoadWarnings(t *testing.T) {
	ecKey, rsaKey := certstest.Key(t, certstest.P256), certstest.Pair(t, certs.Tomcat).Key
	put := func(unit string, key crypto.Signer, change func(*x509.Certificate)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(t, dir, unit+".pem", certstest.CertPEM(leafFor(t, key, change)), 0o644)
			write(t, dir, unit+".key", certstest.KeyPEM(t, key), 0o600)
		}
	}
	for name, tt := range map[string]struct {
		arrange func(*testing.T, string)
		want    string
	}{
		"none":   {put("tomcat-ECDSA", ecKey, unchanged), ""},
		"-EC-ms": {put("tomcat-ECDSA", ecKey, func(c *x509.Certificate) { c.Subject.CommonName = "ucm1-EC-ms.example.org" }), ""},
		"no -EC": {put("tomcat-ECDSA", ecKey, func(c *x509.Certificate) { c.Subject.CommonName = "ucm1.x-EC" }),
			`tomcat-ECDSA: tomcat-ECDSA.pem: has the common name "ucm1.x-EC", whose host part does not end in -EC`},
		"no OU": {put("tomcat", rsaKey, func(c *x509.Certificate) { c.Subject.OrganizationalUnit = nil }),
			"tomcat: tomcat.pem: has no O or no OU in its subject"},
		"expired": {put("tomcat", rsaKey, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
			"tomcat: tomcat.pem: certificate 1 is expired since "},
		"not yet valid": {put("tomcat", rsaKey, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
			"tomcat: tomcat.pem: certificate 1 is not valid before "},
		"CAPF without authority": {put("CAPF", rsaKey, unchanged), "CAPF: CAPF.pem: is not a certificate authority"},
		"self-signed with SHA-1": {func(t *testing.T, dir string) {
			write(t, dir, "tomcat.pem", certstest.CertPEM(relabelled(t, leafFor(t, rsaKey, unchanged))), 0o644)
			write(t, dir, "tomcat.key", certstest.KeyPEM(t, rsaKey), 0o600)
		}, "tomcat: tomcat.pem: is self-signed with SHA1-RSA"},
		"open key": {func(t *testing.T, dir string) {
			certstest.Write(t, dir, certstest.Pair(t, certs.Tomcat))
			write(t, dir, "tomcat.key", read(t, dir, "tomcat.key"), 0o640)
		}, "tomcat: tomcat.key: can be read by others (mode 0640)"},
		"misspelt unit": {func(t *testing.T, dir string) { write(t, dir, "Tomcat.pem", nil, 0o600) },
			"Tomcat.pem: is not looked at: there is no such unit"},
		"other files": {func(t *testing.T, dir string) {
			for _, name := range []string{".x.pem", "tomcat.csr", "README", "..data/tomcat.pem", "CAPF-trust/.x.pem", "CAPF-trust/x.txt", "other/x.pem"} {
				write(t, dir, name, nil, 0o600)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := certstest.Dir(t, certs.CallManager)
			tt.arrange(t, dir)
			warnings := certstest.Load(t, dir).Warnings()
			switch {
			case tt.want == "" && len(warnings) == 0:
			case tt.want != "" && len(warnings) == 1 && strings.HasPrefix(warnings[0].Error(), tt.want):
			default:
				t.Errorf("got %v, want %s", warnings, tt.want)
			}
		})
	}
}

func TestDeskPhonesStopAt2048(t *testing.T) {
	key, err := certs.Maker{}.Key(certs.CallManager, certs.KeySpec{Size: 4096})
	if err != nil {
		t.Fatal(err)
	}
	p, err := certs.Template{Unit: certs.CallManager, Host: "ucm1", Key: certs.KeySpec{Size: 4096}}.SelfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := p.Check()
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].What, "desk phones stop at 2048") {
		t.Errorf("got %v, %v", warnings, err)
	}
}

func TestLoadKeyFormats(t *testing.T) {
	rsaKey := certstest.Pair(t, certs.Tomcat).Key.(*rsa.PrivateKey)
	ecKey := certstest.Pair(t, certs.TomcatECDSA).Key
	sec1, err := x509.MarshalECPrivateKey(ecKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}})
	for name, tt := range map[string]struct {
		unit certs.Unit
		key  []byte
	}{
		"PKCS#1":                {certs.Tomcat, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		"SEC1":                  {certs.TomcatECDSA, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})},
		"SEC1 after its curve":  {certs.TomcatECDSA, append(params, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)},
		"Windows line ends":     {certs.Tomcat, bytes.ReplaceAll(certstest.KeyPEM(t, rsaKey), []byte("\n"), []byte("\r\n"))},
		"byte order mark first": {certs.Tomcat, append([]byte("\xef\xbb\xbf"), certstest.KeyPEM(t, rsaKey)...)},
		"text before":           {certs.Tomcat, append([]byte("Private-Key: (2048 bit)\n"), certstest.KeyPEM(t, rsaKey)...)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := certstest.Dir(t, tt.unit)
			write(t, dir, string(tt.unit)+".key", tt.key, 0o600)
			if p, ok := certstest.Load(t, dir).Pair(tt.unit); !ok || p.Key == nil {
				t.Errorf("got %v, %v", p.Key, ok)
			}
		})
	}
}

func TestOnlyITLRecoveryMayBeOffline(t *testing.T) {
	dir := certstest.Dir(t, certs.ITLRecovery)
	remove(t, dir, "ITLRecovery.key")
	s := certstest.Load(t, dir)
	if p, ok := s.Pair(certs.ITLRecovery); !ok || p.Key != nil {
		t.Errorf("got %v, %v", p, ok)
	}
	if _, err := s.ServerConfig(certs.Profile{}, certs.ITLRecovery); err == nil {
		t.Error("a key that is elsewhere was presented")
	}
	if missing := certs.Missing(os.DirFS(dir)); slices.Contains(missing, certs.ITLRecovery) {
		t.Error("kept offline is not missing")
	}
}

func TestMissing(t *testing.T) {
	dir := certstest.Dir(t, certs.CallManager, certs.CAPF)
	remove(t, dir, "CAPF.key")
	symlink(t, "nowhere", dir, "TVS.key")
	write(t, dir, ".tomcat.commit", nil, 0o600)
	want := []certs.Unit{certs.CallManagerECDSA, certs.TomcatECDSA, certs.ITLRecovery}
	if diff := cmp.Diff(want, certs.Missing(os.DirFS(dir))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(certs.Units(), certs.Missing(os.DirFS(filepath.Join(dir, "none")))); diff != "" {
		t.Error(diff)
	}
}

// deniedFS is a folder that fails with one error: at being listed, or else at
// all that lies in it.
type deniedFS struct {
	fs.FS
	list bool
	err  error
}

func (d deniedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if d.list || name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: d.err}
	}
	return fs.ReadDir(d.FS, name)
}

func (d deniedFS) Lstat(name string) (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "lstat", Path: name, Err: d.err}
}

func (d deniedFS) ReadLink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: d.err}
}

func (d deniedFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: d.err}
}

func TestFolderThatCannotBeReadIsOneFault(t *testing.T) {
	dir := os.DirFS(certstest.Dir(t))
	uid := strconv.Itoa(os.Geteuid())
	for _, tt := range []struct {
		name string
		dir  deniedFS
		want string
	}{
		{"not listed", deniedFS{dir, true, syscall.EACCES}, "the folder of the certificates: cannot be looked into by the user that runs this (uid " + uid + "): permission denied (give it to that user, with mode 0700)"},
		{"not entered", deniedFS{dir, false, syscall.EACCES}, "the folder of the certificates: cannot be looked into by the user that runs this (uid " + uid + "): permission denied (give it to that user, with mode 0700)"},
		{"a file", deniedFS{dir, true, syscall.ENOTDIR}, "the folder of the certificates: is not a folder (move it away and put a folder there)"},
		{"a broken disk", deniedFS{dir, true, syscall.EIO}, "the folder of the certificates: cannot be read: input/output error (see that the server's user may read it)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := certs.Load(tt.dir)
			if err == nil || err.Error() != tt.want || len(certs.Faults(err)) != 1 {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoadMissingFolder(t *testing.T) {
	_, err := certs.Load(os.DirFS(filepath.Join(t.TempDir(), "none")))
	if faults := certs.Faults(err); len(faults) != 1 || faults[0].File != "." {
		t.Errorf("got %v", err)
	}
}

// TestLoadKubernetes has the links of a mounted secret: UNIT.pem leads to
// ..data/UNIT.pem, and ..data to the folder of the moment.
func TestLoadKubernetes(t *testing.T) {
	dir := t.TempDir()
	for i, p := range []certs.Pair{certstest.Pair(t, certs.TomcatECDSA), certstest.Other(t, certs.TomcatECDSA)} {
		version := filepath.Join(dir, []string{"..2026_01", "..2026_02"}[i])
		if err := os.Mkdir(version, 0o700); err != nil {
			t.Fatal(err)
		}
		certstest.Write(t, version, p)
	}
	symlink(t, "..2026_01", dir, "..data")
	symlink(t, "..data/tomcat-ECDSA.pem", dir, "tomcat-ECDSA.pem")
	symlink(t, "..data/tomcat-ECDSA.key", dir, "tomcat-ECDSA.key")
	expect := func(want certs.Pair) {
		t.Helper()
		if p, ok := certstest.Load(t, dir).Pair(certs.TomcatECDSA); !ok || !p.Leaf().Equal(want.Leaf()) {
			t.Errorf("got %v, %v", p, ok)
		}
	}
	expect(certstest.Pair(t, certs.TomcatECDSA))
	symlink(t, "..2026_02", dir, "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	expect(certstest.Other(t, certs.TomcatECDSA))
}

func TestSnapshotIsImmutable(t *testing.T) {
	dir := certstest.Dir(t, certs.CallManagerECDSA)
	ca := certstest.NewCA(t, "ca").Cert()
	certstest.Trust(t, dir, certs.CallManagerTrust, "", ca)
	s := certstest.Load(t, dir)
	p, _ := s.Pair(certs.CallManagerECDSA)
	p.Chain[0] = nil
	s.Trusted(certs.CallManagerTrust)[0] = nil
	s.Pool(certs.CallManagerTrust).AddCert(certstest.NewCA(t, "other").Cert())
	if p, _ := s.Pair(certs.CallManagerECDSA); p.Leaf() == nil {
		t.Error("the chain was changed from outside")
	}
	if got := s.Trusted(certs.CallManagerTrust); len(got) != 1 || !got[0].Equal(ca) {
		t.Error("the trust store was changed from outside")
	}
	want := x509.NewCertPool()
	want.AddCert(ca)
	if !s.Pool(certs.CallManagerTrust).Equal(want) {
		t.Error("the pool was changed from outside")
	}
	if diff := cmp.Diff([]certs.Unit{certs.CallManagerECDSA}, s.Units()); diff != "" {
		t.Error(diff)
	}
}

func TestTrustStores(t *testing.T) {
	dir := certstest.Dir(t, certs.CallManagerECDSA)
	a, b, c := certstest.NewCA(t, "a").Cert(), certstest.NewCA(t, "b").Cert(), certstest.NewCA(t, "c").Cert()
	certstest.Trust(t, dir, certs.CAPFTrust, "2", a, b)
	certstest.Trust(t, dir, certs.CAPFTrust, "1", c, a)
	certstest.Trust(t, dir, certs.TomcatTrust, "3", b)
	s := certstest.Load(t, dir)
	var got []string
	for _, cert := range s.Trusted(certs.CAPFTrust) {
		got = append(got, cert.Subject.CommonName)
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, got); diff != "" {
		t.Error(diff)
	}
	want := x509.NewCertPool()
	for _, cert := range []*x509.Certificate{b, c, a} {
		want.AddCert(cert)
	}
	if !s.Pool(certs.TomcatTrust, certs.CAPFTrust).Equal(want) {
		t.Error("the pool of two stores does not hold both")
	}
	if got := s.Trusted(certs.TVSTrust); len(got) != 0 {
		t.Errorf("a store that is not there holds %d", len(got))
	}
}

func TestTrustStoreLimits(t *testing.T) {
	a, b := certstest.NewCA(t, "a").Cert(), certstest.NewCA(t, "b").Cert()
	one := certstest.CertPEM(a)
	many := fstest.MapFS{"CAPF-trust/a.pem": {Data: certstest.CertPEM(a, b)}, "CAPF-trust/b.pem": {Data: bytes.Repeat(one, 4095)}}
	_, err := certs.Load(many)
	if faults := certs.Faults(err); len(faults) != 1 || faults[0].File != "CAPF-trust/b.pem" {
		t.Errorf("got %v", err)
	}
	files := fstest.MapFS{}
	for i := range 4097 {
		files["TVS-trust/"+big.NewInt(int64(i)).String()+".pem"] = &fstest.MapFile{Data: one}
	}
	_, err = certs.Load(files)
	if faults := certs.Faults(err); len(faults) != 1 || !strings.Contains(faults[0].What, "holds 4097 files") {
		t.Errorf("got %v", err)
	}
}
