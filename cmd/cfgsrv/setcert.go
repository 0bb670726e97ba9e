// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

// givenFile is a file with certificates, as the flags describe it.
type givenFile struct {
	name, key, password string // file names
}

func (p *program) certImportCommand() *cobra.Command {
	imp := &cobra.Command{Use: "import", Short: "Import a unit's own certificate, or one to trust", RunE: groupCommand}
	var own, trust givenFile
	var yes bool
	ownCmd := &cobra.Command{
		Use:   "own UNIT FILE",
		Short: "Import a unit's own certificate: the answer to its request, or one with its key",
		Long: "own imports PEM, DER, PKCS#7 or PKCS#12, the chain in any order; - is the standard input. The chain must lead to\n" +
			"a certificate in the unit's trust store. The old pair is kept in state/replaced.",
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			own.name = args[1]
			return p.importOwn(args[0], own, yes)
		},
	}
	ownCmd.Flags().StringVar(&own.key, "key", "", "file with the key, unless it is that of the request or the present one")
	ownCmd.Flags().StringVar(&own.password, "password-file", "", "file with the password of PKCS#12")
	ownCmd.Flags().BoolVar(&yes, "yes", false, "answer the question with yes")
	trustCmd := &cobra.Command{
		Use:   "trust STORE FILE",
		Short: "Import certificates into a trust store",
		Long:  "trust imports every certificate of a file in PEM, DER, PKCS#7 or PKCS#12; - is the standard input.",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			trust.name = args[1]
			return p.importTrust(args[0], trust)
		},
	}
	trustCmd.Flags().StringVar(&trust.password, "password-file", "", "file with the password of PKCS#12")
	imp.AddCommand(ownCmd, trustCmd)
	return imp
}

func (p *program) importOwn(name string, given givenFile, yes bool) error {
	u, err := findUnit(name)
	if err != nil {
		return err
	}
	c, err := p.certFolder()
	if err != nil {
		return err
	}
	answer := certs.Answer{Unit: u}
	if answer.Bundle, err = p.readBundle(given); err != nil {
		return err
	}
	if answer.Keys, err = c.ownKeys(u); err != nil {
		return err
	}
	if answer.Trusted, err = c.trusted(u.TrustStore()); err != nil {
		return err
	}
	pair, warnings, err := answer.Pair()
	if err != nil {
		return findings{faults: separate(err)}.asError()
	}
	p.warn(warnings)
	if err := p.confirmReplacement(c, u, "import", yes); err != nil {
		return err
	}
	return p.install(c, pair, fmt.Sprintf("Successfully imported certificate for %s.", u))
}

// readBundle reads what a file holds; a key in a file of its own joins it.
func (p *program) readBundle(given givenFile) (certs.Bundle, error) {
	password, err := readPassword(given.password)
	if err != nil {
		return certs.Bundle{}, err
	}
	data, err := p.readGiven(given.name)
	if err != nil {
		return certs.Bundle{}, err
	}
	b, err := certs.ParseBundle(given.name, data, password)
	if err != nil || given.key == "" {
		return b, err
	}
	if data, err = readLimited(given.key, maxImported); err != nil {
		return certs.Bundle{}, err
	}
	b.Key, err = certs.ParseKey(given.key, data)
	return b, err
}

// ownKeys are the keys that an answer may belong to: that of the pending
// request, then the present one. A present one that cannot be read is none: to
// replace it may be why somebody imports.
func (c *certFolder) ownKeys(u certs.Unit) ([]crypto.Signer, error) {
	var keys []crypto.Signer
	pending, err := certs.PendingKey(os.DirFS(c.dir()), u)
	if err != nil {
		return nil, err
	}
	if pending != nil {
		keys = append(keys, pending)
	}
	if present, ok, err := certs.LoadUnit(os.DirFS(c.dir()), u); err == nil && ok && present.Key != nil {
		keys = append(keys, present.Key)
	}
	return keys, nil
}

func (p *program) importTrust(store string, given givenFile) error {
	st, err := findStore(store)
	if err != nil {
		return err
	}
	c, err := p.certFolder()
	if err != nil {
		return err
	}
	b, err := p.readBundle(given)
	if err != nil {
		return err
	}
	if b.Key != nil {
		return fmt.Errorf("%s holds a private key, which does not belong into a trust store (give the certificates alone)", given.name)
	}
	done, err := certs.Trust(c.dir(), st, b.Certificates)
	if err != nil {
		return err
	}
	for _, d := range done {
		if d.New {
			fmt.Fprintf(p.stdout, "Successfully imported certificate for %s: %s\n", st, d.Name)
		} else {
			fmt.Fprintf(p.stdout, "Already in %s: %s\n", st, d.Name)
		}
	}
	return nil
}

func (p *program) certDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delete STORE NAME",
		Short: "Delete a certificate from a trust store",
		Long:  "delete removes a file from a trust store; its name, which show cert list trust prints, may come without .pem.",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := findStore(args[0])
			if err != nil {
				return err
			}
			c, err := p.certFolder()
			if err != nil {
				return err
			}
			name, err := certs.Distrust(c.dir(), st, args[1])
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("there is no %s in %s; 'cfgsrv show cert list trust' prints what there is", args[1], st)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "Successfully deleted certificate from %s: %s\n", st, name)
			return nil
		},
	}
}
