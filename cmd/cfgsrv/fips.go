// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/fips140"
	"crypto/tls"
	"errors"
)

// checkFIPS tells what does not go with security.fips. What TLS offers needs no
// setting: it is narrowed to what is approved.
func (s *settings) checkFIPS(c *valueCheck) {
	if !s.Security.FIPS {
		return
	}
	if !fips140.Enabled() {
		c.fault("security.fips", "the FIPS 140-3 module is not active in this program; 'make fips' builds one in which it is")
	}
	if s.approvedFormatsOnly() && s.Cluster.FileSignatureAlgorithm == "SHA-1" {
		c.fault("cluster.file_signature_algorithm", "SHA-1 is not approved by FIPS 140-3; set SHA-512, "+
			"or security.fips_allow_legacy_formats = true for phones that know only SHA-1")
	}
	for _, t := range []struct{ key, version string }{
		{"capf.tls_min_version", s.CAPF.TLSMinVersion}, {"tvs.tls_min_version", s.TVS.TLSMinVersion},
	} {
		if v, ok := tlsVersions[t.version]; ok && v < tls.VersionTLS12 {
			c.fault(t.key, "TLS %s is not approved by FIPS 140-3; set 1.2 or 1.3", t.version)
		}
	}
	if s.CAPF.AllowSmallKeys {
		c.fault("capf.allow_small_keys", "RSA keys below 2048 bits are not approved by FIPS 140-3")
	}
}

// approvedFormatsOnly says whether files and lists do without what the phones'
// formats know but FIPS 140-3 does not approve: signatures with SHA-1, and the
// MD5 in certHash.
func (s *settings) approvedFormatsOnly() bool {
	return s.Security.FIPS && !s.Security.FIPSAllowLegacyFormats
}

// fipsWarnings tell what FIPS mode costs, or what it was told to let pass.
func (s *settings) fipsWarnings() []error {
	switch {
	case !s.Security.FIPS:
		return nil
	case s.approvedFormatsOnly():
		return []error{errors.New("FIPS mode leaves certHash empty, as it is an MD5: " +
			"phones with an encrypted configuration enrol instead of fetching it; see security.fips_allow_legacy_formats")}
	case s.Cluster.FileSignatureAlgorithm == "SHA-1":
		return []error{errors.New("legacy formats are allowed in FIPS mode: files and trust lists are signed with SHA-1, and certHash is an MD5")}
	}
	return []error{errors.New("legacy formats are allowed in FIPS mode: certHash is an MD5")}
}
