// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
)

// suffixEC ends the host part of an EC unit's common name, so that phones can
// tell it from the RSA certificate of the same host.
const suffixEC = "-EC"

// maxName is the longest common name, organization or unit in a subject, in
// characters (X.520, ub-common-name and its like).
const maxName = 64

// host is a DNS name or an address, as it stands in certificates.
type host struct {
	name string
	addr netip.Addr // valid if the name is an address
}

// parseHost accepts an address, or a DNS name in ASCII; a final dot is cut.
func parseHost(s string) (host, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return host{addr.Unmap().String(), addr.Unmap()}, nil
	}
	name := strings.TrimSuffix(s, ".")
	if len(name) > 253 {
		return host{}, fmt.Errorf("host name %.20q… is longer than 253 characters", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return host{}, fmt.Errorf("%q is neither a host name nor an address", s)
		}
	}
	return host{name: name}, nil
}

// isLabel takes the underscore too, which names inside Windows networks have.
// A wildcard is no host: phones do not know them.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) < 0
}

// hostPart is the first label of a name, all of it if it is an address, with
// the suffixes of common names or without.
func hostPart(name string) string {
	bare := strings.TrimSuffix(strings.TrimSuffix(name, suffixMultiServer), suffixEC)
	if _, err := netip.ParseAddr(bare); err == nil {
		return name
	}
	part, _, _ := strings.Cut(name, ".")
	return part
}

// commonName is the unit's name in its subject.
func commonName(u Unit, h host) string {
	switch {
	case u == CAPF:
		// Random, so that phones tell a new CAPF from the one it replaces.
		var id [4]byte
		_, _ = rand.Read(id[:]) // never fails
		return fmt.Sprintf("CAPF-%x", id)
	case u == ITLRecovery:
		return fitName("ITLRECOVERY_", h.name, "")
	case u.EC():
		return fitName("", h.name, suffixEC)
	}
	return fitName("", h.name, "")
}

// fitName puts prefix and suffix around the host part of a name. Where that is
// longer than a common name may be, the domain is left out, then the host part
// is cut: the whole name stands among the alternative names, which is where
// clients look.
func fitName(prefix, name, suffix string) string {
	part := hostPart(name)
	full := prefix + part + suffix + name[len(part):]
	if len(full) <= maxName {
		return full
	}
	room := min(len(part), maxName-len(prefix)-len(suffix))
	return prefix + strings.TrimRight(part[:room], "-") + suffix
}
