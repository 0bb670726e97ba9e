// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"

	"cfgsrv/certs"
)

// Listed is a certificate that phones may be told to trust.
type Listed struct {
	Certificate *x509.Certificate
	Roles       []Role
	// Subject and Issuer are the names as a trust list of ours wrote them; empty
	// if none did.
	Subject, Issuer string
}

func (l Listed) fingerprint() [sha256.Size]byte { return sha256.Sum256(l.Certificate.Raw) }

// join adds what another Listed of the same certificate says, and tells whether
// that is anything new.
func (l *Listed) join(other Listed) bool {
	before := len(l.Roles)
	roles := append(slices.Clone(l.Roles), other.Roles...)
	slices.Sort(roles)
	l.Roles = slices.Compact(roles)
	renamed := other.Issuer != "" && (l.Issuer != other.Issuer || l.Subject != other.Subject)
	if renamed {
		l.Subject, l.Issuer = other.Subject, other.Issuer
	}
	return renamed || len(l.Roles) != before
}

// Present returns what a snapshot vouches for: its units in their roles, the
// CallManager's depending on the security mode as in the trust list, and its
// trust stores, each in the role of what it holds.
func Present(s *certs.Snapshot, mixedMode bool) []Listed {
	callManager := TFTP
	if mixedMode {
		callManager = CCMTFTP
	}
	var all []Listed
	for _, u := range []struct {
		unit  certs.Unit
		roles []Role
	}{
		{certs.ITLRecovery, []Role{SAST}},
		{certs.CallManager, []Role{SAST, callManager}},
		{certs.CallManagerECDSA, []Role{CCMTFTP}},
		{certs.CAPF, []Role{CAPF}},
		{certs.TVS, []Role{TVS}},
		{certs.Tomcat, []Role{AppServer}},
		{certs.TomcatECDSA, []Role{AppServer}},
	} {
		if p, ok := s.Pair(u.unit); ok {
			all = append(all, Listed{Certificate: p.Leaf(), Roles: u.roles})
		}
	}
	for _, st := range []struct {
		store certs.Store
		role  Role
	}{
		{certs.PhoneSASTTrust, SAST},
		{certs.CallManagerTrust, CCMTFTP},
		{certs.CAPFTrust, CAPF},
		{certs.TVSTrust, TVS},
		{certs.TomcatTrust, AppServer},
	} {
		for _, c := range s.Trusted(st.store) {
			all = append(all, Listed{Certificate: c, Roles: []Role{st.role}})
		}
	}
	return all
}
