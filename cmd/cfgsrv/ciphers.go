// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"slices"
	"strings"

	"cfgsrv/certs"
)

// httpsCiphers are the values of tls.https_ciphers, the enterprise parameter
// "HTTPS Ciphers": which certificates are offered.
var httpsCiphers = []struct {
	name string
	keys certs.Keys
}{
	{"RSA Ciphers Only", certs.RSAOnly},
	{"All Supported EC and RSA Ciphers", certs.ECAndRSA},
	{"EC Ciphers Only", certs.ECOnly},
}

func httpsCipherChoices() []string {
	names := make([]string, len(httpsCiphers))
	for i, c := range httpsCiphers {
		names[i] = c.name
	}
	return names
}

// httpsKeys is the meaning of a value that was checked.
func httpsKeys(name string) certs.Keys {
	for _, c := range httpsCiphers {
		if c.name == name {
			return c.keys
		}
	}
	return certs.ECAndRSA
}

// The values of tls.tls13_certificate_preference.
const (
	preferOurOrder    = "TLS 1.2 Ciphers Preference Order"
	preferClientOrder = "TLS 1.3 Signature Algorithm Preference Order"
)

// tlsListener is a listener that speaks TLS, and how.
type tlsListener struct {
	name    string
	profile certs.Profile
	units   []certs.Unit // that it shows, the preferred first
}

// tlsListeners are all that speak TLS, in the order of DESIGN 1.
func (s *settings) tlsListeners() []tlsListener {
	download := func(own tlsListenerSettings) certs.Profile {
		ciphers := s.TLS.HTTPSCiphers
		setIf(&ciphers, own.HTTPSCiphers)
		p := certs.Profile{
			Keys: httpsKeys(ciphers), ClientCertificates: true,
			ClientOrder: s.TLS.TLS13CertificatePreference == preferClientOrder, FIPS: s.Security.FIPS,
		}
		if s.TLS.MinVersion == "1.3" {
			p.MinVersion = tls.VersionTLS13
		}
		return p
	}
	return []tlsListener{
		{"phones", download(s.TLS.Phones), []certs.Unit{certs.CallManagerECDSA, certs.CallManager}},
		{"jabber", download(s.TLS.Jabber), []certs.Unit{certs.TomcatECDSA, certs.Tomcat}},
		{"capf", s.oldPhonesProfile(s.CAPF.TLSMinVersion, true), []certs.Unit{certs.CAPF}},
		{"tvs", s.oldPhonesProfile(s.TVS.TLSMinVersion, false), []certs.Unit{certs.TVS}},
	}
}

// oldPhonesProfile is for the listeners that phones of the 7900 series use too:
// they know TLS 1.0 and RSA alone, if the setting lets them in.
func (s *settings) oldPhonesProfile(minVersion string, clientCertificates bool) certs.Profile {
	p := certs.Profile{
		Keys: certs.RSAOnly, ClientCertificates: clientCertificates, MinVersion: tlsVersions[minVersion], FIPS: s.Security.FIPS,
	}
	if p.MinVersion < tls.VersionTLS12 {
		p.CipherSuites = certs.LegacySuites()
	}
	return p
}

// tlsVersions are the TLS versions as the settings write them.
var tlsVersions = map[string]uint16{
	"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13,
}

// tlsCipherChoice is one value of tls.tls_ciphers, the enterprise parameter
// "TLS Ciphers", with its suites in order of preference.
type tlsCipherChoice struct {
	name   string
	suites []string
}

// tlsCiphers are the six values that administrators know from Cisco's
// parameter, spelled as there.
var tlsCiphers = func() []tlsCipherChoice {
	const (
		rsa256   = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
		ecdsa256 = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
		rsa128   = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
		ecdsa128 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
		oldest   = "TLS_RSA_WITH_AES_128_CBC_SHA"
	)
	return []tlsCipherChoice{
		{"Strongest- AES-256 SHA-384 only: RSA Preferred", []string{rsa256, ecdsa256}},
		{"Strongest- AES-256 SHA-384 only: ECDSA Preferred", []string{ecdsa256, rsa256}},
		{"Medium- AES-256 AES-128 only: RSA Preferred", []string{rsa256, ecdsa256, rsa128, ecdsa128}},
		{"Medium- AES-256 AES-128 only: ECDSA Preferred", []string{ecdsa256, rsa256, ecdsa128, rsa128}},
		{"All Ciphers, RSA Preferred", []string{rsa256, ecdsa256, rsa128, ecdsa128, oldest}},
		{"All Ciphers, ECDSA Preferred", []string{ecdsa256, rsa256, ecdsa128, rsa128, oldest}},
	}
}()

func tlsCipherChoices() []string {
	names := make([]string, len(tlsCiphers))
	for i, c := range tlsCiphers {
		names[i] = c.name
	}
	return names
}

// offered are the suites in order, in FIPS mode without the last of "All
// Ciphers", whose key exchange is not approved.
func (c tlsCipherChoice) offered(fips bool) []string {
	return slices.DeleteFunc(slices.Clone(c.suites), func(name string) bool {
		return fips && strings.HasPrefix(name, "TLS_RSA_")
	})
}
