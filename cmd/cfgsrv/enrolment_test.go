// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// TestTheWholeCircle takes a device from an order to its configuration over
// mutual TLS, and back.
func TestTheWholeCircle(t *testing.T) {
	n := newInstance(t)
	write(t, filepath.Join(n.files, protectedPhone+".cnf.xml"), configuration(true))
	n.start()
	fetch := func(transport string, args ...string) (string, error) {
		args = append([]string{"get", "--timeout", "15s", "--transport", transport, "--server", n.addr(transport), "--device", protectedPhone}, args...)
		out, _, err := n.output(args...)
		return out, err
	}
	order := func(args ...string) {
		t.Helper()
		if err := n.cfgsrv(append([]string{"utils", "capf", "set", protectedPhone}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	order("--operation", "install", "--auth", "auth-string", "--auth-string", "123456", "--key-order", "ec-only")
	n.waitFor("the short form to begin the enrolment", func() bool {
		short, err := fetch("http", protectedPhone+".cnf.xml.sgn")
		return err == nil && strings.Contains(short, "<capfAuthMode>1</capfAuthMode>") &&
			strings.Contains(short, "<certHash></certHash>") && strings.Contains(short, "<capfList>") && !strings.Contains(short, secret)
	})
	if _, err := fetch("capf", "--auth-string", "654321"); err == nil {
		t.Fatal("enrolled with a wrong authentication string")
	}
	out, err := fetch("capf", "--auth-string", "123456")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := splitPEM(t, out)
	if _, ok := parseLeaf(t, cert).PublicKey.(*ecdsa.PublicKey); !ok {
		t.Fatal("the LSC has no elliptic curve key")
	}
	if _, err := os.Stat(filepath.Join(n.data, "lsc", protectedPhone+".pem")); err != nil {
		t.Fatal(err)
	}
	n.waitFor("the demand for the LSC", func() bool {
		_, err := fetch("phones")
		return err != nil && strings.Contains(err.Error(), "must present its LSC")
	})
	if full, err := fetch("phones", "--cert", cert, "--key", key); err != nil || full != configuration(true) {
		t.Errorf("with the LSC: %q, %v", full, err)
	}
	if err := os.Remove(filepath.Join(n.data, "lsc", protectedPhone+".pem")); err != nil {
		t.Fatal(err)
	}
	n.waitFor("the refusal of a removed LSC", func() bool {
		_, err := fetch("phones", "--cert", cert, "--key", key)
		return err != nil && strings.Contains(err.Error(), "are not given out unencrypted")
	})
	stdout, _, err := n.output("utils", "capf", "list")
	if err != nil || !strings.Contains(stdout, protectedPhone) || strings.Contains(stdout+n.dump(), "123456") {
		t.Errorf("list: %v\n%s", err, stdout)
	}
}

func splitPEM(t *testing.T, text string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		path := filepath.Join(dir, strings.ReplaceAll(block.Type, " ", "")+".pem")
		write(t, path, string(pem.EncodeToMemory(block)))
	}
	return filepath.Join(dir, "CERTIFICATE.pem"), filepath.Join(dir, "PRIVATEKEY.pem")
}

func parseLeaf(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	chain, err := readCertificates(path)
	if err != nil {
		t.Fatal(err)
	}
	return chain[0]
}

func TestImportOfTheReferenceDatabase(t *testing.T) {
	n := startInstance(t)
	lsc := certstest.CAPF(t).Issue(t, certstest.Device{CN: openPhone, Key: certstest.P256})
	path := filepath.Join(t.TempDir(), "capf.sqlite3")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`CREATE TABLE devices (device_name TEXT PRIMARY KEY, operation TEXT NOT NULL, authentication TEXT, password TEXT,
			key_size INTEGER, curve_name TEXT, certificate TEXT, serial_number TEXT, not_valid_before TEXT, not_valid_after TEXT) WITHOUT ROWID`,
		`INSERT INTO devices (device_name, operation, authentication, password, curve_name, certificate)
			VALUES ('` + openPhone + `', 'none', 'no password', NULL, 'secp256r1', '` + string(certstest.CertPEM(lsc.Cert())) + `')`,
		`INSERT INTO devices (device_name, operation, authentication, password, key_size)
			VALUES ('` + protectedPhone + `', 'install', 'password', '98765', 2048)`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1 certificates and 1 orders imported of 2 devices\n", "0 certificates and 1 orders imported of 2 devices\n"} {
		stdout, _, err := n.output("utils", "capf", "import", path)
		if err != nil || stdout != want {
			t.Errorf("import %d: %q, %v", i, stdout, err)
		}
	}
	if got := parseLeaf(t, filepath.Join(n.data, "lsc", openPhone+".pem")); !got.Equal(lsc.Cert()) {
		t.Error("another certificate was written")
	}
	stdout, _, err := n.output("utils", "capf", "list", "--pending")
	if err != nil || !strings.Contains(stdout, protectedPhone) || strings.Contains(stdout, "98765") {
		t.Errorf("list: %v\n%s", err, stdout)
	}
}

func TestPhonesAskWhomToTrust(t *testing.T) {
	n := startInstance(t)
	ask := func(names ...string) (string, error) {
		args := append([]string{"get", "--timeout", "15s", "--transport", "tvs", "--server", n.addr("tvs"), "--device", openPhone}, names...)
		out, _, err := n.output(args...)
		return out, err
	}
	own := filepath.Join(n.certs, "CallManager.pem")
	stranger := filepath.Join(t.TempDir(), "stranger.pem")
	write(t, stranger, string(certstest.CertPEM(certstest.NewCA(t, "stranger").Cert())))
	itl := filepath.Join(t.TempDir(), "ITLFile.tlv")
	list, _, err := n.output("get", "--transport", "http", "--server", n.addr("http"), "ITLFile.tlv")
	if err != nil {
		t.Fatal(err)
	}
	write(t, itl, list)
	if out, err := ask(own, itl); err != nil || strings.Count(out, ": trusted as ") != 2 || !strings.Contains(out, "for 24h0m0s") {
		t.Errorf("own certificate and signer of the list: %v\n%s", err, out)
	}
	if out, err := ask(stranger); err == nil || !strings.Contains(out, "not trusted") {
		t.Errorf("a stranger's certificate: %v\n%s", err, out)
	}
	old := certstest.Pair(t, certs.ITLRecovery)
	certstest.Rotate(t, n.certs, certs.ITLRecovery)
	n.waitLog("msg", "listener restarted", "listener", "tvs", "gen", "2")
	if out, err := ask(itl); err != nil || !strings.Contains(out, old.Leaf().Subject.String()) {
		t.Errorf("the signer of an older list: %v\n%s", err, out)
	}
	n.waitLog("msg", "request", "listener", "tvs", "device", "CP-8861-"+openPhone)
}
