// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// manifest is manifest_CLUSTERID.json: what a cluster has exported.
type manifest struct {
	Format  string            `json:"format"` // manifestFormat
	Cluster string            `json:"cluster"`
	Host    string            `json:"host"`
	Units   map[Unit][]string `json:"units"` // SHA-256 of each certificate, lower-case hex, in the file's order
}

const manifestFormat = "cfgsrv bulk export 1"

func manifestFile(id string) string { return "manifest_" + id + ".json" }

func manifestID(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "manifest_")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, ".json")
}

func (m manifest) encode() []byte {
	m.Format = manifestFormat
	b, _ := json.MarshalIndent(m, "", "  ") // strings in maps and lists always encode
	return append(b, '\n')
}

// manifest reads the manifest of one cluster.
func (b Bulk) manifest(id string) (manifest, error) {
	name := manifestFile(id)
	data, err := b.readFile(name)
	if err != nil {
		return manifest{}, err
	}
	m, err := parseManifest(data)
	if err == nil && m.Cluster != id {
		err = fmt.Errorf("it is of the cluster %q", m.Cluster)
	}
	if err != nil {
		return manifest{}, source{file: filepath.Join(b.Dir, name)}.fault(
			"remove it, and export again on that cluster", "is damaged, or no manifest of cfgsrv: %v", err)
	}
	return m, nil
}

func parseManifest(data []byte) (manifest, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("something follows its end")
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("its format is %q, known is %q", m.Format, manifestFormat)
	}
	if !isClusterID(m.Cluster) {
		return m, fmt.Errorf("%q is no cluster's id", m.Cluster)
	}
	if m.Units == nil {
		return m, errors.New("it names no units")
	}
	for u, prints := range m.Units {
		if !u.Known() {
			return m, fmt.Errorf("%q is no unit", u)
		}
		for _, f := range prints {
			if b, err := hex.DecodeString(f); err != nil || len(b) != 32 || f != strings.ToLower(f) {
				return m, fmt.Errorf("%q is no fingerprint", f)
			}
		}
	}
	return m, nil
}

func clustersOf(all []manifest) []Cluster {
	var found []Cluster
	for _, m := range all {
		found = append(found, Cluster{m.Cluster, m.Host})
	}
	return found
}

// ClusterID returns the id by which this cluster is known among others. It is
// made of the host's name and chance at the first call, and kept in the file
// cluster-id of the state folder: two clusters with one host name stay apart,
// and one whose host is renamed stays the same.
func ClusterID(state, host string) (string, error) {
	if err := makeFolder(state, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(state)
	if err != nil {
		return "", err
	}
	defer unlock()
	const name = "cluster-id"
	data, err := os.ReadFile(filepath.Join(state, name))
	if errors.Is(err, fs.ErrNotExist) {
		id := newClusterID(host)
		return id, writeFile(state, name, []byte(id+"\n"), 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("reading this cluster's id: %w", err)
	}
	id := strings.TrimSpace(string(data))
	if !isClusterID(id) {
		return "", fmt.Errorf("reading this cluster's id: %s holds none; put the id back, or remove the file to get another", filepath.Join(state, name))
	}
	return id, nil
}

func newClusterID(host string) string {
	var chance [6]byte
	_, _ = rand.Read(chance[:]) // never fails
	part := strings.Map(func(r rune) rune {
		if isIDRune(r) {
			return r
		}
		return '-'
	}, strings.ToLower(hostPart(host)))
	part = strings.Trim(part[:min(len(part), 63)], "-.")
	return fmt.Sprintf("%s-%x", cmp.Or(part, "cluster"), chance)
}

// isClusterID keeps an id fit for file names: it comes from other clusters.
func isClusterID(id string) bool {
	return id != "" && len(id) <= 100 && id[0] != '-' && strings.IndexFunc(id, func(r rune) bool { return !isIDRune(r) }) < 0
}

func isIDRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.'
}
