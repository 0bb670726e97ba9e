// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

func TestParseName(t *testing.T) {
	const (
		plain, signed, encrypted, list = configfiles.Plain, configfiles.Signed, configfiles.Encrypted, configfiles.TrustList
		sep                            = device.Name("SEP001122334455")
	)
	for _, c := range []struct {
		asked string
		base  string
		form  configfiles.Form
		owner device.Name
		list  configfiles.List
	}{
		{"Ringlist.xml", "Ringlist.xml", plain, "", 0},
		{"Ringlist.xml.sgn", "Ringlist.xml", signed, "", 0},
		{"Ringlist.xml.SGN", "Ringlist.xml", signed, "", 0},
		{"Ringlist.xml.enc.sgn", "Ringlist.xml", encrypted, "", 0},
		{"Ringlist.xml.Enc.Sgn", "Ringlist.xml", encrypted, "", 0},
		{"Ringlist.xml.enc", "Ringlist.xml.enc", plain, "", 0},
		{"Ringlist.xml.sgn.enc", "Ringlist.xml.sgn.enc", plain, "", 0},
		{"Ringlist.xml.sgn.sgn", "Ringlist.xml.sgn", signed, "", 0},
		{"Ringlist.xml.enc.sgn.enc.sgn", "Ringlist.xml.enc.sgn", encrypted, "", 0},
		{"a/b c/d.xml.sgn", "a/b c/d.xml", signed, "", 0},
		{".sgn", ".sgn", plain, "", 0},
		{"a/.sgn", "a/.sgn", plain, "", 0},
		{".enc.sgn", ".enc", signed, "", 0},
		{"sgn", "sgn", plain, "", 0},
		{"\xff\xfe\\..\\x", "\xff\xfe\\..\\x", plain, "", 0},
		{"...", "...", plain, "", 0},
		{"a..b/..c", "a..b/..c", plain, "", 0},
		{"SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml", plain, sep, 0},
		{"sep001122334455.cnf.xml.sgn", "sep001122334455.cnf.xml", signed, sep, 0},
		{"SEP001122334455.cnf.xml.enc.sgn", "SEP001122334455.cnf.xml", encrypted, sep, 0},
		{"x/CSFalice.cnf.xml.sgn", "x/CSFalice.cnf.xml", signed, "CSFALICE", 0},
		{"ITLSEP001122334455.tlv", "ITLSEP001122334455.tlv", list, sep, configfiles.ITL},
		{"ctlsep001122334455.TLV", "ctlsep001122334455.TLV", list, sep, configfiles.CTL},
		{"ITLATA00112233449B.tlv", "ITLATA00112233449B.tlv", list, "ATA00112233449B", configfiles.ITL},
		{"ITLFile.tlv", "ITLFile.tlv", list, "", configfiles.ITL},
		{"ctlfile.tlv", "ctlfile.tlv", list, "", configfiles.CTL},
		{"ITLFile.tlv.sgn", "ITLFile.tlv", signed, "", configfiles.ITL},
		{"CTLSEP001122334455.tlv.enc.sgn", "CTLSEP001122334455.tlv", encrypted, sep, configfiles.CTL},
		{"a/ITLFile.tlv", "a/ITLFile.tlv", plain, "", 0},
		{"ITL.tlv", "ITL.tlv", plain, "", 0},
		{"ITLCSFalice.tlv", "ITLCSFalice.tlv", plain, "", 0},
		{"ITLSEP0011223344556.tlv", "ITLSEP0011223344556.tlv", plain, "", 0},
		{"ITLFile.tlv.bak", "ITLFile.tlv.bak", plain, "", 0},
		{"MyConfigFileCacheList.txt", "MyConfigFileCacheList.txt", plain, "", 0},
	} {
		got, err := configfiles.ParseName(c.asked)
		want := configfiles.Name{Asked: c.asked, Base: c.base, Form: c.form, Device: c.owner, List: c.list}
		if err != nil || got != want {
			t.Errorf("ParseName(%q) = %+v, %v, want %+v", c.asked, got, err, want)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for name, asked := range map[string]string{
		"empty":                  "",
		"absolute":               "/etc/passwd",
		"only a slash":           "/",
		"parent":                 "..",
		"parent at the start":    "../x",
		"parent inside":          "a/../x",
		"parent at the end":      "a/..",
		"this folder":            "./x",
		"this folder inside":     "a/./x",
		"empty element":          "a//x",
		"folder":                 "a/",
		"NUL":                    "a\x00.xml",
		"control byte":           "a\nb",
		"delete":                 "a\x7f",
		"overlong":               strings.Repeat("a/", 512) + "ab",
		"overlong element":       "a/" + strings.Repeat("x", 256),
		"list of all files":      "ConfigFileCacheList.txt",
		"the same, other case":   "configfilecachelist.TXT",
		"the same, signed":       "ConfigFileCacheList.txt.sgn",
		"the same, encrypted":    "ConfigFileCacheList.txt.enc.sgn",
		"the same, signed twice": "ConfigFileCacheList.txt.sgn.sgn",
		"the same, in a folder":  "a/b/ConfigFileCacheList.txt",
	} {
		n, err := configfiles.ParseName(asked)
		if !errors.Is(err, fs.ErrNotExist) || n != (configfiles.Name{}) || err.Error() == "" {
			t.Errorf("%s: ParseName(%.40q) = %+v, %v, want a reason that is fs.ErrNotExist", name, asked, n, err)
		}
	}
	if _, err := configfiles.ParseName(strings.Repeat("a/", 511) + "ab"); err != nil {
		t.Errorf("a name of 1024 bytes: %v", err)
	}
}

func FuzzParseName(f *testing.F) {
	for _, seed := range []string{
		"SEP001122334455.cnf.xml.enc.sgn", "ITLFile.tlv", "a/../b", "/x", "a//b", ".sgn", "ConfigFileCacheList.txt.sgn", "\x00", "CSFalice.cnf.xml",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		n, err := configfiles.ParseName(asked)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("ParseName(%q) = %v, want fs.ErrNotExist", asked, err)
			}
			return
		}
		for _, name := range []string{n.Asked, n.Base} {
			if !filepath.IsLocal(name) || filepath.Clean(name) != name || strings.ContainsAny(name, "\x00\n\x7f") {
				t.Errorf("ParseName(%q) lets %q through", asked, name)
			}
		}
		suffixes := map[configfiles.Form]string{configfiles.Signed: ".sgn", configfiles.Encrypted: ".enc.sgn"}
		if n.Asked != asked || !strings.EqualFold(n.Base+suffixes[n.Form], asked) {
			t.Errorf("ParseName(%q) = %+v, which does not add up", asked, n)
		}
		if (n.Form == configfiles.TrustList) != (n.List != configfiles.NoList && n.Base == asked) {
			t.Errorf("ParseName(%q) = %+v: Form and List do not agree", asked, n)
		}
		if owner, _ := device.Find(asked); n.List == configfiles.NoList && owner != n.Device {
			t.Errorf("ParseName(%q) is of %q, want %q", asked, n.Device, owner)
		}
	})
}
