// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Replace puts a pair into the folder as UNIT.pem and UNIT.key, in place of
// what is there. Links are replaced, not written through. The pair is checked
// first, see [Pair.Check]; a fault changes nothing.
//
// At each moment [Load] sees the old pair or the new one, whole: certificate
// and key are written into one commit file, whose appearance is the moment of
// change, and then put into their places. Whoever is killed in between leaves
// the rest to [Recover]. The key is never on disk with a mode wider than 0600.
func Replace(dir string, p Pair) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	return replace(dir, p)
}

func replace(dir string, p Pair) error {
	r, err := newReplacement(dir, p)
	if err != nil {
		return err
	}
	if _, err := p.Check(); err != nil {
		return fmt.Errorf("replacing %s: %w", p.Unit, err)
	}
	return r.run()
}

// Recover finishes what a killed [Replace] has begun, and removes what it left
// behind before its change. It writes nothing if there is nothing to do, and
// waits for a Replace that is running. To be called before each [Load] by
// whoever may write to the folder.
func Recover(dir string) error {
	if left, err := leftovers(dir); err != nil || len(left) == 0 {
		return err
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	// Read again: what was there may have been of a Replace that has ended.
	left, err := leftovers(dir)
	if err != nil {
		return err
	}
	var found findings
	for _, name := range left {
		if strings.HasSuffix(name, tempSuffix) {
			err = explained(dir, os.Remove(filepath.Join(dir, name)))
		} else {
			err = finish(dir, name)
		}
		if err != nil {
			found.fail(err)
		}
	}
	return found.err()
}

// leftovers are the names of commit files and of files that did not get to
// their places.
func leftovers(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		if shut := (folder{os.DirFS(dir)}).shut(); shut != nil {
			return nil, shut
		}
		return nil, fmt.Errorf("looking for pairs that were being replaced: %w", err)
	}
	var left []string
	for _, e := range entries {
		if isLeftover(e.Name()) {
			left = append(left, e.Name())
		}
	}
	return left, nil
}

func isLeftover(name string) bool {
	for _, u := range Units() {
		if name == u.commitFile() {
			return true
		}
		for _, file := range []string{u.pemFile(), u.keyFile(), u.commitFile(), u.csrKeyFile()} {
			if ok, _ := filepath.Match("."+file+".*"+tempSuffix, name); ok {
				return true
			}
		}
	}
	return false
}

// finish puts the pair of a commit file into place.
func finish(dir, commitFile string) error {
	u := Unit(strings.TrimSuffix(strings.TrimPrefix(commitFile, "."), ".commit"))
	p, err := folder{os.DirFS(dir)}.committed(u)
	if err != nil {
		return err
	}
	r, err := newReplacement(dir, p)
	if err != nil {
		return err
	}
	r.committed = true
	return r.run()
}

// replacement is a pair on its way into the folder.
type replacement struct {
	dir       string
	unit      Unit
	certPEM   []byte
	keyPEM    []byte
	cert, key staged
	committed bool // the commit file is there
}

func newReplacement(dir string, p Pair) (*replacement, error) {
	if !p.Unit.Known() {
		return nil, fmt.Errorf("replacing %q: there is no such unit", p.Unit)
	}
	if p.Key == nil {
		return nil, fmt.Errorf("replacing %s: there is no key", p.Unit)
	}
	keyPEM, err := p.keyPEM()
	if err != nil {
		return nil, err
	}
	return &replacement{dir: dir, unit: p.Unit, certPEM: p.certificatePEM(), keyPEM: keyPEM}, nil
}

// steps are the whole way. All bytes are on the disk before the commit, so
// that a full one is noticed while nothing has changed.
func (r *replacement) steps() []func() error {
	return []func() error{r.stageCert, r.stageKey, r.commit, r.placeKey, r.placeCert, r.removeCommit}
}

func (r *replacement) run() error {
	defer func() {
		r.cert.discard()
		r.key.discard()
	}()
	for _, step := range r.steps() {
		if err := step(); err != nil {
			return r.failed(err)
		}
	}
	return nil
}

func (r *replacement) failed(err error) error {
	err = explained(r.dir, err)
	if r.committed {
		return fmt.Errorf("replacing %s: the new pair is in force, but only in %s; run it again: %w", r.unit, r.unit.commitFile(), err)
	}
	return fmt.Errorf("replacing %s: %w", r.unit, err)
}

func (r *replacement) stageCert() (err error) {
	r.cert, err = stage(r.dir, r.unit.pemFile(), r.certPEM, 0o644)
	return err
}

func (r *replacement) stageKey() (err error) {
	r.key, err = stage(r.dir, r.unit.keyFile(), r.keyPEM, 0o600)
	return err
}

// commit makes the pair count, if it does not already.
func (r *replacement) commit() error {
	if r.committed {
		return nil
	}
	for _, s := range []staged{r.cert, r.key} {
		if info, err := os.Lstat(s.target); err == nil && info.IsDir() {
			return fmt.Errorf("%s is a folder", s.target)
		}
	}
	both := append(append([]byte{}, r.certPEM...), r.keyPEM...)
	if err := writeFile(r.dir, r.unit.commitFile(), both, 0o600); err != nil {
		return err
	}
	r.committed = true
	return nil
}

func (r *replacement) placeKey() error { return r.key.place() }

func (r *replacement) placeCert() error { return r.cert.place() }

// removeCommit ends the replacement once both files are in their places for
// good.
func (r *replacement) removeCommit() error {
	if err := syncDir(r.dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.dir, r.unit.commitFile())); err != nil {
		return err
	}
	return syncDir(r.dir)
}
