// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Memory keeps the certificates of all trust lists that there ever were, with
// the strings by which the lists named them: a phone with an old list is led to
// the new one by them. It is one file that is replaced as a whole. All methods
// may be called by several goroutines.
type Memory struct {
	path string

	mu     sync.Mutex
	listed []Listed // the oldest first
}

// maxRemembered bounds the file; a list has eight certificates or so, and
// seldom a new one.
const maxRemembered = 512

// remembered is how a Listed is stored.
type remembered struct {
	Certificate []byte `json:"certificate"` // DER
	Roles       []int  `json:"roles"`
	Subject     string `json:"subject,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
}

// OpenMemory reads the file at path; a file that does not exist is an empty
// one.
func OpenMemory(path string) (*Memory, error) {
	m := &Memory{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	var stored []remembered
	if err := json.Unmarshal(b, &stored); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	for _, r := range stored {
		l, err := r.listed()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		m.listed = append(m.listed, l)
	}
	return m, nil
}

func (r remembered) listed() (Listed, error) {
	c, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return Listed{}, err
	}
	l := Listed{Certificate: c, Subject: r.Subject, Issuer: r.Issuer}
	for _, role := range r.Roles {
		l.Roles = append(l.Roles, Role(role))
	}
	return l, nil
}

// Listed returns what is remembered, the oldest first.
func (m *Memory) Listed() []Listed {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.listed)
}

// Remember adds what a trust list holds. The disk is touched only if there is
// anything new; on an error nothing has changed. Of too many, those are forgotten
// that have not been listed for longest.
func (m *Memory) Remember(list ...Listed) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next, changed := slices.Clone(m.listed), false
	for _, l := range list {
		known := Listed{Certificate: l.Certificate}
		if at := find(next, l.fingerprint()); at >= 0 {
			known = next[at]
			next = slices.Delete(next, at, at+1)
		} else {
			changed = true
		}
		changed = known.join(l) || changed
		next = append(next, known)
	}
	if !changed {
		return nil
	}
	return m.replace(next[max(0, len(next)-maxRemembered):])
}

func find(list []Listed, fingerprint [sha256.Size]byte) int {
	return slices.IndexFunc(list, func(l Listed) bool { return l.fingerprint() == fingerprint })
}

// Forget removes a certificate, as its key is no longer to be trusted.
func (m *Memory) Forget(fingerprint [sha256.Size]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := find(m.listed, fingerprint)
	if at < 0 {
		return nil
	}
	return m.replace(slices.Delete(slices.Clone(m.listed), at, at+1))
}

// replace needs m.mu.
func (m *Memory) replace(next []Listed) error {
	stored := make([]remembered, len(next))
	for i, l := range next {
		stored[i] = remembered{Certificate: l.Certificate.Raw, Subject: l.Subject, Issuer: l.Issuer}
		for _, role := range l.Roles {
			stored[i].Roles = append(stored[i].Roles, int(role))
		}
	}
	b, err := json.MarshalIndent(stored, "", " ")
	if err == nil {
		err = writeFile(m.path, b)
	}
	if err != nil {
		return fmt.Errorf("remembering the trust list: %w", err)
	}
	m.listed = next
	return nil
}

// writeFile replaces a file such that a reader, and a kill at any moment, finds
// the old one or the new one.
func writeFile(path string, b []byte) error {
	beside, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(beside.Name())
	_, err = beside.Write(b)
	if err = errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return err
	}
	if err := os.Rename(beside.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
