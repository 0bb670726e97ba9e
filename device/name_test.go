// SPDX-License-Identifier: Apache-2.0

package device

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       Name
	}{
		{"own file", "SEP001122334455.cnf.xml", "SEP001122334455"},
		{"lower case", "sep0011223344aa.cnf.xml", "SEP0011223344AA"},
		{"adapter", "ATA00112233449B.cnf.xml", "ATA00112233449B"},
		{"no suffix at all", "SEP001122334455", "SEP001122334455"},
		{"other suffix", "SEP001122334455.xml", "SEP001122334455"},
		{"back-up", "SEP001122334455.cnf.xml.bak", "SEP001122334455"},
		{"editor's back-up", "SEP001122334455.cnf.xml~", "SEP001122334455"},
		{"editor's swap file", ".SEP001122334455.cnf.xml.swp", "SEP001122334455"},
		{"copy", "Copy of SEP001122334455.cnf.xml", "SEP001122334455"},
		{"underscores", "old_SEP001122334455_2024.xml", "SEP001122334455"},
		{"in a folder", "phones/SEP001122334455.cnf.xml", "SEP001122334455"},
		{"as a folder", "SEP001122334455/dump.xml", "SEP001122334455"},
		{"folder and file: the file counts", "SEP001122334455/SEP00112233449A.cnf.xml", "SEP00112233449A"},
		{"after a byte that is no ASCII letter", "\xe9SEP001122334455.cnf.xml", "SEP001122334455"},
		{"second try in one element", "SEP0011 SEP001122334455", "SEP001122334455"},
		{"13 digits", "SEP0011223344556.cnf.xml", ""},
		{"11 digits", "SEP00112233445.cnf.xml", ""},
		{"letter before", "XSEP001122334455.cnf.xml", ""},
		{"digit before", "1SEP001122334455.cnf.xml", ""},
		{"letter behind", "SEP001122334455x.cnf.xml", ""},
		{"not hex", "SEP00112233445G.cnf.xml", ""},
		{"long s is no S", "\u017fEP001122334455.cnf.xml", ""},
		{"trust list", "ITLSEP001122334455.tlv", ""},
		{"separated MAC", "SEP00-11-22-33-44-55.cnf.xml", ""},

		{"Jabber", "CSFalice.cnf.xml", "CSFALICE"},
		{"Jabber on Android", "BOTBOB.cnf.xml", "BOTBOB"},
		{"Jabber on iPhone", "tctcarol.CNF.XML", "TCTCAROL"},
		{"Jabber on a tablet", "TABDAVE.cnf.xml", "TABDAVE"},
		{"Jabber copy", "Copy of CSFalice.cnf.xml", "CSFALICE"},
		{"Jabber numbered copy", "CSFalice (2).cnf.xml", "CSFALICE"},
		{"Jabber copy with words", "CSFalice - Copy.cnf.xml.bak", "CSFALICE"},
		{"Jabber back-up", "CSFalice.cnf.xml~", "CSFALICE"},
		{"user with a dot", "CSFa.b@example.cnf.xml", "CSFA.B@EXAMPLE"},
		{"user in bytes", "CSF\xe4nne.cnf.xml", "CSF\xe4NNE"},
		{"prefix within a user", "CSFanna-tabea.cnf.xml", "CSFANNA-TABEA"},
		{"MAC address before user", "TAB SEP001122334455.cnf.xml", "SEP001122334455"},
		{"MAC address after user", "TABLE-SEP001122334455.cnf.xml", "SEP001122334455"},
		{"Jabber in a folder", "jabber/CSFalice.cnf.xml", "CSFALICE"},
		{"no user", "CSF.cnf.xml", ""},
		{"no user, then one", "CSF.cnf.xml CSFalice.cnf.xml", "CSFALICE"},
		{"no .cnf.xml", "CSFalice.xml", ""},
		{".cnf.xml in another element", "CSFalice/x.cnf.xml", ""},
		{".cnf.xml before", "x.cnf.xml.CSFalice", ""},
		{"letter before Jabber", "xCSFalice.cnf.xml", ""},
		{"ordinary", "XMLDefault.cnf.xml", ""},
		{"ordinary, with the ending", "SPDefault.cnf.xml", ""},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Find(c.file)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("Find(%q) = %q, %v, want %q", c.file, got, ok, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]Name{
		"SEP001122334455":  "SEP001122334455",
		"ata0011223344ff":  "ATA0011223344FF",
		"CSFalice":         "CSFALICE",
		"CSF":              "",
		"CSFalice smith":   "",
		"CSFalice/..":      "",
		"SEP0011223344556": "",
		"XSEP001122334455": "",
		"tomcat":           "",
		"":                 "",
	} {
		if got, ok := Parse(in); got != want || ok != (want != "") {
			t.Errorf("Parse(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}

func TestIsMaster(t *testing.T) {
	for file, want := range map[string]bool{
		"SEP001122334455.cnf.xml":         true,
		"phones/sep001122334455.CNF.xml":  true,
		"CSFalice.cnf.xml":                true,
		"CSFalice smith.cnf.xml":          true,
		"Copy of SEP001122334455.cnf.xml": false,
		"SEP001122334455.cnf.xml.bak":     false,
		"SEP001122334455-old.cnf.xml":     false,
		"CSF.cnf.xml":                     false,
		"XMLDefault.cnf.xml":              false,
		"":                                false,
	} {
		if got := IsMaster(file); got != want {
			t.Errorf("IsMaster(%q) = %v, want %v", file, got, want)
		}
	}
	if got, want := Name("SEP001122334455").Master(), "SEP001122334455.cnf.xml"; got != want {
		t.Errorf("Master() = %q, want %q", got, want)
	}
}

// The name of a device does not depend on the case of the file's, is found in
// every copy and back-up, and its own file is its master.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"SEP001122334455.cnf.xml", "phones/CSFalice.cnf.xml", "CSF.CSF.CSF", "a/b/ATA00112233445566", "TAB\xff.cnf.xml",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		n, ok := Find(file)
		if ok != (n != "") {
			t.Fatalf("Find(%q) = %q, %v", file, n, ok)
		}
		if got, _ := Find(upper(file)); got != n {
			t.Errorf("Find(%q) = %q, but in upper case %q", file, n, got)
		}
		if !ok {
			return
		}
		if got, _ := Find(file + ".bak"); got != n {
			t.Errorf("Find(%q) = %q, but its back-up %q", file, n, got)
		}
		if again, ok := Parse(string(n)); !ok || again != n {
			t.Errorf("Find(%q) = %q, which Parse takes for %q, %v", file, n, again, ok)
		}
		if got, _ := Find(n.Master()); got != n || !IsMaster(n.Master()) {
			t.Errorf("Find(%q) = %q, whose master is of %q", file, n, got)
		}
		if strings.Contains(string(n), "/") || !strings.Contains(upper(file), string(n)) {
			t.Errorf("Find(%q) = %q, which is not in it", file, n)
		}
	})
}
