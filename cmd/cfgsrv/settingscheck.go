// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cfgsrv/entropy"
)

// valueCheck collects the values that are not allowed.
type valueCheck struct {
	places places
	faults []error
}

func (c *valueCheck) fault(key, format string, a ...any) {
	err := fmt.Errorf("setting %s: %s", key, fmt.Sprintf(format, a...))
	if at := c.places[key]; at != "" {
		err = fmt.Errorf("%s: %w", at, err)
	}
	c.faults = append(c.faults, err)
}

func (c *valueCheck) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.fault(key, "%q is not allowed; choose one of %s", value, quoteAll(allowed))
	}
}

func (c *valueCheck) within(key string, value, low, high int) {
	if value < low || value > high {
		c.fault(key, "%d is not between %d and %d", value, low, high)
	}
}

// check returns every value that is not allowed, each with what is, and with
// where it stands.
func (s *settings) check(places places) []error {
	c := &valueCheck{places: places}
	s.Listen.check(c)
	s.Log.check(c)
	s.Cluster.check(c)
	s.TFTP.check(c)
	s.HTTPS.check(c)
	s.TLS.check(c)
	s.CAPF.check(c)
	s.TVS.check(c)
	s.Entropy.check(c)
	s.checkFIPS(c)
	return c.faults
}

func (s listenSettings) check(c *valueCheck) {
	for _, l := range s.all() {
		if err := checkListenAddress(l.addr); err != nil {
			c.fault("listen."+l.name, "%v", err)
		}
	}
}

func (s logSettings) check(c *valueCheck) {
	c.oneOf("log.level", s.Level, logLevels...)
	if s.Format != "" {
		c.oneOf("log.format", s.Format, logFormats...)
	}
}

func (s clusterSettings) check(c *valueCheck) {
	c.oneOf("cluster.security_mode", s.SecurityMode, modeNonSecure, modeMixed)
	c.oneOf("cluster.itl_signer_version", s.ITLSignerVersion, "1.0", "1.1")
	c.oneOf("cluster.file_signature_algorithm", s.FileSignatureAlgorithm, "SHA-1", "SHA-512")
}

func (s tftpSettings) check(c *valueCheck) {
	c.within("tftp.max_transfers", s.MaxTransfers, 1, 1<<20)
	c.within("tftp.max_per_address", s.MaxPerAddress, 1, 1<<20)
	c.within("tftp.block_size", s.BlockSize, 8, 65464)
}

func (s httpsSettings) check(c *valueCheck) {
	c.within("https.max_connections", s.MaxConnections, 1, 1<<20)
	c.within("https.max_per_address", s.MaxPerAddress, 1, 1<<20)
}

func (s tlsSettings) check(c *valueCheck) {
	c.oneOf("tls.min_version", s.MinVersion, "1.2", "1.3")
	c.oneOf("tls.https_ciphers", s.HTTPSCiphers, httpsCipherChoices()...)
	c.oneOf("tls.tls_ciphers", s.TLSCiphers, tlsCipherChoices()...)
	c.oneOf("tls.tls13_certificate_preference", s.TLS13CertificatePreference, preferOurOrder, preferClientOrder)
	for _, l := range []struct {
		name string
		tlsListenerSettings
	}{{"phones", s.Phones}, {"jabber", s.Jabber}} {
		if l.HTTPSCiphers != "" {
			c.oneOf("tls."+l.name+".https_ciphers", l.HTTPSCiphers, httpsCipherChoices()...)
		}
	}
}

func (s capfSettings) check(c *valueCheck) {
	c.oneOf("capf.key_order", s.KeyOrder, "RSA Only", "EC Only", "EC Preferred, RSA Backup")
	s.checkKeySizes(c)
	c.within("capf.validity_days", s.ValidityDays, 1, 7300)
	c.oneOf("capf.tls_min_version", s.TLSMinVersion, "1.0", "1.1", "1.2", "1.3")
}

func (s capfSettings) checkKeySizes(c *valueCheck) {
	sizes := []int{2048, 3072, 4096}
	if s.AllowSmallKeys {
		sizes = append([]int{512, 1024}, sizes...)
	}
	if !slices.Contains(sizes, s.RSAKeySize) {
		hint := ""
		if s.RSAKeySize == 512 || s.RSAKeySize == 1024 {
			hint = "; 512 and 1024 need capf.allow_small_keys = true"
		}
		c.fault("capf.rsa_key_size", "%d is not allowed; choose one of %v%s", s.RSAKeySize, sizes, hint)
	}
	if ec := []int{256, 384, 521}; !slices.Contains(ec, s.ECKeySize) {
		c.fault("capf.ec_key_size", "%d is not allowed; choose one of %v", s.ECKeySize, ec)
	}
}

func (s tvsSettings) check(c *valueCheck) {
	c.oneOf("tvs.tls_min_version", s.TLSMinVersion, "1.0", "1.1", "1.2", "1.3")
}

func (s entropySettings) check(c *valueCheck) {
	if interval := time.Duration(s.Interval); interval < time.Second {
		c.fault("entropy.interval", "%s is shorter than 1s", interval)
	}
	if s.MinEntropyBits < 0 || s.MinEntropyBits > 8 {
		c.fault("entropy.min_entropy_bits", "%g is not between 0 and 8", s.MinEntropyBits)
	}
	if _, err := entropy.Sources(s.Source); err != nil {
		c.fault("entropy.source", "%v", err)
	}
}

func quoteAll(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}
