// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cfgsrv/capf"
	"cfgsrv/certs"
	"cfgsrv/configfiles"
	"cfgsrv/device"
)

// storeWait bounds how long a command waits for the record of enrolments while
// another process writes to it.
const storeWait = 10 * time.Second

func (d data) enrolments() string { return filepath.Join(d.state(), "capf.db") }

func openEnrolments(ctx context.Context, d data) (*capf.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	store, err := capf.Open(ctx, d.enrolments())
	if err != nil {
		return nil, fmt.Errorf("opening the record of enrolments: %w", err)
	}
	return store, nil
}

// prepareCAPF makes what the capf listener needs of a generation.
func (l *loader) prepareCAPF(g *generation, f *findings) {
	pair, ok := g.certs.Pair(certs.CAPF)
	if !ok {
		if !l.lenient {
			f.faults = append(f.faults, fmt.Errorf("capf: there is no certificate of %s", certs.CAPF))
		}
		return
	}
	authority, err := l.authority(g, pair)
	if err != nil {
		f.faults = append(f.faults, fmt.Errorf("capf: %w", err))
		return
	}
	f.warnings = append(f.warnings, weakEnrolment(&g.settings.CAPF)...)
	trusted := g.certs.Pool(certs.CAPFTrust)
	trusted.AddCert(pair.Leaf())
	g.capf = capf.Generation{TLS: g.tls["capf"], Trusted: trusted, Authority: authority, Settings: enrolmentSettings(&g.settings.CAPF)}
}

// weakEnrolment tells what was opened for old phones.
func weakEnrolment(s *capfSettings) []error {
	var all []error
	if old(s.TLSMinVersion) {
		all = append(all, fmt.Errorf("capf accepts TLS %s, for phones that know nothing newer; raise capf.tls_min_version when they are gone", s.TLSMinVersion))
	}
	if s.AllowSmallKeys {
		all = append(all, errors.New("capf asks for and accepts RSA keys below 2048 bits; unset capf.allow_small_keys when no phone needs them"))
	}
	return all
}

// old says whether a TLS version is one that only old phones need.
func old(version string) bool { return version == "1.0" || version == "1.1" }

func (l *loader) authority(g *generation, pair certs.Pair) (capf.Authority, error) {
	if g.settings.cluster.OfflineCA {
		return capf.Offline{}, nil
	}
	return capf.NewIssuer(capf.IssuerConfig{
		CA: pair.Leaf(), Key: pair.Key, ValidityDays: g.settings.CAPF.ValidityDays, Healthy: l.healthy,
	})
}

func enrolmentSettings(s *capfSettings) capf.Settings {
	set := capf.Settings{RSAKeySize: s.RSAKeySize, ECKeySize: s.ECKeySize, AllowSmallKeys: s.AllowSmallKeys}
	// The word was checked with the settings.
	_ = set.KeyOrder.UnmarshalText([]byte(s.KeyOrder))
	return set
}

// knownDevices answers what the guard and the derived files ask about devices.
type knownDevices struct {
	certificates *device.Certificates
	enrolments   *capf.Store // nil: none is pending
}

var _ configfiles.Devices = knownDevices{}

func (k knownDevices) Certificate(n device.Name) (device.Certificate, bool) {
	return k.certificates.Get(n)
}

func (k knownDevices) Pending(n device.Name) bool {
	_, pending := k.Enrolment(n)
	return pending
}

// Enrolment is the capfAuthMode of a pending installation.
func (k knownDevices) Enrolment(n device.Name) (mode int, pending bool) {
	if k.enrolments == nil {
		return 0, false
	}
	p, ok := k.enrolments.Pending(n)
	if !ok || p.Operation == capf.None {
		return 0, false
	}
	return p.Auth.Mode(), true
}
