// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keptTime is how the names of kept pairs end: UTC, so that they sort by time.
const keptTime = "20060102T150405.000000Z"

// Install puts a pair in place of the unit's present one, as [Replace] does,
// and first keeps that in archive/UNIT-TIME, whose path it returns: files of
// mode 0600 in a folder of mode 0700. A pending request whose key becomes the
// unit's is thereby answered and removed.
//
// What is there is kept as it is, be it broken. Nothing is kept, and the path is
// empty, if nothing is there or it is that very pair.
func Install(dir, archive string, p Pair) (kept string, err error) {
	if _, err := p.Check(); err != nil {
		return "", fmt.Errorf("replacing %s: %w", p.Unit, err)
	}
	if err := makeFolder(dir, 0o700); err != nil {
		return "", err
	}
	if err := Recover(dir); err != nil { // else the present pair may not be in its files yet
		return "", err
	}
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	i, err := newInstallation(dir, archive, p)
	if err != nil {
		return "", err
	}
	for _, step := range i.steps() {
		if err := step(); err != nil {
			return "", err
		}
	}
	return i.kept, nil
}

// installation is the way of a pair into the folder.
type installation struct {
	dir, archive string
	pair         Pair
	old          map[string][]byte // files of the present pair, by name
	same         bool              // the present pair is the new one
	temp, kept   string            // the folder of the old files, while it is written and then
}

func newInstallation(dir, archive string, p Pair) (*installation, error) {
	i := &installation{dir: dir, archive: archive, pair: p, old: map[string][]byte{}}
	key, err := p.keyPEM()
	if err != nil {
		return nil, err
	}
	f := folder{os.DirFS(dir)}
	for _, name := range []string{p.Unit.pemFile(), p.Unit.keyFile()} {
		if _, err := fs.Stat(f, name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		data, _, err := f.read(source{p.Unit, name}, maxUnitFile)
		if err != nil {
			return nil, fmt.Errorf("keeping the old pair of %s: %w", p.Unit, err)
		}
		i.old[name] = data
	}
	i.same = string(i.old[p.Unit.pemFile()]) == string(p.certificatePEM()) && string(i.old[p.Unit.keyFile()]) == string(key)
	return i, nil
}

func (i *installation) steps() []func() error {
	answered := func() error { return dropRequest(i.dir, i.pair) }
	switch {
	case i.same:
		return []func() error{answered}
	case len(i.old) == 0:
		return []func() error{i.replace, answered}
	}
	return []func() error{i.copyOld, i.placeOld, i.replace, answered}
}

// copyOld writes the old files into a folder that is not in its place yet.
func (i *installation) copyOld() (err error) {
	if err := makeFolder(i.archive, 0o700); err != nil {
		return err
	}
	if err := removeTemps(i.archive, string(i.pair.Unit)); err != nil {
		return err
	}
	if i.temp, err = os.MkdirTemp(i.archive, "."+string(i.pair.Unit)+".*"+tempSuffix); err != nil {
		return fmt.Errorf("keeping the old pair of %s: %w", i.pair.Unit, explained(i.archive, err))
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(i.temp) // what is left is removed the next time
		}
	}()
	if err := giveFolderToOwnerOf(i.archive, i.temp); err != nil {
		return err
	}
	for name, data := range i.old {
		if err := writeFile(i.temp, name, data, 0o600); err != nil {
			return fmt.Errorf("keeping the old pair of %s: %w", i.pair.Unit, err)
		}
	}
	return nil
}

func (i *installation) placeOld() error {
	i.kept = filepath.Join(i.archive, string(i.pair.Unit)+"-"+time.Now().UTC().Format(keptTime))
	if err := os.Rename(i.temp, i.kept); err != nil {
		return fmt.Errorf("keeping the old pair of %s: %w", i.pair.Unit, err)
	}
	return syncDir(i.archive)
}

func (i *installation) replace() error { return replace(i.dir, i.pair) }

// LastReplaced says when the unit's pair was last replaced, by what the archive
// keeps; zero if never. What was kept and then not replaced, because of a kill
// in between, is still the present certificate and does not count.
func LastReplaced(archive string, present *x509.Certificate, u Unit) (time.Time, error) {
	entries, err := os.ReadDir(archive)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, fmt.Errorf("looking for replaced certificates: %w", err)
	}
	for _, e := range slices.Backward(entries) {
		stamp, ok := strings.CutPrefix(e.Name(), string(u)+"-")
		if !ok {
			continue
		}
		at, err := time.Parse(keptTime, stamp)
		if err != nil || isPresent(filepath.Join(archive, e.Name()), present, u) {
			continue
		}
		return at, nil
	}
	return time.Time{}, nil
}

// isPresent says whether a folder of the archive holds the present certificate.
func isPresent(dir string, present *x509.Certificate, u Unit) bool {
	chain, err := folder{os.DirFS(dir)}.certificates(source{u, u.pemFile()}, maxUnitFile, maxChain)
	return err == nil && present != nil && chain[0].Equal(present)
}

// sameKey says whether two public keys are the same.
func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
