// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// clusterState is what the utils ctl and utils itl commands decide. It lies in
// state/ and is part of what a generation follows from.
type clusterState struct {
	SecurityMode string `json:"securityMode,omitempty"`
	// ITLByCallManager and CTLByCallManager let CallManager sign a list.
	ITLByCallManager bool `json:"itlByCallManager,omitempty"`
	CTLByCallManager bool `json:"ctlByCallManager,omitempty"`
	// PrepareMigration hands out an ITL without servers.
	PrepareMigration bool `json:"prepareMigration,omitempty"`
	// OfflineCA leaves LSCs to an external issuer (utils capf csr).
	OfflineCA bool `json:"offlineCA,omitempty"`
}

// generationState is the folder of what a generation follows from besides
// certificates and settings.
func (d data) generationState() string { return filepath.Join(d.state(), "generation") }

func (d data) clusterState() string { return filepath.Join(d.generationState(), "cluster.json") }

func readClusterState(d data) (clusterState, error) {
	var c clusterState
	b, err := os.ReadFile(d.clusterState())
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading the state of the cluster: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("reading the state of the cluster from %s: %w", d.clusterState(), err)
	}
	return c, nil
}

func writeClusterState(d data, c clusterState) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := makeFolder(d.generationState(), 0o700); err != nil {
		return err
	}
	return writeFile(d.clusterState(), append(b, '\n'), 0o600)
}
