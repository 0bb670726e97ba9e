// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/fips140"
	"crypto/tls"
	"slices"
	"strings"
)

// Offer is what a client may choose from: a [Profile] with the certificates
// that are there.
type Offer struct {
	Versions   []uint16      // ascending
	Suites     []uint16      // in the order of preference, those of TLS 1.3 first
	Groups     []tls.CurveID // in the order of preference
	Signatures []Signature   // by which the units prove themselves
	Units      []Unit        // in the order of preference
}

// Signature is a signature algorithm and the unit that has a key for it.
type Signature struct {
	Unit   Unit
	Scheme tls.SignatureScheme
}

// Offer returns what [Snapshot.ServerConfig] offers, and the same errors.
func (s *Snapshot) Offer(p Profile, units ...Unit) (*Offer, error) {
	presenter, err := s.presenter(p, units)
	if err != nil {
		return nil, err
	}
	o := &Offer{Groups: p.groups(), Suites: p.suites13()}
	for v := p.minVersion(); v <= tls.VersionTLS13; v++ {
		o.Versions = append(o.Versions, v)
	}
	for _, id := range suiteOrder {
		if o.Versions[0] < tls.VersionTLS13 && slices.Contains(p.suites(), id) && presenter.canUse(id) {
			o.Suites = append(o.Suites, id)
		}
	}
	for _, of := range presenter.offers {
		o.Units = append(o.Units, of.unit)
		for _, scheme := range approvedSignatures { // our keys have no others, FIPS or not
			if of.signs(o.Versions[0], scheme) {
				o.Signatures = append(o.Signatures, Signature{of.unit, scheme})
			}
		}
	}
	return o, nil
}

// canUse says whether a unit has the kind of key that a suite of TLS 1.2 needs.
func (p *presenter) canUse(suite uint16) bool {
	ecdsa := strings.Contains(tls.CipherSuiteName(suite), "_ECDSA_")
	return slices.ContainsFunc(p.offers, func(o offer) bool { return (o.curve != 0) == ecdsa })
}

// signs says whether the key signs so in a handshake of TLS 1.3, or of 1.2 if
// that is offered too.
func (o offer) signs(minVersion uint16, scheme tls.SignatureScheme) bool {
	hello := tls.ClientHelloInfo{
		SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{scheme},
	}
	if hello.SupportsCertificate(o.cert) == nil {
		return true
	}
	hello.SupportedVersions = []uint16{tls.VersionTLS12}
	hello.CipherSuites, hello.SupportedCurves = approvedSuites, []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}
	return minVersion <= tls.VersionTLS12 && hello.SupportsCertificate(o.cert) == nil
}

// suiteOrder is the order of crypto/tls among the suites of TLS 1.2 and below,
// for a client that puts AES before ChaCha20; to any other it prefers ChaCha20.
var suiteOrder = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// suites13 are those of TLS 1.3 in the order of crypto/tls, for the same
// client. They are left to it: only the module narrows them.
func (p Profile) suites13() []uint16 {
	all := []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}
	if fips140.Enabled() {
		all = p.filter(all)
	}
	return all
}

// GroupName is the name of a key exchange as people write it, such as P-384.
func GroupName(g tls.CurveID) string {
	if n, ok := strings.CutPrefix(g.String(), "CurveP"); ok {
		return "P-" + n
	}
	return strings.TrimPrefix(g.String(), "Curve")
}
