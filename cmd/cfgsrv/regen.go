// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cfgsrv/certs"
)

// certWish are the flags that say what a certificate or a request is to be
// like.
type certWish struct {
	keySize            int
	hash, host         string
	sans               []string
	days               int
	organization, unit string
	multiServer, yes   bool
}

func (w *certWish) register(f *pflag.FlagSet) {
	f.IntVar(&w.keySize, "key-size", 0, "bits of the key: 256, 384, 521 for EC units (default 384), else 2048, 3072, 4096 (default 2048)")
	f.StringVar(&w.hash, "hash", "", "hash of the signature: SHA256, SHA384, SHA512 (default SHA384 for EC units, else SHA256)")
	f.StringVar(&w.host, "host", "", "the server's name or address (default the setting cluster.host)")
	f.StringSliceVar(&w.sans, "san", nil, "one more name or address of the server; may be given again")
	f.IntVar(&w.days, "days", 0, "days of validity (default 1825, ITLRecovery 7300)")
	f.StringVar(&w.organization, "organization", "", "O of the subject (default cfgsrv)")
	f.StringVar(&w.unit, "unit", "", "OU of the subject (default phones)")
	f.BoolVar(&w.yes, "yes", false, "answer the question with yes")
}

// template is the wish for a unit; every error is wrong usage.
func (w *certWish) template(u certs.Unit, given *pflag.FlagSet, s *settings) (certs.Template, error) {
	for name, value := range map[string]int{"key-size": w.keySize, "days": w.days} {
		if given.Changed(name) && value == 0 {
			return certs.Template{}, usagef("--%s 0 is not allowed; leave it out for the default", name)
		}
	}
	t := certs.Template{
		Unit: u, Host: s.Cluster.Host, SANs: w.sans, Days: w.days,
		Organization: w.organization, OrganizationalUnit: w.unit, Key: certs.KeySpec{Size: w.keySize},
	}
	setIf(&t.Host, w.host)
	if w.hash != "" {
		var err error
		if t.Key.Hash, err = certs.ParseHash(w.hash); err != nil {
			return t, usageError{err}
		}
	}
	return t, refusal(t.Check())
}

func (p *program) certRegenCommand() *cobra.Command {
	var w certWish
	cmd := &cobra.Command{
		Use:   "regen UNIT",
		Short: "Make a new key and self-signed certificate for a unit",
		Long: "regen makes a new key and a self-signed certificate for a unit, which a running server takes up by itself.\n" +
			"The old pair is kept in state/replaced.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.regen(cmd, args[0], &w) },
	}
	w.register(cmd.Flags())
	cmd.Flags().BoolVar(&w.multiServer, "multi-server", false, "")
	_ = cmd.Flags().MarkHidden("multi-server") // known, so that its refusal can say where it belongs
	return cmd
}

func (p *program) regen(cmd *cobra.Command, name string, w *certWish) error {
	u, err := findUnit(name)
	if err != nil {
		return err
	}
	if w.multiServer {
		return usagef("a self-signed certificate is for one server; for several use 'cfgsrv set csr gen %s --multi-server'", u)
	}
	c, err := p.certFolder()
	if err != nil {
		return err
	}
	t, err := w.template(u, cmd.Flags(), &c.settings)
	if err != nil {
		return err
	}
	if err := p.confirmReplacement(c, u, "regeneration", w.yes); err != nil {
		return err
	}
	pair, err := c.maker(cmd.Context()).SelfSigned(t)
	if err != nil {
		return err
	}
	p.warn(pair.Advice())
	done := "Successfully regenerated certificate for " + string(u) + "."
	if u == certs.ITLRecovery {
		done = "Successfully Regenerated Certificate for ITLRecovery." // the guide's own capitals
	}
	return p.install(c, pair, done)
}
