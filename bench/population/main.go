// SPDX-License-Identifier: Apache-2.0

// Command population makes what a large site has on its disk: a master file for
// each of many devices, or a certificate for each. The devices are named as the
// load generator names them.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "population:", err)
		os.Exit(1)
	}
}

func run() error {
	masters := flag.String("masters", "", "make master files DEVICE.cnf.xml in this folder")
	lsc := flag.String("lsc", "", "make certificates DEVICE.pem in this folder")
	n := flag.Int("n", 100, "devices")
	size := flag.Int("size", 1200, "bytes of a master file, at least 200")
	perFolder := flag.Int("per-folder", 0, "put so many master files into a sub-folder; 0: all into the one folder")
	flag.Parse()
	if *masters != "" {
		if err := makeMasters(*masters, *n, *size, *perFolder); err != nil {
			return fmt.Errorf("making master files: %w", err)
		}
	}
	if *lsc != "" {
		if err := makeCertificates(*lsc, *n); err != nil {
			return fmt.Errorf("making certificates: %w", err)
		}
	}
	return nil
}

func device(i int) string { return fmt.Sprintf("SEP%012X", 0x001A2B000000+i) }

func makeMasters(dir string, n, size, perFolder int) error {
	for i := range n {
		folder := dir
		if perFolder > 0 {
			folder = filepath.Join(dir, fmt.Sprintf("site-%03d", i/perFolder))
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, device(i)+".cnf.xml"), master(i, size), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// master is a configuration whose one wish is not to be encrypted. It differs
// from device to device.
func master(i, size int) []byte {
	const line = "  <addOnModule idx=\"1\"><loadInformation></loadInformation></addOnModule>\n"
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n  <name>%s</name>\n  <encrConfig>false</encrConfig>\n", device(i))
	for b.Len()+len(line) < size {
		b.WriteString(line)
	}
	b.WriteString("</device>\n")
	return []byte(b.String())
}

// makeCertificates issues a certificate to each device, all for one key: a
// server that only reads them cannot tell.
func makeCertificates(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "CAPF"}, SerialNumber: big.NewInt(1)}
	for i := range n {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)),
			Subject:      pkix.Name{CommonName: device(i)},
			NotBefore:    now.Add(-time.Hour),
			NotAfter:     now.AddDate(5, 0, 0),
			KeyUsage:     x509.KeyUsageDigitalSignature,
			ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), key)
		if err != nil {
			return err
		}
		b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, device(i)+".pem"), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
