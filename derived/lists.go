// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"crypto"
	"crypto/x509"
	"errors"

	"cfgsrv/certs"
	"cfgsrv/trustlist"
)

// Lists says what the trust lists are to be like.
type Lists struct {
	Host string // this server's name in the records
	// Mixed is a cluster with secure phones: there is a CTL, and CallManager
	// may sign both files and signalling.
	Mixed bool
	// SignerVersion 1.1 makes phones use HTTPS on 6971 and elliptic curves.
	SignerVersion trustlist.Version
	// ITLByCallManager and CTLByCallManager let CallManager, the second SAST,
	// sign a list, for phones that do not know ITLRecovery any more.
	ITLByCallManager bool
	CTLByCallManager bool
	// Emptied gives phones that are about to move a list without servers, after
	// which they take any list.
	Emptied bool
}

// signedByCallManager says whether CallManager signs a list: because it was
// asked for, or because the key of ITLRecovery is kept offline.
func (c *Config) signedByCallManager(k trustlist.Kind) bool {
	recovery, ok := c.Certs.Pair(certs.ITLRecovery)
	if !ok || recovery.Key == nil {
		return true
	}
	if k == trustlist.CTL {
		return c.Lists.CTLByCallManager
	}
	return c.Lists.ITLByCallManager
}

func (c *Config) buildITL() ([]byte, error) {
	callManager := trustlist.TFTP
	if c.Lists.Mixed {
		callManager = trustlist.CCMTFTP
	}
	spec := c.spec(trustlist.ITL)
	spec.Entries = c.entries([]wantedEntry{
		{certs.ITLRecovery, trustlist.SAST},
		{certs.CallManager, trustlist.SAST},
		{certs.CallManager, callManager},
		{certs.CallManagerECDSA, trustlist.CCMTFTP},
		{certs.CAPF, trustlist.CAPF},
		{certs.TVS, trustlist.TVS},
		{certs.Tomcat, trustlist.AppServer},
	})
	if c.Lists.Emptied {
		spec = spec.Emptied()
	}
	return c.sign(spec)
}

func (c *Config) buildCTL() ([]byte, error) {
	spec := c.spec(trustlist.CTL)
	spec.Entries = c.entries([]wantedEntry{
		{certs.ITLRecovery, trustlist.SAST},
		{certs.CallManager, trustlist.SAST},
		{certs.CallManager, trustlist.CCMTFTP},
		{certs.CallManagerECDSA, trustlist.CCMTFTP},
		{certs.CAPF, trustlist.CAPF},
	})
	return c.sign(spec)
}

func (c *Config) spec(k trustlist.Kind) trustlist.Spec {
	return trustlist.Spec{Kind: k, Time: c.Time, Digest: c.Digest, SignerVersion: c.Lists.SignerVersion}
}

// wantedEntry is a unit with the role that it has in a list.
type wantedEntry struct {
	unit certs.Unit
	role trustlist.Role
}

// entries leaves out units that there are not. A record of an elliptic curve
// needs signer version 1.1, so older lists go without.
func (c *Config) entries(wanted []wantedEntry) []trustlist.Entry {
	var all []trustlist.Entry
	for _, w := range wanted {
		pair, ok := c.Certs.Pair(w.unit)
		if !ok || w.unit.EC() && !c.curvesKnown() {
			continue
		}
		all = append(all, trustlist.Entry{Certificate: pair.Leaf(), Role: w.role, Host: c.Lists.Host})
	}
	return all
}

func (c *Config) curvesKnown() bool { return c.Lists.SignerVersion.Minor >= 1 }

func (c *Config) sign(spec trustlist.Spec) ([]byte, error) {
	cert, key, err := c.listSigner(spec.Kind)
	if err != nil {
		return nil, err
	}
	return trustlist.Build(spec, cert, key)
}

func (c *Config) listSigner(k trustlist.Kind) (*x509.Certificate, crypto.Signer, error) {
	unit := certs.ITLRecovery
	if c.signedByCallManager(k) {
		unit = certs.CallManager
	}
	pair, ok := c.Certs.Pair(unit)
	if !ok || pair.Key == nil {
		return nil, nil, errors.New("neither ITLRecovery nor CallManager has a key to sign with")
	}
	return pair.Leaf(), pair.Key, nil
}
