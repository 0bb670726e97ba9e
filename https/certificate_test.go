// SPDX-License-Identifier: Apache-2.0

package https

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// The keys of all certificates here, made once.
var (
	ecKey = sync.OnceValue(func() crypto.Signer {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
	rsaKey = sync.OnceValue(func() crypto.Signer {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
)

// certificate makes a self-signed one.
func certificate(t testing.TB, cn string, serial int64, key crypto.Signer) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: cn, Organization: []string{"Example"}},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// serverTLS is a configuration as certs makes them: the EC certificate where
// the client can use it, the RSA one for the rest.
func serverTLS(t testing.TB, serial int64) *tls.Config {
	t.Helper()
	ec := certificate(t, "server", serial, ecKey())
	old := certificate(t, "server", serial, rsaKey())
	return &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		ClientAuth:                  tls.RequestClientCert,
		DynamicRecordSizingDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			conn := hello.Conn.(interface {
				Presented(unit string)
				Unpresented(reason string)
			})
			if hello.SupportsCertificate(ec) == nil {
				conn.Presented("CallManager-ECDSA")
				return ec, nil
			}
			if hello.SupportsCertificate(old) == nil {
				conn.Presented("CallManager")
				return old, nil
			}
			conn.Unpresented("no certificate suits")
			return &tls.Certificate{}, nil
		},
	}
}

// clientTLS trusts anybody. Its curve is the cheapest, for the race detector
// makes the others very dear.
func clientTLS(more ...func(*tls.Config)) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}}
	for _, f := range more {
		f(c)
	}
	return c
}

// writePEM writes a certificate and its key for programs that want files.
func writePEM(t *testing.T, c *tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// withCertificate lets a client present one.
func withCertificate(t testing.TB, cn string) func(*tls.Config) {
	c := certificate(t, cn, 1, ecKey())
	return func(config *tls.Config) { config.Certificates = []tls.Certificate{*c} }
}
