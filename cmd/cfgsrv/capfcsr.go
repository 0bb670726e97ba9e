// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

// capfIssuerCommand chooses who signs LSCs.
func (p *program) capfIssuerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "issuer", Short: "Choose who signs LSCs", RunE: groupCommand}
	for _, v := range []struct {
		verb, short, done string
		offline           bool
	}{
		{"local", "Our CAPF certificate signs LSCs at once", "LSCs are signed here", false},
		{"offline", "An external CA signs: see 'utils capf csr'", "LSCs wait for an external CA; see 'cfgsrv utils capf csr dump'", true},
	} {
		cmd.AddCommand(&cobra.Command{Use: v.verb, Short: v.short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			l, err := p.loader()
			if err != nil {
				return err
			}
			state, err := readClusterState(l.data)
			if err != nil {
				return err
			}
			state.OfflineCA = v.offline
			if err := writeClusterState(l.data, state); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, v.done)
			return nil
		}})
	}
	return cmd
}

// capfCSRCommand carries requests to an external CA and its answers back.
func (p *program) capfCSRCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "csr",
		Short: "Carry requests for LSCs to an external CA and back",
		Long: "A phone sends its bare public key, so a request is DEVICE.pub, a PEM public key. OpenSSL issues from it:\n" +
			"  openssl x509 -new -subj /CN=DEVICE -force_pubkey DEVICE.pub -CA ca.pem -CAkey ca.key -out DEVICE.pem",
		RunE: groupCommand,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "dump DIR", Short: "Write every waiting request to a folder", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				_, store, err := p.enrolments(cmd.Context())
				if err != nil {
					return err
				}
				requests, err := store.Requests(cmd.Context())
				if err != nil {
					return err
				}
				if err := makeFolder(args[0], 0o755); err != nil {
					return err
				}
				for _, r := range requests {
					if err := writeFile(filepath.Join(args[0], string(r.Device)+".pub"), r.PEM(), 0o644); err != nil {
						return err
					}
				}
				fmt.Fprintf(p.stdout, "%d requests written\n", len(requests))
				return nil
			},
		},
		&cobra.Command{
			Use: "import FILE...", Short: "Take certificates that the external CA has issued", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				l, store, err := p.enrolments(cmd.Context())
				if err != nil {
					return err
				}
				s, faults := l.settings()
				if len(faults) > 0 {
					return findings{faults: faults}.asError()
				}
				snapshot, err := certs.Load(os.DirFS(s.Certs))
				if err != nil {
					return err
				}
				roots := snapshot.Pool(certs.CAPFTrust)
				if pair, ok := snapshot.Pair(certs.CAPF); ok {
					roots.AddCert(pair.Leaf())
				}
				var failed error
				for _, path := range args {
					chain, err := readCertificates(path)
					if err == nil {
						_, err = store.Answer(cmd.Context(), chain[0], roots)
					}
					if err != nil {
						failed = errors.Join(failed, fmt.Errorf("importing %s: %w", path, err))
						continue
					}
					fmt.Fprintf(p.stdout, "%s imported; the device gets it at its next connection\n", path)
				}
				return failed
			},
		},
	)
	return cmd
}
