// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// Devices by what is known of them; all but open want encryption.
const (
	open      = device.Name("SEP000000000001")
	keyed     = device.Name("SEP0000000000AA") // RSA certificate
	bare      = device.Name("SEP0000000000BB") // no certificate
	presenter = device.Name("SEP0000000000EC") // ECDSA certificate
	enrolling = device.Name("SEP0000000000ED") // the same, enrolment pending
	damaged   = device.Name("SEP0000000000EE") // certificate unreadable
	renewing  = device.Name("SEP0000000000AB") // RSA certificate, enrolment pending
)

// The ways a request comes in.
var (
	overTFTP = configfiles.Requester{Transport: configfiles.TFTP}
	overHTTP = configfiles.Requester{Transport: configfiles.HTTP}
	overTLS  = configfiles.Requester{Transport: configfiles.HTTPS}
)

func provedToBe(n device.Name) configfiles.Requester {
	return configfiles.Requester{Transport: configfiles.HTTPS, Device: n}
}

// phones are the certificates of the devices, with their keys, made once.
var phones = map[device.Name]certstest.Identity{}

func phone(t testing.TB, n device.Name, kind certstest.KeyKind) certstest.Identity {
	t.Helper()
	if id, ok := phones[n]; ok {
		return id
	}
	id := certstest.CAPF(t).Issue(t, certstest.Device{CN: string(n), Key: kind})
	phones[n] = id
	return id
}

// known are devices with certificates and pending enrolments.
type known struct {
	*device.Certificates
	pending map[device.Name]int
}

func (k known) Certificate(n device.Name) (device.Certificate, bool) { return k.Get(n) }

func (k known) Enrolment(n device.Name) (mode int, pending bool) {
	mode, pending = k.pending[n]
	return mode, pending
}

func (k known) Pending(n device.Name) bool { _, pending := k.pending[n]; return pending }

func knownDevices(t testing.TB) known {
	t.Helper()
	lsc := map[device.Name][]byte{damaged: []byte("no certificate")}
	for n, kind := range map[device.Name]certstest.KeyKind{
		keyed: certstest.RSA2048, renewing: certstest.RSA2048, presenter: certstest.P384, enrolling: certstest.P256,
	} {
		lsc[n] = certstest.CertPEM(phone(t, n, kind).Cert())
	}
	dir := t.TempDir()
	for n, content := range lsc {
		if err := os.WriteFile(filepath.Join(dir, string(n)+".pem"), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, faults := device.LoadCertificates(dir)
	if len(faults) != 1 {
		t.Fatalf("got %v, want the damaged certificate alone", faults)
	}
	return known{all, map[device.Name]int{enrolling: 2, renewing: 1}}
}

// site is a Source over a real folder, behind the guard that it has in life.
type site struct {
	*Source
	t         testing.TB
	dir       string
	directory *configfiles.Directory
	guard     *configfiles.Guard
	signed    atomic.Int64 // how often was signed
	encrypted atomic.Int64
}

// newSite makes a Source for files. Change may alter its Config first.
func newSite(t testing.TB, files map[string]string, change func(*Config)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	for name, content := range files {
		s.write(name, content)
	}
	var err error
	if s.directory, err = configfiles.OpenDirectory(s.dir, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.directory.Close() })
	conf := testConfig(t, certstest.Dir(t))
	conf.Files = s.directory
	conf.Made = s.count
	if change != nil {
		change(&conf)
	}
	if s.Source, err = New(conf); err != nil {
		t.Fatal(err)
	}
	s.guard = &configfiles.Guard{Directory: s.directory, Devices: conf.Devices.(known), Next: s.Source}
	return s
}

func testConfig(t testing.TB, dir string) Config {
	t.Helper()
	return Config{
		Certs: certstest.Load(t, dir), Files: configfiles.Chain{}, Devices: knownDevices(t), CAPFPort: "3804",
		Time:  time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		Lists: Lists{Host: certstest.Host, SignerVersion: trustlist.Version{Major: 1, Minor: 1}},
	}
}

func (s *site) count(f configfiles.Form) {
	if f == configfiles.Encrypted {
		s.encrypted.Add(1)
	} else {
		s.signed.Add(1)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func request(t testing.TB, name string, from configfiles.Requester) configfiles.Request {
	t.Helper()
	n, err := configfiles.ParseName(name)
	if err != nil {
		t.Fatalf("ParseName(%q): %v", name, err)
	}
	return configfiles.Request{Name: n, From: from}
}

// get is all bytes of an answer.
func (s *site) get(name string, from configfiles.Requester) ([]byte, error) {
	s.t.Helper()
	f, err := s.guard.Open(s.t.Context(), request(s.t, name, from))
	if err != nil {
		return nil, err
	}
	defer f.Content.Close()
	b, err := io.ReadAll(f.Content)
	if err == nil && int64(len(b)) != f.Size {
		s.t.Errorf("%s has %d bytes, its size is %d", name, len(b), f.Size)
	}
	return b, err
}

// ask tells in one line what a requester gets, all signatures verified.
func (s *site) ask(name string, from configfiles.Requester) string {
	s.t.Helper()
	b, err := s.get(name, from)
	switch {
	case errors.Is(err, configfiles.ErrDenied):
		return "refused: " + err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return "not found"
	case err != nil:
		return "fault: " + err.Error()
	}
	if strings.HasSuffix(name, ".tlv") {
		l := parseList(s.t, b)
		return fmt.Sprintf("%s with %d records", l.FileName(), len(l.Records()))
	}
	if f, err := signedfile.Parse(b); err == nil {
		return s.describe(name, f)
	}
	return string(b)
}

// parseList takes a list apart that must verify.
func parseList(t testing.TB, b []byte) *trustlist.List {
	t.Helper()
	l, err := trustlist.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Verify(); err != nil {
		t.Error(err)
	}
	return l
}

func (s *site) describe(asked string, f *signedfile.File) string {
	s.t.Helper()
	if _, err := f.Verify(s.signer.Certificate()); err != nil {
		s.t.Errorf("%s: %v", asked, err)
	}
	if err := f.CheckName(asked); err != nil {
		s.t.Error(err)
	}
	if !f.Encrypted() {
		return "signed " + string(f.Body)
	}
	for n, id := range phones {
		if key, ok := id.Key.(crypto.Decrypter); ok {
			if plain, err := f.Decrypt(key); err == nil {
				return "encrypted for " + string(n) + " " + string(plain)
			}
		}
	}
	return "encrypted for nobody"
}

// open is a file behind the guard, which the test closes.
func (s *site) open(ctx context.Context, name string) (*configfiles.File, error) {
	return s.guard.Open(ctx, request(s.t, name, overTFTP))
}

// settle waits until the state of a file is one that the store remembers.
func (s *site) settle(name string) {
	s.t.Helper()
	req := request(s.t, name, overTFTP)
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		f, err := s.directory.Open(s.t.Context(), req)
		if err != nil {
			s.t.Fatal(err)
		}
		f.Content.Close()
		if f.State != (configfiles.State{}) {
			return
		}
	}
	s.t.Fatalf("the state of %s does not settle", name)
}

func master(n device.Name, encrypt bool) string {
	return fmt.Sprintf("<device><!-- %s --><fullConfig>true</fullConfig><loadInformation>sip88xx.14-2</loadInformation>"+
		"<sshPassword>s3cret</sshPassword><capfAuthMode>0</capfAuthMode><encrConfig>%t</encrConfig></device>", n, encrypt)
}

// shortForm is what the short form of a master is to be.
func shortForm(mode int, capfList, hash string) string {
	return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n  <fullConfig>false</fullConfig>\n" +
		"  <loadInformation>sip88xx.14-2</loadInformation>\n" +
		fmt.Sprintf("  <capfAuthMode>%d</capfAuthMode>\n", mode) + capfList +
		"  <certHash>" + hash + "</certHash>\n  <encrConfig>true</encrConfig>\n</device>\n"
}

func hashOf(t testing.TB, n device.Name) string {
	t.Helper()
	c, ok := knownDevices(t).Get(n)
	if !ok || strings.Trim(c.Hash, "0123456789abcdef") != "" || len(c.Hash) != 32 {
		t.Fatalf("certHash of %s is %q", n, c.Hash)
	}
	return c.Hash
}

func pair(t testing.TB, c *certs.Snapshot, u certs.Unit) certs.Pair {
	t.Helper()
	p, ok := c.Pair(u)
	if !ok {
		t.Fatalf("%s is missing", u)
	}
	return p
}
