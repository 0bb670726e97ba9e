// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// TrustStore is the store that the unit's own certificate must chain to. The two
// units of a service share one.
func (u Unit) TrustStore() Store {
	switch u {
	case Tomcat, TomcatECDSA:
		return TomcatTrust
	case CAPF:
		return CAPFTrust
	case TVS:
		return TVSTrust
	}
	return CallManagerTrust
}

// TrustFile is one file of a trust store.
type TrustFile struct {
	Store        Store
	Name         string // with .pem
	Certificates []*x509.Certificate
}

// LoadStore reads one trust store as [Load] does, file by file. The error names
// every file at fault; the others are returned with it.
func LoadStore(dir fs.FS, st Store) ([]TrustFile, error) {
	l := loader{folder: folder{dir}}
	var files []TrustFile
	for _, name := range l.storeFiles(st) {
		found, err := l.certificates(source{file: name}, maxStoreFile, maxStore)
		if err != nil {
			l.fail(err)
			continue
		}
		files = append(files, TrustFile{st, path.Base(name), found})
	}
	return files, l.err()
}

// Trusted is a certificate that was to be put into a trust store.
type Trusted struct {
	Store       Store
	Name        string // of the file that holds it, with .pem
	Certificate *x509.Certificate
	New         bool // false: it was there before, by its fingerprint
}

// Trust puts certificates into a trust store, each into a file of its own that
// is named after its subject. One that is there already stays where it is. The
// folders are made if they are missing.
func Trust(dir string, st Store, all []*x509.Certificate) ([]Trusted, error) {
	store := filepath.Join(dir, string(st))
	if err := makeFolder(store, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(store)
	if err != nil {
		return nil, err
	}
	defer unlock()
	files, err := LoadStore(os.DirFS(dir), st)
	if err != nil {
		return nil, fmt.Errorf("looking through %s: %w", st, err)
	}
	s := shelf{dir: store, files: files}
	var done []Trusted
	for _, c := range all {
		name, added, err := s.put(c)
		if err != nil {
			return done, fmt.Errorf("putting %s into %s: %w", c.Subject, st, err)
		}
		done = append(done, Trusted{st, name, c, added})
	}
	return done, nil
}

// shelf is a trust store that certificates are put into.
type shelf struct {
	dir   string
	files []TrustFile
}

func (s *shelf) put(c *x509.Certificate) (name string, added bool, err error) {
	for _, f := range s.files {
		if contains(f.Certificates, c) {
			return f.Name, false, nil
		}
	}
	if len(s.files) == maxStoreFiles {
		return "", false, fmt.Errorf("it holds %d files already", maxStoreFiles)
	}
	name = s.freeName(c)
	data := pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: c.Raw})
	if err := writeFile(s.dir, name, data, 0o644); err != nil {
		return "", false, err
	}
	s.files = append(s.files, TrustFile{Name: name, Certificates: []*x509.Certificate{c}})
	return name, true, nil
}

// freeName tells certificates of one subject apart by their fingerprints.
func (s *shelf) freeName(c *x509.Certificate) string {
	name := subjectName(c) + ".pem"
	taken := slices.ContainsFunc(s.files, func(f TrustFile) bool { return strings.EqualFold(f.Name, name) })
	if taken {
		sum := sha256.Sum256(c.Raw)
		name = fmt.Sprintf("%s-%x.pem", subjectName(c), sum[:8])
	}
	return name
}

// subjectName is a file name out of a subject, which anybody may have chosen:
// ASCII letters, digits and few signs, no dot at its beginning, not too long.
func subjectName(c *x509.Certificate) string {
	s := c.Subject
	name := cmp.Or(s.CommonName, strings.Join(s.OrganizationalUnit, "_"), strings.Join(s.Organization, "_"))
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._", r) {
			return r
		}
		return '_'
	}, name)
	name = strings.TrimLeft(name[:min(len(name), 100)], ".")
	return cmp.Or(name, fmt.Sprintf("serial-%x", c.SerialNumber))
}

// Distrust removes a file of a trust store; its name may come without .pem. It
// returns the file's name. A file that is not there is an error that wraps
// [fs.ErrNotExist].
func Distrust(dir string, st Store, name string) (string, error) {
	name = strings.TrimSuffix(name, ".pem") + ".pem"
	if !isPEM(name) || strings.ContainsAny(name, "/\x00") {
		return "", fmt.Errorf("%q is no name of a file in %s", name, st)
	}
	store := filepath.Join(dir, string(st))
	if err := os.Remove(filepath.Join(store, name)); err != nil {
		return "", fmt.Errorf("removing %s from %s: %w", name, st, explained(store, err))
	}
	return name, syncDir(store)
}

// LoadUnit reads one unit as [Load] does; false if it has neither certificate
// nor key.
func LoadUnit(dir fs.FS, u Unit) (Pair, bool, error) {
	l := loader{folder: folder{dir}}
	p, ok := l.unit(u)
	return p, ok, l.err()
}
