// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/x509"
)

// InstallSteps are the steps of Install, for tests that stop between two.
func InstallSteps(dir, archive string, p Pair) ([]func() error, error) {
	i, err := newInstallation(dir, archive, p)
	if err != nil {
		return nil, err
	}
	return i.steps(), nil
}

// SaveSteps are the steps of Request.Save.
func SaveSteps(dir string, r Request) ([]func() error, error) {
	keyPEM, err := Pair{Unit: r.Unit, Key: r.Key}.keyPEM()
	return r.steps(dir, keyPEM), err
}

// RequestFor makes a request with a key that is there.
func RequestFor(t RequestTemplate, key crypto.Signer) (Request, error) {
	if err := t.Check(); err != nil {
		return Request{}, err
	}
	csr, err := t.request(key)
	return Request{Unit: t.Unit, CSR: csr, Key: key}, err
}

// ParsePKCS7 reads a bag of certificates.
func ParsePKCS7(der []byte) ([]*x509.Certificate, error) { return parsePKCS7(der) }

// ParseManifest reads a manifest, and writes it again.
func ParseManifest(data []byte) ([]byte, error) {
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	return m.encode(), nil
}

// SubjectName is the file name of a certificate in a trust store, without .pem.
func SubjectName(c *x509.Certificate) string { return subjectName(c) }
