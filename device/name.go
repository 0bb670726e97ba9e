// SPDX-License-Identifier: Apache-2.0

// Package device knows the names of devices, and how a certificate proves one.
package device

import "strings"

// Name is a device's name in upper case, such as SEP001122334455 or CSFALICE.
// Two names are of the same device exactly if they are equal.
type Name string

// masterSuffix ends the name of a device's own file, in any case.
const masterSuffix = ".cnf.xml"

// Master is the name of the device's own file, DEVICE.cnf.xml.
func (n Name) Master() string { return string(n) + masterSuffix }

// Prefixes of device names, in upper case: hardware is followed by a MAC
// address, Jabber by a user.
var (
	hardware = [...]string{"SEP", "ATA"}
	jabber   = [...]string{"CSF", "BOT", "TCT", "TAB"}
)

const (
	prefixLen   = 3
	hardwareLen = prefixLen + 12
)

// IsMaster reports whether a file may be some device's own by its name, in any
// case. After a Jabber prefix anything may stand: better one file too many.
func IsMaster(file string) bool {
	file = file[strings.LastIndexByte(file, '/')+1:]
	stem := len(file) - len(masterSuffix)
	if stem < 0 || !equalFold(file[stem:], masterSuffix) {
		return false
	}
	return stem == hardwareLen && hardwareAt(file, 0) || stem > prefixLen && hasPrefix(file, jabber[:])
}

// Parse takes s, in any case, for the name of a device. It reports false if s
// is not exactly one.
func Parse(s string) (Name, bool) {
	if len(s) == hardwareLen && hardwareAt(s, 0) {
		return Name(upper(s)), true
	}
	if hasPrefix(s, jabber[:]) && len(s) > prefixLen && len(leadingUser(s[prefixLen:])) == len(s)-prefixLen {
		return Name(upper(s)), true
	}
	return "", false
}

// Find returns the device whose file this is, by its name alone: SEP or ATA and
// 12 hex digits with no ASCII letter or digit around them, or CSF, BOT, TCT or
// TAB and a user with .cnf.xml behind it, anywhere and in any case. So copies
// and back-ups are the device's too. Where several names qualify, those in the
// last element of the path count, then those with a MAC address, then the first.
//
// A user ends at a blank or bracket, so "CSFalice (2).cnf.xml" is CSFALICE's;
// "CSFalice-old.cnf.xml" is the file of another user.
func Find(file string) (Name, bool) {
	for {
		i := strings.LastIndexByte(file, '/')
		if n, ok := findInElement(file[i+1:]); ok {
			return n, true
		}
		if i < 0 {
			return "", false
		}
		file = file[:i]
	}
}

func findInElement(element string) (Name, bool) {
	for i := range len(element) {
		if hardwareAt(element, i) {
			return Name(upper(element[i : i+hardwareLen])), true
		}
	}
	for i := range len(element) {
		if user := userAt(element, i); user != "" {
			return Name(upper(element[i : i+prefixLen+len(user)])), true
		}
	}
	return "", false
}

// hardwareAt reports whether a name with a MAC address stands free at s[i:].
func hardwareAt(s string, i int) bool {
	end := i + hardwareLen
	if end > len(s) || !hasPrefix(s[i:], hardware[:]) || joined(s, i) {
		return false
	}
	for j := i + prefixLen; j < end; j++ {
		if !isHex(s[j]) {
			return false
		}
	}
	return end == len(s) || !isAlnum(s[end])
}

// userAt returns the user of the Jabber name at s[i:], if masterSuffix follows.
func userAt(s string, i int) string {
	if !hasPrefix(s[i:], jabber[:]) || joined(s, i) {
		return ""
	}
	rest := s[i+prefixLen:]
	user := leadingUser(rest)
	if end := indexSuffix(user); end >= 0 {
		return user[:end]
	}
	if indexSuffix(rest[len(user):]) < 0 {
		return ""
	}
	return user
}

// leadingUser is the longest start of s that may be a user's name.
func leadingUser(s string) string {
	for i := range len(s) {
		c := s[i]
		if !isAlnum(c) && c < 0x80 && !strings.ContainsRune("._-@+", rune(c)) {
			return s[:i]
		}
	}
	return s
}

// indexSuffix is where masterSuffix first stands in s, -1 if nowhere.
func indexSuffix(s string) int {
	for i := 0; i+len(masterSuffix) <= len(s); i++ {
		if equalFold(s[i:i+len(masterSuffix)], masterSuffix) {
			return i
		}
	}
	return -1
}

// joined reports whether a letter or digit stands right before s[i:].
func joined(s string, i int) bool { return i > 0 && isAlnum(s[i-1]) }

func hasPrefix(s string, prefixes []string) bool {
	if len(s) < prefixLen {
		return false
	}
	for _, p := range prefixes {
		if equalFold(s[:prefixLen], p) {
			return true
		}
	}
	return false
}

// equalFold disregards the case of ASCII letters alone: names are bytes, and ſ
// is no S.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if upperByte(a[i]) != upperByte(b[i]) {
			return false
		}
	}
	return true
}

func upper(s string) string {
	for i := range len(s) {
		if upperByte(s[i]) != s[i] {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				b[j] = upperByte(b[j])
			}
			return string(b)
		}
	}
	return s
}

func upperByte(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func isAlnum(c byte) bool {
	c = upperByte(c)
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z'
}

func isHex(c byte) bool {
	c = upperByte(c)
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F'
}
