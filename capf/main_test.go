// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
	"cfgsrv/device"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const phone device.Name = "SEP001122334455"

// office is a CAPF server with its record and its folder, and what it told.
type office struct {
	*Server
	t     testing.TB
	dir   string
	cfg   Config
	store *Store
	lsc   Folder
	// served delivers what Serve returns.
	served chan error

	mu      sync.Mutex
	records []Record
}

// newOffice starts a server whose configuration alter may change.
func newOffice(t testing.TB, alter func(*Config, *Generation)) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	o.lsc = Folder(filepath.Join(o.dir, "lsc"))
	if err := os.Mkdir(string(o.lsc), 0o755); err != nil {
		t.Fatal(err)
	}
	gen := Generation{
		Number:    7,
		TLS:       &tls.Config{Certificates: []tls.Certificate{ownCA().TLS()}},
		Trusted:   pool(ownCA().Cert()),
		Authority: newIssuer(t),
	}
	o.cfg = Config{
		Listener:     "capf",
		Addr:         "127.0.0.1:0",
		Generation:   func() Generation { return gen },
		LSC:          o.lsc,
		Record:       o.record,
		MessageLimit: 30 * time.Second,
	}
	if alter != nil {
		alter(&o.cfg, &gen)
	}
	o.start()
	t.Cleanup(o.stop)
	return o
}

// ownCA is a CAPF unit with an EC key, which costs the tests a fraction of an
// RSA key's time.
var ownCA = sync.OnceValue(func() certstest.Identity {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "CAPF-1a2b3c4d", Organization: []string{"example"}},
		DNSNames:              []string{certstest.Host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return certstest.Identity{Chain: []*x509.Certificate{c}, Key: key}
})

func newIssuer(t testing.TB) *Issuer {
	t.Helper()
	ca := ownCA()
	i, err := NewIssuer(IssuerConfig{CA: ca.Cert(), Key: ca.Key})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func pool(trusted ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range trusted {
		p.AddCert(c)
	}
	return p
}

func (o *office) start() {
	o.t.Helper()
	var err error
	if o.store, err = Open(o.t.Context(), filepath.Join(o.dir, "capf.db")); err != nil {
		o.t.Fatal(err)
	}
	o.cfg.Store = o.store
	if o.Server, err = New(o.cfg); err != nil {
		o.t.Fatal(err)
	}
	o.served = make(chan error, 1)
	server, served := o.Server, o.served
	go func() {
		defer close(served)
		served <- server.Serve()
	}()
}

// stop ends the server, cutting what is under way.
func (o *office) stop() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = o.Shutdown(ended)
	if err := <-o.served; err != nil {
		o.t.Errorf("Serve = %v", err)
	}
}

// restart is a new process on the same disk.
func (o *office) restart() {
	o.t.Helper()
	o.stop()
	o.start()
}

func (o *office) record(_ context.Context, r Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, r)
}

// last waits for the record of the n-th session and returns it.
func (o *office) last(n int) Record {
	o.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		o.mu.Lock()
		if len(o.records) >= n {
			r := o.records[n-1]
			o.mu.Unlock()
			return r
		}
		o.mu.Unlock()
		select {
		case <-o.t.Context().Done():
		case <-time.After(time.Millisecond):
		}
	}
	o.t.Fatalf("no record of session %d", n)
	return Record{}
}

// order sets what is to happen to the device.
func (o *office) order(n device.Name, order Order) {
	o.t.Helper()
	setOrder(o.t, o.store, n, order)
}

func setOrder(t testing.TB, s *Store, n device.Name, order Order) {
	t.Helper()
	err := s.Change(t.Context(), []device.Name{n}, func(_ device.Name, o *Order) error {
		*o = order
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *office) entry(n device.Name) Entry {
	o.t.Helper()
	e, err := o.store.Entry(o.t.Context(), n)
	if err != nil {
		o.t.Fatal(err)
	}
	return e
}

// holds is what lsc/ holds for the device, nil for nothing.
func (o *office) holds(n device.Name) *x509.Certificate {
	o.t.Helper()
	c, err := o.lsc.Read(n)
	if err != nil && !os.IsNotExist(err) {
		o.t.Fatal(err)
	}
	return c
}

// caller is a phone that knows the way to the office.
func (o *office) caller() Phone {
	return Phone{
		Server: o.Addr().String(),
		TLS: &tls.Config{
			RootCAs:    pool(ownCA().Cert()),
			ServerName: certstest.Host,
		},
		Device: phone,
		Limit:  30 * time.Second,
	}
}

// enrol plays a phone and fails the test unless it gets through.
func (o *office) enrol(p Phone) *Visit {
	o.t.Helper()
	v, err := Enrol(o.t.Context(), p)
	if err != nil {
		o.t.Fatal(err)
	}
	return v
}

// identity is the key and LSC of a visit, as the phone has them from then on.
func (v *Visit) identity() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{v.Certificate.Raw}, PrivateKey: v.Key}
}

func writeFile(t testing.TB, dir Folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(dir), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
