// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"cfgsrv/certs"
)

// fetchTime is how long the phones are given to fetch a trust list after one of
// its signers was replaced: some are switched off over a weekend or a holiday.
const fetchTime = 7 * 24 * time.Hour

// otherSigner is the second of the two certificates that a phone verifies trust
// lists by. A list that is signed by a new one is accepted as long as the phone
// knows the other.
var otherSigner = map[certs.Unit]certs.Unit{
	certs.CallManager: certs.ITLRecovery,
	certs.ITLRecovery: certs.CallManager,
}

// confirmReplacement asks whether a unit is to be replaced if that could lock
// phones out, and before each regeneration of ITLRecovery. doing is
// "regeneration" or "import".
func (p *program) confirmReplacement(c *certFolder, u certs.Unit, doing string, yes bool) error {
	var question strings.Builder
	if u == certs.ITLRecovery && doing == "regeneration" {
		question.WriteString("WARNING: phones verify every trust list by ITLRecovery, and will verify the next one by CallManager alone.\n" +
			"Leave CallManager alone until every phone has fetched the new trust list.\n")
	}
	at, err := c.replaced(otherSigner[u])
	if err != nil {
		return err
	}
	if time.Since(at) < fetchTime {
		fmt.Fprintf(&question, "WARNING: %s was replaced on %s. A phone that has not fetched the trust list since then\n"+
			"will know neither signer: it will accept no list and no configuration from here until its trust list is erased by hand.\n",
			otherSigner[u], at.Format("2006-01-02 at 15:04 UTC"))
	}
	if question.Len() == 0 {
		return nil
	}
	fmt.Fprintf(&question, "Proceed with %s (yes|no)? ", doing)
	return p.confirm(question.String(), yes)
}

// replaced says when a unit was last replaced; the zero time if never, or for
// no unit.
func (c *certFolder) replaced(u certs.Unit) (time.Time, error) {
	if u == "" {
		return time.Time{}, nil
	}
	present, ok, err := certs.LoadUnit(os.DirFS(c.dir()), u)
	if err != nil || !ok {
		return certs.LastReplaced(c.archive(), nil, u)
	}
	return certs.LastReplaced(c.archive(), present.Leaf(), u)
}
