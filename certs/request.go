// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Request is a certificate signing request that waits for its answer. Its files
// are UNIT.csr and, with the key that becomes the unit's once the answer is
// installed, UNIT.csr.key.
type Request struct {
	Unit Unit
	CSR  *x509.CertificateRequest
	Key  crypto.Signer
}

// RequestTemplate describes a request to be made for a unit.
type RequestTemplate struct {
	Template
	// MultiServer asks for one certificate for all servers of a cluster: the
	// host part of its common name ends in -ms, for EC units in -EC-ms.
	MultiServer bool
}

func (u Unit) csrFile() string    { return string(u) + ".csr" }
func (u Unit) csrKeyFile() string { return string(u) + ".csr.key" }

// isRequestKey says whether a name is the key of some unit's request.
func isRequestKey(name string) bool {
	u, ok := strings.CutSuffix(name, ".csr.key")
	return ok && Unit(u).Known()
}

const blockRequest = "CERTIFICATE REQUEST" // RFC 7468, 7

// Check refuses a template that no request can be made after, see
// [Template.Check].
func (t RequestTemplate) Check() error {
	if err := t.Template.Check(); err != nil {
		return err
	}
	// The names of these two do not follow from a host, and phones know them by
	// the certificate itself.
	if t.MultiServer && (t.Unit == CAPF || t.Unit == ITLRecovery) {
		return &NotAllowedError{t.Unit, "a multi-server request", "one for this server"}
	}
	return nil
}

// Request makes a key and a request for a certificate like the one that
// [Maker.SelfSigned] makes.
func (m Maker) Request(t RequestTemplate) (Request, error) {
	if err := t.Check(); err != nil {
		return Request{}, err
	}
	key, err := m.Key(t.Unit, t.Key)
	if err != nil {
		return Request{}, err
	}
	csr, err := t.request(key)
	if err != nil {
		return Request{}, fmt.Errorf("making the request of %s: %w", t.Unit, err)
	}
	return Request{Unit: t.Unit, CSR: csr, Key: key}, nil
}

func (t RequestTemplate) request(key crypto.Signer) (*x509.CertificateRequest, error) {
	model, err := t.SelfSigned(key)
	if err != nil {
		return nil, err
	}
	leaf := model.Leaf()
	wish := &x509.CertificateRequest{
		Subject:            leaf.Subject,
		SignatureAlgorithm: leaf.SignatureAlgorithm,
		ExtraExtensions:    slices.DeleteFunc(leaf.Extensions, notAskedFor),
	}
	if t.MultiServer {
		if wish.Subject.CommonName, err = multiServerName(t.Unit, t.Host); err != nil {
			return nil, err
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, wish, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}

// asked are the extensions that a request asks for (RFC 5280, 4.2.1): key
// usage, alternative names, basic constraints, extended key usage. The others
// say who issued a certificate.
var asked = []asn1.ObjectIdentifier{{2, 5, 29, 15}, {2, 5, 29, 17}, {2, 5, 29, 19}, {2, 5, 29, 37}}

func notAskedFor(e pkix.Extension) bool { return !slices.ContainsFunc(asked, e.Id.Equal) }

func multiServerName(u Unit, name string) (string, error) {
	h, err := parseHost(name)
	if err != nil {
		return "", err
	}
	if u.EC() {
		return fitName("", h.name, suffixEC+suffixMultiServer), nil
	}
	return fitName("", h.name, suffixMultiServer), nil
}

// PEM returns the request as it is sent to a certificate authority.
func (r Request) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockRequest, Bytes: r.CSR.Raw})
}

// Save puts the request into the folder, in place of the unit's former one. A
// kill leaves the former one, none, or this one, but never a request beside a
// key that is not its own.
func (r Request) Save(dir string) error {
	keyPEM, err := Pair{Unit: r.Unit, Key: r.Key}.keyPEM()
	if err != nil {
		return err
	}
	if err := makeFolder(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	for _, step := range r.steps(dir, keyPEM) {
		if err := step(); err != nil {
			return fmt.Errorf("saving the request of %s: %w", r.Unit, explained(dir, err))
		}
	}
	return nil
}

func (r Request) steps(dir string, keyPEM []byte) []func() error {
	return []func() error{
		func() error { return removeTemps(dir, r.Unit.csrFile(), r.Unit.csrKeyFile()) },
		func() error { return removeSynced(dir, r.Unit.csrFile()) },
		func() error { return writeFile(dir, r.Unit.csrKeyFile(), keyPEM, 0o600) },
		func() error { return writeFile(dir, r.Unit.csrFile(), r.PEM(), 0o644) },
	}
}

// LoadRequest reads the unit's pending request, without its key; false if there
// is none.
func LoadRequest(dir fs.FS, u Unit) (Request, bool, error) {
	f := folder{dir}
	if !f.there(u.csrFile()) {
		return Request{}, false, nil
	}
	csr, err := f.request(source{u, u.csrFile()})
	return Request{Unit: u, CSR: csr}, err == nil, err
}

// PendingKey reads the key of the unit's pending request; nil if there is none.
func PendingKey(dir fs.FS, u Unit) (crypto.Signer, error) {
	f := folder{dir}
	if !f.there(u.csrKeyFile()) {
		return nil, nil
	}
	key, _, err := f.key(source{u, u.csrKeyFile()})
	return key, err
}

func (f folder) request(src source) (*x509.CertificateRequest, error) {
	data, _, err := f.read(src, maxUnitFile)
	if err != nil {
		return nil, err
	}
	const again = "make it anew with cfgsrv set csr gen"
	block, _ := pem.Decode(data)
	if block == nil || block.Type != blockRequest {
		return nil, src.fault(again, "holds no certificate request")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, src.fault(again, "is broken: %v", err)
	}
	return csr, nil
}

// dropRequest removes the unit's pending request if its key has become the
// unit's own. The caller holds the lock.
func dropRequest(dir string, p Pair) error {
	key, err := PendingKey(os.DirFS(dir), p.Unit)
	if err != nil || key == nil || !sameKey(key.Public(), p.Key.Public()) {
		return err
	}
	return errors.Join(removeSynced(dir, p.Unit.csrFile()), removeSynced(dir, p.Unit.csrKeyFile()))
}

// removeSynced removes a file for good; one that is not there is no error.
func removeSynced(dir, name string) error {
	err := os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, syncDir(dir))
}

// removeTemps removes what a kill has left of files that were being written.
func removeTemps(dir string, names ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.ContainsFunc(names, func(name string) bool { return isTemp(e.Name(), name) }) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// isTemp says whether entry is name on its way into its place.
func isTemp(entry, name string) bool {
	return strings.HasPrefix(entry, "."+name+".") && strings.HasSuffix(entry, tempSuffix)
}
