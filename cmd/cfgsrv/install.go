// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"cfgsrv/certs"
)

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
