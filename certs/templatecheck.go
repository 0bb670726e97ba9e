// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"fmt"
	"strings"
)

// suffixMultiServer ends the host part of a common name that stands for all
// servers of a cluster.
const suffixMultiServer = "-ms"

// Check refuses a template that nothing can be made after, before a key is made
// for it. Each refusal is a [NotAllowedError].
func (t Template) Check() error {
	if !t.Unit.Known() {
		return &NotAllowedError{t.Unit, "a unit of this name", unitNames()}
	}
	if _, err := t.complete(); err != nil {
		return err
	}
	for _, name := range append([]string{t.Host}, t.SANs...) {
		if _, err := parseHost(name); err != nil {
			return &NotAllowedError{t.Unit, fmt.Sprintf("the name %q", name), "a DNS name in ASCII without a wildcard, or an IP address"}
		}
	}
	// The suffix tells the certificates of the two kinds of keys apart, so it is
	// added to the host's name, and no host is called so.
	if hasSuffixEC(t.Host) {
		return &NotAllowedError{t.Unit, fmt.Sprintf("the host %q", t.Host),
			fmt.Sprintf("the server's own name, to which %s is added for units with an EC key", suffixEC)}
	}
	return nil
}

// hasSuffixEC says whether a common name is one of an EC unit.
func hasSuffixEC(commonName string) bool {
	part := hostPart(commonName)
	return strings.HasSuffix(part, suffixEC) || strings.HasSuffix(part, suffixEC+suffixMultiServer)
}

func unitNames() string {
	var names []string
	for _, u := range Units() {
		names = append(names, string(u))
	}
	return strings.Join(names, ", ")
}
