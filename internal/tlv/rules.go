// SPDX-License-Identifier: Apache-2.0

package tlv

// Kind is what a tag's value is like.
type Kind uint8

const (
	// Bytes is any value.
	Bytes Kind = iota
	// Hex is the same, and listings show it, 16 bytes to a line.
	Hex
	// Text ends with the only NUL in it.
	Text
	// Host ends with a NUL and may hold more of them.
	Host
	// Container holds further fields, which follow it directly. Its length is
	// not relied on: writers disagreed on what it spans (FORMATS 9.1).
	Container
	// Padding is a single byte without length or value.
	Padding
)

// Rule says what a tag is called and what its value must be.
type Rule struct {
	Name string // Cisco's word, its spelling included
	Kind Kind
	Size int // bytes of the value, 0 for any number
}

// Rules are the rules of one kind of place, a header or a record, by tag. A
// tag without a name in it is unknown, and its value is not looked at.
type Rules []Rule

// unknown stands for every tag without a rule, so that looking one up
// allocates nothing.
var unknown = Rule{Name: "UNKNOWN"}

func (r Rules) of(tag byte) Rule {
	if int(tag) < len(r) && r[tag].Name != "" {
		return r[tag]
	}
	return unknown
}
