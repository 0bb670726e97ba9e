// SPDX-License-Identifier: Apache-2.0

package main

// httpsCipherChoices are the values of tls.https_ciphers, the enterprise
// parameter "HTTPS Ciphers".
var httpsCipherChoices = []string{
	"RSA Ciphers Only", "All Supported EC and RSA Ciphers", "EC Ciphers Only",
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
