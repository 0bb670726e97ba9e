// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

func (p *program) csrGenCommand() *cobra.Command {
	var w certWish
	cmd := &cobra.Command{
		Use:   "gen UNIT",
		Short: "Make a new key and a signing request for a unit",
		Long: "gen writes UNIT.csr and a key that becomes the unit's when the answer is imported.\n" +
			"The authority decides on the days of validity.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.genCSR(cmd, args[0], &w) },
	}
	w.register(cmd.Flags())
	cmd.Flags().BoolVar(&w.multiServer, "multi-server", false, "one certificate for all servers of the cluster: give their names with --san")
	return cmd
}

func (p *program) genCSR(cmd *cobra.Command, name string, w *certWish) error {
	u, err := findUnit(name)
	if err != nil {
		return err
	}
	c, err := p.certFolder()
	if err != nil {
		return err
	}
	t := certs.RequestTemplate{MultiServer: w.multiServer}
	if t.Template, err = w.template(u, cmd.Flags(), &c.settings); err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return refusal(err)
	}
	if _, pending, err := certs.LoadRequest(os.DirFS(c.dir()), u); pending || err != nil {
		err := p.confirm(fmt.Sprintf("WARNING: there is a request for %s already. An answer to it will be of no use any more.\n"+
			"Proceed with a new one (yes|no)? ", u), w.yes)
		if err != nil {
			return err
		}
	}
	r, err := c.maker(cmd.Context()).Request(t)
	if err != nil {
		return err
	}
	p.warn(r.Advice())
	if err := r.Save(c.dir()); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Successfully Generated CSR for %s.\n", u)
	fmt.Fprintf(p.stdout, "Send %s to the authority, and import its answer with 'cfgsrv set cert import own %s FILE'\n",
		filepath.Join(c.dir(), string(u)+".csr"), u)
	return nil
}
