// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"software.sslmate.com/src/go-pkcs12"
)

// maxBulkFile is how large a file of a bulk folder may be, in bytes: a thousand
// clusters' certificates fit.
const maxBulkFile = 2 << 20

// write makes a PKCS#12 trust store of the certificates.
func (b Bulk) write(name string, all []*x509.Certificate) error {
	var entries []pkcs12.TrustStoreEntry
	for _, c := range all {
		// Unique, since Java takes two of one name for one.
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: c, FriendlyName: subjectName(c) + " " + fingerprint(c)[:16]})
	}
	data, err := pkcs12.Modern2023.EncodeTrustStoreEntries(entries, b.password())
	if err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	return writeFile(b.Dir, name, data, 0o644)
}

func (b Bulk) read(name string) ([]*x509.Certificate, error) {
	data, err := b.readFile(name)
	if err != nil {
		return nil, err
	}
	src := source{file: filepath.Join(b.Dir, name)}
	all, err := pkcs12.DecodeTrustStore(data, b.password())
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, wrongPassword(src)
	}
	if err != nil {
		return nil, src.fault("export it again", "is damaged, or no export of cfgsrv: %v", err)
	}
	return all, nil
}

func (b Bulk) readFile(name string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(b.Dir, name)); err != nil {
		return nil, err
	}
	data, _, err := folder{os.DirFS(b.Dir)}.read(source{file: name}, maxBulkFile)
	return data, err
}

func (b Bulk) password() string { return cmp.Or(b.Password, pkcs12.DefaultPassword) }

func exportFile(u Unit, id string) string { return string(u) + "_" + id + ".p12" }
func consolidatedFile(u Unit) string      { return string(u) + ".p12" }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func fingerprints(all []*x509.Certificate) []string {
	var prints []string
	for _, c := range all {
		prints = append(prints, fingerprint(c))
	}
	return prints
}
