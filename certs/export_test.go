// SPDX-License-Identifier: Apache-2.0

package certs

import "crypto/x509"

// ReplaceSteps are the steps of Replace, for tests that stop between two.
func ReplaceSteps(dir string, p Pair) ([]func() error, error) {
	r, err := newReplacement(dir, p)
	if err != nil {
		return nil, err
	}
	return r.steps(), nil
}

// ReadCertificates reads PEM text as if it were tomcat.pem.
func ReadCertificates(data []byte) ([]*x509.Certificate, error) {
	src := source{Tomcat, Tomcat.pemFile()}
	blocks, err := src.blocks(data)
	if err != nil {
		return nil, err
	}
	return src.certificates(blocks, maxChain)
}

// ReadCommit reads PEM text as if it were tomcat's commit file.
func ReadCommit(data []byte) (Pair, error) {
	return source{Tomcat, Tomcat.commitFile()}.pair(data)
}

// CommonName is the unit's common name on a host.
func CommonName(u Unit, name string) (string, error) {
	h, err := parseHost(name)
	if err != nil {
		return "", err
	}
	return commonName(u, h), nil
}

// Explained puts an error of writing into words.
func Explained(dir string, err error) error { return explained(dir, err) }

// ReadHello reads a recorded ClientHello.
func ReadHello(recorded []byte) ([]byte, error) { return readHello(recorded) }

// Records puts a ClientHello into records.
func Records(message []byte) []byte { return records(message) }
