// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"strings"

	"cfgsrv/device"
)

// List is which trust list a name stands for.
type List uint8

// The trust lists of DESIGN 4.
const (
	NoList List = iota
	ITL
	CTL
)

// Limits of names in bytes, those of Linux for an element and far beyond any
// name a phone asks for.
const (
	maxName    = 1024
	maxElement = 255
)

// Why a name is not looked for.
var (
	errNameLength    = &NotFoundError{Reason: "the name is empty or too long"}
	errNameAbsolute  = &NotFoundError{Reason: "the name is absolute"}
	errNameByte      = &NotFoundError{Reason: "the name has a control byte"}
	errNameElement   = &NotFoundError{Reason: "the name has an empty, . or .. element"}
	errNameCacheList = &NotFoundError{Reason: "there is no list of all files"}
)

// Name is a name as a client asked for it, taken apart once.
type Name struct {
	// Asked is the name itself: a slash-separated relative path of bytes, with
	// no empty, "." or ".." element.
	Asked string
	// Base is Asked without .sgn or .enc.sgn.
	Base string
	// Form is Signed or Encrypted by the suffix, in any case. Without one it is
	// TrustList for a trust list, else Plain.
	Form Form
	// Device is the device whose file this is; empty for an ordinary file. For
	// a trust list it is the device in the name, for the log alone.
	Device device.Name
	// List is set where Base is ITLSEP….tlv, ITLFile.tlv, CTLSEP….tlv or
	// CTLFile.tlv, in any case and in no folder.
	List List
}

// ParseName takes a name apart as it stands: whatever encoding the transport
// has is undone before. A name that no file may have is an error that is
// fs.ErrNotExist and tells the log why. A backslash is a byte like any other,
// as it is to the file system.
func ParseName(asked string) (Name, error) {
	if err := checkName(asked); err != nil {
		return Name{}, err
	}
	n := Name{Asked: asked}
	n.Base, n.Form = cutForm(asked)
	if isCacheList(n.Base) {
		return Name{}, errNameCacheList
	}
	if n.List, n.Device = parseList(n.Base); n.List == NoList {
		n.Device, _ = device.Find(asked)
	} else if n.Form == Plain {
		n.Form = TrustList
	}
	return n, nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return errNameLength
	}
	if name[0] == '/' {
		return errNameAbsolute
	}
	for i := range len(name) {
		if name[i] < 0x20 || name[i] == 0x7f {
			return errNameByte
		}
	}
	for rest, more := name, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, "/")
		switch {
		case element == "" || element == "." || element == "..":
			return errNameElement
		case len(element) > maxElement:
			return errNameLength
		}
	}
	return nil
}

// cutForm takes .sgn or .enc.sgn off where something is left before it.
func cutForm(name string) (base string, form Form) {
	signed, ok := cutSuffix(name, ".sgn")
	if !ok {
		return name, Plain
	}
	if base, ok := cutSuffix(signed, ".enc"); ok {
		return base, Encrypted
	}
	return signed, Signed
}

func cutSuffix(name, suffix string) (before string, ok bool) {
	i := len(name) - len(suffix)
	if i <= 0 || name[i-1] == '/' || !equalFold(name[i:], suffix) {
		return name, false
	}
	return name[:i], true
}

// isCacheList says whether a name asks for the list of all files, signed
// however often.
func isCacheList(base string) bool {
	for form := Signed; form != Plain; {
		base, form = cutForm(base)
	}
	return equalFold(lastElement(base), "ConfigFileCacheList.txt")
}

// parseList recognises the trust lists of DESIGN 4.
func parseList(name string) (List, device.Name) {
	var list List
	switch {
	case hasPrefixFold(name, "ITL"):
		list = ITL
	case hasPrefixFold(name, "CTL"):
		list = CTL
	default:
		return NoList, ""
	}
	middle, ok := cutSuffix(name[len("ITL"):], ".tlv")
	if !ok {
		return NoList, ""
	}
	if equalFold(middle, "File") {
		return list, ""
	}
	// Jabber has no trust list of its own name.
	if n, ok := device.Parse(middle); ok && (hasPrefixFold(middle, "SEP") || hasPrefixFold(middle, "ATA")) {
		return list, n
	}
	return NoList, ""
}

func lastElement(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
