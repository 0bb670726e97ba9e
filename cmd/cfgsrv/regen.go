// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

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

// install puts a pair in place and tells what follows from it.
func (p *program) install(c *certFolder, pair certs.Pair, done string) error {
	u := pair.Unit
	old, err := c.trustOldCAPF(pair)
	if err != nil {
		return err
	}
	kept, err := certs.Install(c.dir(), c.archive(), pair)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, done)
	if kept != "" {
		fmt.Fprintf(p.stdout, "The old one is kept in %s\n", kept)
	}
	if old != "" {
		fmt.Fprintf(p.stdout, "Certificates that the old CAPF issued stay valid: it is now in CAPF-trust as %s\n", old)
	}
	fmt.Fprint(p.stdout, consequences[u])
	return nil
}

// consequences are what restarts after a change of a unit, and who must know of
// it first.
var consequences = map[certs.Unit]string{
	certs.CallManager: "A running server follows within two seconds: the listener phones, the trust lists, the signed files.\n" +
		"Reset all phones, so that they fetch the new trust list. Leave ITLRecovery alone until the last one has:\n" +
		"a phone that misses both changes accepts nothing from here any more.\n",
	certs.CallManagerECDSA: "A running server follows within two seconds: the listener phones, the trust lists.\n" +
		"Phones must have the new trust list before they download over TLS (6971): reset them.\n",
	certs.Tomcat:      jabberConsequence,
	certs.TomcatECDSA: jabberConsequence,
	certs.CAPF: "A running server follows within two seconds: the listeners capf, phones and jabber, the trust lists.\n" +
		"Phones must have the new trust list before they enrol: reset them.\n",
	certs.TVS: "A running server follows within two seconds: the listener tvs, the trust lists.\n" +
		"Phones must have the new trust list before they ask TVS: reset them.\n",
	certs.ITLRecovery: "A running server follows within two seconds: the trust lists, which it signs.\n" +
		"Reset all phones, so that they fetch the new trust list. Leave CallManager alone until the last one has:\n" +
		"phones verify the new list by it.\n",
}

const jabberConsequence = "A running server follows within two seconds: the listener jabber.\n" +
	"Jabber must trust the new certificate, or the authority that issued it, before it connects (6972).\n"

// trustOldCAPF puts the CAPF certificate that a new one replaces into
// CAPF-trust, and returns its name there: else no device could prove itself any
// more by a certificate that it holds.
func (c *certFolder) trustOldCAPF(next certs.Pair) (string, error) {
	if next.Unit != certs.CAPF {
		return "", nil
	}
	old, ok, err := certs.LoadUnit(os.DirFS(c.dir()), certs.CAPF)
	if err != nil || !ok || old.Leaf().Equal(next.Leaf()) {
		return "", nil // a broken one has issued nothing that is accepted now
	}
	done, err := certs.Trust(c.dir(), certs.CAPFTrust, old.Chain[:1])
	if err != nil {
		return "", fmt.Errorf("keeping the trust in the old CAPF: %w", err)
	}
	return done[0].Name, nil
}
