// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestMasters(t *testing.T) {
	dir := t.TempDir()
	if err := makeMasters(dir, 5, 1200, 2); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "site-00[0-2]", "SEP001A2B00000[0-4].cnf.xml"))
	if err != nil || len(all) != 5 {
		t.Fatalf("%d master files (%v), want 5", len(all), err)
	}
	b, err := os.ReadFile(all[4])
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 1100 || len(b) > 1300 || !bytes.Contains(b, []byte("<name>SEP001A2B000004</name>")) {
		t.Errorf("the last one has %d bytes:\n%s", len(b), b)
	}
}

func TestCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lsc")
	if err := makeCertificates(dir, 3); err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	for i := range 3 {
		b, err := os.ReadFile(filepath.Join(dir, device(i)+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		if block == nil {
			t.Fatal("no PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Subject.CommonName != device(i) {
			t.Errorf("the certificate of %s is that of %s", device(i), cert.Subject.CommonName)
		}
		serials[cert.SerialNumber.String()] = true
	}
	if len(serials) != 3 {
		t.Error("certificates share a serial number")
	}
}
