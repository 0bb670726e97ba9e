// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/fips140"
	"crypto/tls"
	"slices"
)

// What SP 800-52 rev. 2 and SP 800-140C/D approve of what crypto/tls has, and
// what Go's FIPS 140-3 module was tested for.
var (
	approvedSuites = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384,
	}
	// Of the hybrids with ML-KEM (FIPS 203) those whose other half is approved
	// as well: no X25519.
	approvedGroups = []tls.CurveID{
		tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.CurveP256, tls.CurveP384, tls.CurveP521,
	}
	approvedSignatures = []tls.SignatureScheme{
		tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512,
		tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
		tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512,
	}
)

// approvedOnly says whether all else is left out.
func (p Profile) approvedOnly() bool { return p.FIPS || fips140.Enabled() }

// suites are those of TLS 1.2 and below that the profile offers.
func (p Profile) suites() []uint16 {
	all := p.CipherSuites
	if all == nil {
		all = DefaultSuites()
	}
	return p.filter(all)
}

// filter leaves the approved suites, if only these are offered.
func (p Profile) filter(suites []uint16) []uint16 {
	all := slices.Clone(suites)
	if p.approvedOnly() {
		all = slices.DeleteFunc(all, func(id uint16) bool { return !slices.Contains(approvedSuites, id) })
	}
	return all
}

// groups are the key exchanges. They are named so that the environment cannot
// change them; crypto/tls has its own order among them, which is this.
func (p Profile) groups() []tls.CurveID {
	all := []tls.CurveID{
		tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024,
		tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521,
	}
	if p.approvedOnly() {
		all = slices.DeleteFunc(all, func(g tls.CurveID) bool { return !slices.Contains(approvedGroups, g) })
	}
	return all
}
