// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readFaults reads settings of that text and returns its faults without the path.
func readFaults(t *testing.T, text string) (settings, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cfgsrv.toml")
	write(t, path, text)
	s, places, faults := readSettings(path)
	s.Cluster.SecurityMode = modeNonSecure
	var lines []string
	for _, err := range append(faults, s.check(places)...) {
		lines = append(lines, strings.ReplaceAll(err.Error(), path+":", ""))
	}
	return s, lines
}

func TestEveryFaultOfTheSettingsIsTold(t *testing.T) {
	_, got := readFaults(t, `files = 5
colour = "red"
[log]
level = debug
format = "xml"
[[https]]
max_connections = 0
[tftp]
block_size = "many"
max_transfers = 0
single_port = "yes"
[phones]
anything = 1
[tls]
phones = { https_ciphers = 7, extra = 1 }
[tvs]
ttl = 24
ttl = "1h"
[entropy
source = "unread"
[entropy]
interval = "often"
min_entropy_bits = [1, 2]
[tftp]
max_per_address = 0
`)
	want := []string{
		`1:1: setting files: text in quotes is wanted, not 5`,
		`2:1: unknown key colour; see the README for the keys`,
		`4:9: unexpected character U+0064 'd' at start of value; write a setting as name = value, and text in quotes`,
		`6:3: [[https]] is a list of sections; write [https]`,
		`9:1: setting tftp.block_size: a whole number is wanted, not "many"`,
		`11:1: setting tftp.single_port: true or false without quotes is wanted, not "yes"`,
		`12:2: unknown section [phones]; see the README for the sections`,
		`15:12: setting tls.phones.https_ciphers: text in quotes is wanted, not 7`,
		`15:31: unknown key tls.phones.extra; see the README for the keys`,
		`17:1: setting tvs.ttl: a duration in quotes, such as "10s" or "24h", is wanted, not 24`,
		`19:9: expected ']' to close table name; write a section as [name]`,
		`22:1: setting entropy.interval: "often" is no duration; write one such as "10s" or "24h"`,
		`23:1: setting entropy.min_entropy_bits: a number is wanted, not a list`,
		`24:2: tftp stands here a second time, after 8:2; keep one`,
		`5:1: setting log.format: "xml" is not allowed; choose one of "text", "json"`,
		`10:1: setting tftp.max_transfers: 0 is not between 1 and 1048576`,
		`25:1: setting tftp.max_per_address: 0 is not between 1 and 1048576`,
		`7:1: setting https.max_connections: 0 is not between 1 and 1048576`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneFaultOfTheSettings(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"same setting twice", "[tvs]\nttl = \"1h\"\nttl = \"2h\"\n", "3:1: tvs.ttl stands here a second time, after 2:1; keep one"},
		{"section for a setting", "[log.level]\n", "1:2: setting log.level: text in quotes is wanted, not a section"},
		{"setting for a section", "log = \"debug\"\n", `1:1: setting log: a section is wanted, not "debug"`},
		{"number too large", "[tftp]\nblock_size = 99999999999999999999\n", "2:1: setting tftp.block_size: "},
		{"list that does not end", "[log]\nlevel = [\n[tftp]\nblock_size = 1428\n", "3:2: expected keyword"},
		{"text that does not end", "[log]\nlevel = \"debug\nformat = \"json\"\n", "2:15: basic strings cannot have new lines"},
		{"bytes that are no UTF-8", "# \xff\n[log]\nlevel = \"debug\"\n", "1:3: "},
		{"no TOML only as a whole", "tls.min_version = \"1.2\"\n[tls]\n", "2:"},
		{"more after the value", "[log]\n  level = \"debug\" \"info\"\n", "2:19: expected newline"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := readFaults(t, test.text)
			if len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
				t.Errorf("got %q, want only %s", got, test.want)
			}
		})
	}
}

func TestSettingsAreReadInEveryForm(t *testing.T) {
	s, faults := readFaults(t, "Log.Level = 'debug'\r\n"+
		"tls = { phones = { https_ciphers = \"EC Ciphers Only\" }, min_version = \"1.3\" }\r\n"+
		"[ tvs ] # a comment\r\n\"ttl\" = \"48h\"\n[entropy]\nmin_entropy_bits = 2\n[tftp]\nblock_size = 1_024\nsingle_port = true")
	want := defaultSettings()
	want.Log.Level = "debug"
	want.TLS.Phones.HTTPSCiphers, want.TLS.MinVersion = "EC Ciphers Only", "1.3"
	want.TVS.TTL = duration(48 * time.Hour)
	want.Entropy.MinEntropyBits = 2
	want.TFTP.BlockSize, want.TFTP.SinglePort = 1024, true
	want.Cluster.SecurityMode = modeNonSecure
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(settings{}, clusterState{})); diff != "" || len(faults) > 0 {
		t.Errorf("faults %q\n%s", faults, diff)
	}
}

func FuzzReadSettings(f *testing.F) {
	for _, text := range []string{"", "[log]\nlevel = debug", "[tftp\n[[x]]\n", "a = [\n[log]\n", "tls = { phones = { https_ciphers = 7 } }", "\n# \xff"} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "cfgsrv.toml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, faults := readSettings(path)
		for _, err := range faults {
			if !strings.HasPrefix(err.Error(), path+":") {
				t.Errorf("no place in %v", err)
			}
		}
	})
}
