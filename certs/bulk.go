// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bulk is a folder in which clusters exchange their public certificates. Each
// cluster exports UNIT_CLUSTERID.p12 and manifest_CLUSTERID.json; one of them
// consolidates the exports of all into UNIT.p12; each reads that.
//
// What stands in the folder is believed only as far as it agrees with the
// manifests: a file that does not is refused, and nothing is taken from any.
type Bulk struct {
	Dir      string
	Password string // of the PKCS#12 files; empty: "changeit"
}

// Cluster names a cluster.
type Cluster struct {
	ID   string // of this cluster alone, see [ClusterID]
	Host string // its server
}

// Export writes the units' own certificates, without the chains: trust in these
// servers is meant, not in all that their issuers issue. What the cluster has
// exported of other units stays. The folder is made if it is missing.
func (b Bulk) Export(c Cluster, pairs []Pair) error {
	if err := makeFolder(b.Dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(b.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	m, err := b.manifest(c.ID)
	if errors.Is(err, fs.ErrNotExist) {
		m, err = manifest{Cluster: c.ID, Units: map[Unit][]string{}}, nil
	}
	if err != nil {
		return err
	}
	m.Host = c.Host
	for _, p := range pairs {
		leaf := []*x509.Certificate{p.Leaf()}
		if err := b.write(exportFile(p.Unit, c.ID), leaf); err != nil {
			return err
		}
		m.Units[p.Unit] = fingerprints(leaf)
	}
	// Last: a kill leaves files that disagree with the old manifest, which is
	// noticed, and not a manifest of files that are not there.
	return writeFile(b.Dir, manifestFile(c.ID), m.encode(), 0o644)
}

// Consolidate joins the exports of all clusters into one file for each of the
// units, and returns the clusters found.
func (b Bulk) Consolidate(units []Unit) ([]Cluster, error) {
	if err := b.exists(); err != nil {
		return nil, err
	}
	unlock, err := lock(b.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	manifests, err := b.manifests()
	if err != nil {
		return nil, err
	}
	joined := map[Unit][]*x509.Certificate{}
	for _, m := range manifests {
		for _, u := range units {
			found, err := b.exported(m, u)
			if err != nil {
				return nil, err
			}
			joined[u] = append(joined[u], slices.DeleteFunc(found, func(c *x509.Certificate) bool { return contains(joined[u], c) })...)
		}
	}
	for _, u := range units {
		if len(joined[u]) == 0 {
			return nil, fmt.Errorf("no cluster has exported %s to %s; use cfgsrv set cert bulk export %s there first", u, b.Dir, u)
		}
	}
	for _, u := range units {
		if err := b.write(consolidatedFile(u), joined[u]); err != nil {
			return nil, err
		}
	}
	return clustersOf(manifests), nil
}

// Others reads the consolidated files of the units, and returns the
// certificates of all clusters but the one with this id.
func (b Bulk) Others(id string, units []Unit) (map[Unit][]*x509.Certificate, error) {
	if err := b.exists(); err != nil {
		return nil, err
	}
	manifests, err := b.manifests()
	if err != nil {
		return nil, err
	}
	others := map[Unit][]*x509.Certificate{}
	for _, u := range units {
		all, err := b.read(consolidatedFile(u))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no %s in %s; use cfgsrv set cert bulk consolidate first", consolidatedFile(u), b.Dir)
		}
		if err != nil {
			return nil, err
		}
		if others[u], err = b.foreign(manifests, u, id, all); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// Units returns the units that any cluster has exported, in the order of
// [Units].
func (b Bulk) Units() ([]Unit, error) {
	if err := b.exists(); err != nil {
		return nil, err
	}
	manifests, err := b.manifests()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(Units(), func(u Unit) bool {
		return !slices.ContainsFunc(manifests, func(m manifest) bool { return len(m.Units[u]) > 0 })
	}), nil
}

// foreign checks a consolidated file against the manifests: each certificate in
// it is in one of them, and the other way round.
func (b Bulk) foreign(manifests []manifest, u Unit, id string, all []*x509.Certificate) ([]*x509.Certificate, error) {
	src := source{file: filepath.Join(b.Dir, consolidatedFile(u))}
	const again = "use cfgsrv set cert bulk consolidate again"
	owners := map[string]string{}
	for _, m := range manifests {
		for _, f := range m.Units[u] {
			// A certificate that several clusters share is foreign to each.
			if owners[f] == "" || owners[f] == id {
				owners[f] = m.Cluster
			}
		}
	}
	var found []*x509.Certificate
	for _, c := range all {
		owner, ok := owners[fingerprint(c)]
		if !ok {
			return nil, src.fault(again, "holds %s, which no cluster has exported", c.Subject)
		}
		if owner != id {
			found = append(found, c)
		}
	}
	held := fingerprints(all)
	for f, owner := range owners {
		if !slices.Contains(held, f) {
			return nil, src.fault(again, "lacks a certificate that the cluster %s has exported since", owner)
		}
	}
	return found, nil
}

// exported reads what one cluster has exported of a unit, nothing if it has not.
func (b Bulk) exported(m manifest, u Unit) ([]*x509.Certificate, error) {
	want, name := m.Units[u], exportFile(u, m.Cluster)
	src := source{file: filepath.Join(b.Dir, name)}
	const again = "export it again on that cluster"
	found, err := b.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(want) == 0:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, src.fault(again, "is missing, and stands in %s", manifestFile(m.Cluster))
	case err != nil:
		return nil, err
	case !slices.Equal(fingerprints(found), want):
		return nil, src.fault(again, "holds other certificates than stand in %s", manifestFile(m.Cluster))
	}
	return found, nil
}

func (b Bulk) exists() error {
	info, err := os.Stat(b.Dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder", b.Dir)
	}
	return err
}

// manifests reads the manifests of all clusters, in the order of their ids, and
// refuses PKCS#12 files that are of none.
func (b Bulk) manifests() ([]manifest, error) {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return nil, err
	}
	var all []manifest
	var names []string
	for _, e := range entries {
		if id, ok := manifestID(e.Name()); ok {
			m, err := b.manifest(id)
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
		if filepath.Ext(e.Name()) == ".p12" && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		if !ours(name, all) {
			return nil, source{file: filepath.Join(b.Dir, name)}.fault("remove it",
				"is not the export of any cluster with a manifest here")
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no cluster has exported anything to %s; use cfgsrv set cert bulk export first", b.Dir)
	}
	return all, nil
}

// ours says whether a PKCS#12 file may stand beside these manifests.
func ours(name string, all []manifest) bool {
	for _, u := range Units() {
		if name == consolidatedFile(u) {
			return true
		}
		if slices.ContainsFunc(all, func(m manifest) bool { return name == exportFile(u, m.Cluster) }) {
			return true
		}
	}
	return false
}
