// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"fmt"
	"os"
	"slices"
)

// Maker makes keys and certificates. The zero value is ready.
type Maker struct {
	// Healthy is asked before each key: while it returns an error no key is
	// made, and that error says why. Nil is always healthy.
	Healthy func() error
}

// Key makes a key for a unit.
func (m Maker) Key(u Unit, spec KeySpec) (crypto.Signer, error) {
	if m.Healthy != nil {
		if err := m.Healthy(); err != nil {
			return nil, fmt.Errorf("making a key for %s: %w", u, err)
		}
	}
	spec, err := u.KeySpec(spec.Size, spec.Hash)
	if err != nil {
		return nil, err
	}
	key, err := newKey(u, spec.Size)
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", u, err)
	}
	return key, nil
}

// SelfSigned makes a key and a self-signed certificate.
func (m Maker) SelfSigned(t Template) (Pair, error) {
	key, err := m.Key(t.Unit, t.Key)
	if err != nil {
		return Pair{}, err
	}
	return t.SelfSigned(key)
}

// CreateMissing makes a self-signed pair after the template for each unit that
// has neither certificate nor key in dir, and returns those units, in case of
// an error the ones made so far. It makes the folder too (0700), and never
// overwrites anything. The template's Unit is not looked at. A folder that
// lacks nothing is not written to.
func (m Maker) CreateMissing(dir string, t Template) ([]Unit, error) {
	if len(Missing(os.DirFS(dir))) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the certificates' folder: %w", explained(dir, err))
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var made []Unit
	for _, u := range Missing(os.DirFS(dir)) {
		t.Unit = u
		p, err := m.SelfSigned(t)
		if err != nil {
			return made, err
		}
		// Making a key takes its time, and somebody may have put one there.
		if !slices.Contains(Missing(os.DirFS(dir)), u) {
			continue
		}
		if err := replace(dir, p); err != nil {
			return made, err
		}
		made = append(made, u)
	}
	return made, nil
}
