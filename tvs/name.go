// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// A phone asks for a certificate by the strings of the list or file that it
// was shown (FORMATS 7.4). Which strings those are depends on who wrote it: ours
// are remembered; for what others wrote, both known ways to write a name are
// tried (FORMATS 2.4).

// cucmOrder is the order in which CUCM writes a name, whatever the certificate's.
var cucmOrder = []string{"CN", "OU", "O", "L", "ST", "C"}

// keys are the attributes that have a short name in certutils' lists.
var keys = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C",
	"2.5.4.9": "STREET", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// spellings are the ways in which a name is written, CUCM's first; none for
// bytes that are no name.
func spellings(raw []byte) []string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return nil
	}
	var inOrder []string
	byKey := make(map[string][]string)
	for _, rdn := range name {
		for _, a := range rdn {
			oid := a.Type.String()
			key, ok := keys[oid]
			if !ok {
				key = oid
			}
			pair := fmt.Sprintf("%s=%v", key, a.Value)
			inOrder = append(inOrder, pair)
			byKey[key] = append(byKey[key], pair)
		}
	}
	var cucm []string
	for _, key := range cucmOrder {
		cucm = append(cucm, byKey[key]...)
	}
	return []string{strings.Join(cucm, ";"), strings.Join(inOrder, ",")}
}

// fold makes spellings of a name equal that differ in separator, escapes, case
// or blanks alone. A serial number stands beside each name that is compared, so
// that what else becomes equal does no harm.
func fold(name string) string {
	name = strings.NewReplacer(`\`, "", ";", ",").Replace(name)
	parts := strings.Split(strings.ToLower(name), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, ",")
}
