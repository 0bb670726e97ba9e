// SPDX-License-Identifier: Apache-2.0

package certs_test

import (
	"bytes"
	"testing"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
)

// FuzzCertificates wants a fault or certificates, and the same certificates of
// what is written from them.
func FuzzCertificates(f *testing.F) {
	one := certstest.CertPEM(certstest.Pair(f, certs.TomcatECDSA).Leaf())
	for _, seed := range [][]byte{
		nil, one, append(bytes.Clone(one), one...), one[:100], one[1:],
		append([]byte("text\r\n"), one...), append([]byte("\xef\xbb\xbf"), one...),
		bytes.ReplaceAll(one, []byte("\n"), []byte("\r\n")),
		[]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		[]byte("-----BEGIN A-----\n-----BEGIN B-----\nAAAA\n-----END B-----\n"),
		{0x30, 0x82},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := certs.ReadCertificates(data)
		if err != nil {
			return
		}
		if len(read) == 0 {
			t.Fatal("neither certificates nor a fault")
		}
		again, err := certs.ReadCertificates(certstest.CertPEM(read...))
		if err != nil || len(again) != len(read) {
			t.Fatalf("reading again: %d, %v", len(again), err)
		}
		for i, c := range read {
			if !c.Equal(again[i]) {
				t.Errorf("certificate %d changed", i+1)
			}
		}
		if begins := bytes.Count(data, []byte("-----BEGIN CERTIFICATE-----")); begins < len(read) {
			t.Errorf("%d certificates out of %d blocks", len(read), begins)
		}
	})
}

// FuzzCommit reads what a power cut may have made of a commit file.
func FuzzCommit(f *testing.F) {
	p := certstest.Pair(f, certs.TomcatECDSA)
	whole := append(certstest.CertPEM(p.Chain...), certstest.KeyPEM(f, p.Key)...)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(certstest.KeyPEM(f, p.Key))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := certs.ReadCommit(data); err == nil && (len(p.Chain) == 0 || p.Key == nil) {
			t.Errorf("half a pair was taken: %v", p)
		}
	})
}
