// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

// The words that stand for several units in set cert bulk.
const (
	allUnits  = "all"
	tftpUnits = "tftp" // both kinds of what phones download by, always together
)

func (p *program) bulkCommand() *cobra.Command {
	bulk := &cobra.Command{
		Use:   "bulk",
		Short: "Exchange certificates with other clusters by way of a folder",
		Long: "Each cluster exports to the same folder, one of them consolidates, then each imports. tftp stands for CallManager\n" +
			"and CallManager-ECDSA together.",
		RunE: groupCommand,
	}
	for _, v := range []struct {
		verb, short string
		do          func(*certFolder, certs.Bulk, string) error
	}{
		{"export", "Write this cluster's public certificates to the folder", p.bulkExport},
		{"consolidate", "Join the exports of all clusters in the folder", p.bulkConsolidate},
		{"import", "Trust the certificates of all other clusters in the folder", p.bulkImport},
	} {
		var passwordFile string
		cmd := &cobra.Command{
			Use: v.verb + " {UNIT|tftp|all} DIR", Short: v.short, Args: cobra.ExactArgs(2),
			RunE: func(_ *cobra.Command, args []string) error {
				if _, err := findUnits(args[0]); err != nil {
					return err
				}
				c, err := p.certFolder()
				if err != nil {
					return err
				}
				password, err := readPassword(passwordFile)
				if err != nil {
					return err
				}
				return v.do(c, certs.Bulk{Dir: args[1], Password: password}, args[0])
			},
		}
		cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password of the PKCS#12 files, the same for all clusters (default password changeit)")
		bulk.AddCommand(cmd)
	}
	return bulk
}

// findUnits are the units that a word of set cert bulk stands for.
func findUnits(word string) ([]certs.Unit, error) {
	switch word {
	case allUnits:
		return certs.Units(), nil
	case tftpUnits:
		return []certs.Unit{certs.CallManager, certs.CallManagerECDSA}, nil
	}
	u, err := findUnit(word)
	if err != nil {
		return nil, usagef("%w, %s, %s", err, tftpUnits, allUnits)
	}
	return []certs.Unit{u}, nil
}

func (p *program) bulkExport(c *certFolder, b certs.Bulk, word string) error {
	units, err := findUnits(word)
	if err != nil {
		return err
	}
	var pairs []certs.Pair
	for _, u := range units {
		pair, ok, err := certs.LoadUnit(os.DirFS(c.dir()), u)
		switch {
		case err != nil:
			return findings{faults: separate(err)}.asError()
		case ok:
			pairs = append(pairs, pair)
		case word != allUnits:
			return fmt.Errorf("%s has no certificate; make one with 'cfgsrv set cert regen %s'", u, u)
		}
	}
	if len(pairs) == 0 {
		return fmt.Errorf("no unit has a certificate in %s", c.dir())
	}
	id, err := certs.ClusterID(c.data.state(), c.settings.Cluster.Host)
	if err != nil {
		return err
	}
	if err := b.Export(certs.Cluster{ID: id, Host: c.settings.Cluster.Host}, pairs); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Successfully exported %s certificate(s) to %s as cluster %s\n", word, b.Dir, id)
	return nil
}

func (p *program) bulkConsolidate(_ *certFolder, b certs.Bulk, word string) error {
	units, err := p.exchanged(b, word)
	if err != nil {
		return err
	}
	clusters, err := b.Consolidate(units)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Successfully consolidated %s certificate(s) of these clusters:\n", word)
	for _, c := range clusters {
		fmt.Fprintf(p.stdout, "%s (%s)\n", c.ID, c.Host)
	}
	return nil
}

// exchanged are the units that a word stands for; for all, those that some
// cluster has exported.
func (p *program) exchanged(b certs.Bulk, word string) ([]certs.Unit, error) {
	if word == allUnits {
		return b.Units()
	}
	return findUnits(word)
}

// bulkStores are the trust stores that another cluster's certificate is put
// into. Phone-SAST-trust is what TVS vouches for towards phones that come from
// that cluster.
var bulkStores = map[certs.Unit][]certs.Store{
	certs.CallManager:      {certs.CallManagerTrust, certs.PhoneSASTTrust},
	certs.CallManagerECDSA: {certs.CallManagerTrust, certs.PhoneSASTTrust},
	certs.ITLRecovery:      {certs.PhoneSASTTrust},
	certs.Tomcat:           {certs.TomcatTrust},
	certs.TomcatECDSA:      {certs.TomcatTrust},
	certs.CAPF:             {certs.CAPFTrust},
	certs.TVS:              {certs.TVSTrust},
}

func (p *program) bulkImport(c *certFolder, b certs.Bulk, word string) error {
	units, err := p.exchanged(b, word)
	if err != nil {
		return err
	}
	id, err := certs.ClusterID(c.data.state(), c.settings.Cluster.Host)
	if err != nil {
		return err
	}
	others, err := b.Others(id, units)
	if err != nil {
		return err
	}
	var lines []string
	for _, u := range units {
		for _, st := range bulkStores[u] {
			done, err := certs.Trust(c.dir(), st, others[u])
			if err != nil {
				return err
			}
			for _, d := range done {
				if d.New {
					lines = append(lines, filepath.Join(string(st), d.Name))
				}
			}
		}
	}
	fmt.Fprintf(p.stdout, "Successfully imported %s certificates.\n", word)
	for _, line := range lines {
		fmt.Fprintf(p.stdout, "Added %s\n", line)
	}
	if len(lines) == 0 {
		fmt.Fprintln(p.stdout, "All were there already")
	}
	return nil
}
