// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Load reads the certs folder: the units' certificates and keys, and the trust
// stores. A unit with neither is simply not in the snapshot. Entries that begin
// with a dot are not looked at, links are followed as far as dir follows them.
//
// The error names every fault of every unit, see [Faults]; what is merely worth
// knowing is in [Snapshot.Warnings]. Load may be called while [Replace] runs,
// in this process or another, and sees the old pair or the new one. Tools that
// replace certificate and key one after the other (certbot) can be caught
// between the two: that is a fault, and gone at the next call.
func Load(dir fs.FS) (*Snapshot, error) {
	l := loader{folder: folder{dir}}
	if err := l.shut(); err != nil {
		l.fail(err) // alone: of all that lies in the folder it would be said again
		return nil, l.err()
	}
	s := &Snapshot{pairs: map[Unit]Pair{}, stores: map[Store][]*x509.Certificate{}}
	for _, u := range Units() {
		if p, ok := l.unit(u); ok {
			s.pairs[u] = p
		}
	}
	for _, st := range Stores() {
		s.stores[st] = l.store(st)
	}
	l.strangers()
	if err := l.err(); err != nil {
		return nil, err
	}
	s.warnings = l.warnings
	return s, nil
}

// Missing returns the units that have neither certificate nor key in the
// folder, not even a link that leads nowhere. It is all of them if there is no
// such folder, and none if it cannot be looked into.
func Missing(dir fs.FS) []Unit {
	f := folder{dir}
	return slices.DeleteFunc(Units(), func(u Unit) bool {
		return f.there(u.pemFile()) || f.there(u.keyFile()) || f.there(u.commitFile())
	})
}

type loader struct {
	findings
	folder
}

// unit reads a unit, and again if it is at fault: a pair that was being
// replaced while we read looks broken, and at the next look its commit file is
// there or all is done.
func (l *loader) unit(u Unit) (Pair, bool) {
	// A running Replace can spoil two looks, and one that follows it the third.
	const looks = 4
	var p Pair
	var found findings
	for range looks {
		if p, found = l.look(u); len(found.faults) == 0 {
			break
		}
	}
	l.add(found)
	return p, len(p.Chain) > 0
}

// look reads a unit once. The pair is empty if there is none.
func (l *loader) look(u Unit) (Pair, findings) {
	switch {
	case l.there(u.commitFile()):
		return l.lookCommitted(u)
	case l.there(u.pemFile()), l.there(u.keyFile()):
		return l.lookLoose(u)
	}
	return Pair{}, findings{}
}

// lookCommitted reads a pair that Replace has not finished putting into place.
func (l *loader) lookCommitted(u Unit) (Pair, findings) {
	p, err := l.committed(u)
	if err != nil {
		return Pair{}, findings{faults: []error{err}}
	}
	return p, checked(p, u.commitFile(), u.commitFile())
}

// lookLoose reads a pair from its two files.
func (l *loader) lookLoose(u Unit) (Pair, findings) {
	var found findings
	p := Pair{Unit: u}
	var err error
	if p.Chain, err = l.certificates(source{u, u.pemFile()}, maxUnitFile, maxChain); err != nil {
		found.fail(err)
	}
	if l.there(u.keyFile()) {
		src := source{u, u.keyFile()}
		var mode fs.FileMode
		if p.Key, mode, err = l.key(src); err != nil {
			found.fail(err)
		} else if mode.Perm()&0o077 != 0 {
			found.warn(src.fault("chmod 600", "can be read by others (mode %04o)", mode.Perm()))
		}
	}
	if len(found.faults) > 0 {
		return Pair{}, found
	}
	found.add(checked(p, u.pemFile(), u.keyFile()))
	return p, found
}

// store reads one trust store, each certificate once.
func (l *loader) store(st Store) []*x509.Certificate {
	var all []*x509.Certificate
	seen := map[string]bool{}
	for _, name := range l.storeFiles(st) {
		found, err := l.certificates(source{file: name}, maxStoreFile, maxStore-len(all))
		if err != nil {
			l.fail(err)
		}
		for _, c := range found {
			if !seen[string(c.Raw)] {
				seen[string(c.Raw)] = true
				all = append(all, c)
			}
		}
	}
	return all
}

// storeFiles are the files of a trust store, in the order of their names.
func (l *loader) storeFiles(st Store) []string {
	src := source{file: string(st)}
	entries, err := fs.ReadDir(l.FS, string(st))
	if errors.Is(err, fs.ErrNotExist) && !l.there(string(st)) {
		return nil
	}
	if err != nil {
		l.fail(l.unreadable(src, err))
		return nil
	}
	var names []string
	for _, e := range entries {
		if isPEM(e.Name()) {
			names = append(names, path.Join(string(st), e.Name()))
		}
	}
	if len(names) > maxStoreFiles {
		l.fail(src.fault("keep what is needed", "holds %d files, more than %d", len(names), maxStoreFiles))
		return nil
	}
	return names
}

// strangers warns of certificates and keys that are no unit's: a misspelt unit
// would be made anew, self-signed, beside them.
func (l *loader) strangers() {
	entries, err := fs.ReadDir(l.FS, ".")
	if err != nil {
		l.fail(l.unreadable(source{file: "."}, err))
		return
	}
	for _, e := range entries {
		name := e.Name()
		ext := path.Ext(name)
		if isRequestKey(name) || strings.HasPrefix(name, ".") || ext != ".pem" && ext != ".key" || Unit(strings.TrimSuffix(name, ext)).Known() {
			continue
		}
		l.warn(source{file: name}.fault("name it after a unit, or move it elsewhere", "is not looked at: there is no such unit"))
	}
}
