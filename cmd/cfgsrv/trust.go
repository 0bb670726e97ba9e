// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cfgsrv/trustlist"
	"cfgsrv/tvs"
)

func (d data) trustMemory() string { return filepath.Join(d.state(), "tvs.db") }

// prepareTVS makes what the tvs listener needs of a generation. It comes after
// the trust lists, whose certificates it vouches for.
func (l *loader) prepareTVS(g *generation, f *findings) {
	if old(g.settings.TVS.TLSMinVersion) {
		f.warnings = append(f.warnings, fmt.Errorf("tvs accepts TLS %s, for phones that know nothing newer; raise tvs.tls_min_version when they are gone", g.settings.TVS.TLSMinVersion))
	}
	var err error
	if g.listed, err = listedCertificates(g); err != nil {
		f.faults = append(f.faults, fmt.Errorf("tvs: %w", err))
		return
	}
	all := append(g.listed, tvs.Present(g.certs, g.settings.Cluster.SecurityMode == modeMixed)...)
	if l.memory != nil {
		all = append(all, l.memory.Listed()...)
	}
	g.tvs = tvs.Generation{TLS: g.tls["tvs"], Book: tvs.NewBook(all...), TTL: time.Duration(g.settings.TVS.TTL)}
}

// listedCertificates are those of the generation's trust lists, by the strings
// of the lists: phones send them back when they ask.
func listedCertificates(g *generation) ([]tvs.Listed, error) {
	var all []tvs.Listed
	for _, kind := range []trustlist.Kind{trustlist.ITL, trustlist.CTL} {
		b := g.derived.List(kind)
		if b == nil {
			continue
		}
		list, err := trustlist.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("reading our own %s: %w", kind, err)
		}
		for _, r := range list.Records() {
			cert, err := r.Certificate()
			if errors.Is(err, trustlist.ErrNoCertificate) {
				continue // a list without servers
			}
			if err != nil {
				return nil, fmt.Errorf("reading our own %s: %w", kind, err)
			}
			all = append(all, tvs.Listed{
				Certificate: cert, Roles: []tvs.Role{tvs.Role(r.Role())}, Subject: r.Subject(), Issuer: r.Issuer(),
			})
		}
	}
	return all, nil
}
