// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// Profile is what a TLS listener wants of [Snapshot.ServerConfig]. The zero
// value offers every certificate over TLS 1.2 and 1.3 and asks clients for
// none.
type Profile struct {
	// MinVersion is tls.VersionTLS10 to tls.VersionTLS13; zero is TLS 1.2. The
	// highest is always TLS 1.3. Below 1.2 CipherSuites must be given, such as
	// [LegacySuites].
	MinVersion uint16
	// Keys restricts the certificates to those of one kind of key.
	Keys Keys
	// CipherSuites are those of TLS 1.2 and below; nil is [DefaultSuites].
	// Their order means nothing: crypto/tls has its own among them, and which
	// certificate comes first is the order of units. Those of TLS 1.3 are not
	// configurable in Go.
	CipherSuites []uint16
	// ClientCertificates asks clients for a certificate. No names of
	// authorities are sent and the handshake accepts any certificate whose key
	// the client has, or none: what it proves is for the listener to judge,
	// which can then say in words why it proves nothing.
	ClientCertificates bool
	// NextProtos are the ALPN protocols; nil is none.
	NextProtos []string
	// FIPS offers only what FIPS 140-3 approves. It is also on whenever the
	// module is active, since crypto/tls then knows nothing else. Without the
	// module TLS 1.3 keeps ChaCha20: its suites are not configurable.
	FIPS bool
	// ClientOrder lets the client's order of signature algorithms decide over
	// TLS 1.3 which certificate it gets: Cisco's "TLS 1.3 Signature Algorithm
	// Preference Order". Otherwise, and over TLS 1.2, the order of units does.
	ClientOrder bool
}

// Keys says which kinds of certificates are offered: Cisco's enterprise
// parameter "HTTPS Ciphers".
type Keys uint8

// The kinds of certificates offered.
const (
	ECAndRSA Keys = iota // "All Supported EC and RSA Ciphers"
	RSAOnly              // "RSA Ciphers Only"
	ECOnly               // "EC Ciphers Only"
)

func (k Keys) offer(u Unit) bool {
	return k == ECAndRSA || u.EC() == (k == ECOnly)
}

// DefaultSuites returns the suites of TLS 1.2 that are offered unless a
// [Profile] says otherwise: forward secret all of them, authenticated
// encryption first, then the CBC ones that phones of the 7800 and 8800 series
// with old firmware need.
func DefaultSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	}
}

// LegacySuites returns [DefaultSuites] and those with RSA key exchange. Old
// phones know only these towards capf and tvs; there is no forward secrecy in
// them.
func LegacySuites() []uint16 {
	return append(DefaultSuites(),
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	)
}

// ServerConfig returns a configuration that presents the units, which stand in
// order of preference: a client gets the first that it can use. A unit that is
// missing is an error, except tomcat-ECDSA, which is then not presented.
//
// Each call returns a new one, with ticket keys of its own: a session of an
// older one does not resume. The caller must not modify it, and must not clone
// it, since clones share ticket keys.
//
// In a handshake that presents a unit, the connection below TLS is told by
// Presented(unit string), and when no unit suits the client by
// Unpresented(reason string), if it has those methods. A session of TLS 1.3
// that resumes presents nothing; one of TLS 1.2 tells what a full handshake
// would have presented.
func (s *Snapshot) ServerConfig(p Profile, units ...Unit) (*tls.Config, error) {
	presenter, err := s.presenter(p, units)
	if err != nil {
		return nil, err
	}
	return p.config(presenter), nil
}

func (p Profile) config(presenter *presenter) *tls.Config {
	config := &tls.Config{
		GetCertificate:   presenter.certificate,
		MinVersion:       p.minVersion(),
		MaxVersion:       tls.VersionTLS13,
		CipherSuites:     p.suites(),
		CurvePreferences: p.groups(),
		NextProtos:       slices.Clone(p.NextProtos),
		// Small records at first make a page appear sooner. Files are waited for
		// whole, and this makes them cheaper.
		DynamicRecordSizingDisabled: true,
	}
	if p.ClientCertificates {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

func (p Profile) minVersion() uint16 {
	if p.MinVersion == 0 {
		return tls.VersionTLS12
	}
	return p.MinVersion
}

func (p Profile) check() error {
	v := p.minVersion()
	if v < tls.VersionTLS10 || v > tls.VersionTLS13 {
		return fmt.Errorf("%s is no TLS version to begin with", tls.VersionName(v))
	}
	if v < tls.VersionTLS12 && p.approvedOnly() {
		return fmt.Errorf("%s is not approved by FIPS 140-3", tls.VersionName(v))
	}
	if v < tls.VersionTLS12 && p.CipherSuites == nil {
		return fmt.Errorf("%s needs its cipher suites named", tls.VersionName(v))
	}
	if p.CipherSuites != nil && len(p.CipherSuites) == 0 {
		return errors.New("an empty list of cipher suites serves nobody")
	}
	for _, id := range p.CipherSuites {
		if !configurable(id) {
			return fmt.Errorf("cipher suite %s cannot be chosen", tls.CipherSuiteName(id))
		}
	}
	if len(p.suites()) == 0 {
		return errors.New("none of the cipher suites is approved by FIPS 140-3")
	}
	return nil
}

// configurable says whether crypto/tls has the suite and lets it be chosen,
// which it does not for those of TLS 1.3.
func configurable(id uint16) bool {
	return slices.ContainsFunc(slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()), func(c *tls.CipherSuite) bool {
		return c.ID == id && slices.Contains(c.SupportedVersions, tls.VersionTLS12)
	})
}
