// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

// TestTable is the table of DESIGN 4, row by row, with everything that is made.
func TestTable(t *testing.T) {
	files := map[string]string{
		"Ringlist.xml": "rings", "New_Zealand/g3-tones.xml": "tones", "empty.xml": "", "fw/part1.sgn": "firmware",
		open.Master(): master(open, false),
	}
	for _, n := range []device.Name{keyed, bare, presenter, enrolling, damaged, renewing} {
		files[n.Master()] = master(n, true)
	}
	s := newSite(t, files, func(c *Config) { c.Lists.Mixed = true })

	const (
		none    = "not found"
		lsc     = "refused: this device must present its LSC"
		lscTFTP = lsc + " over HTTPS"
		enc     = "refused: this device's files are not given out unencrypted"
		capf    = "  <capfList>\n    <capf>\n      <phonePort>3804</phonePort>\n      <processNodeName>ucm1.example.org</processNodeName>\n    </capf>\n  </capfList>\n"
	)
	full := func(n device.Name) string { return files[n.Master()] }
	withHash := shortForm(0, "", hashOf(t, keyed))
	noHash := shortForm(0, "", "")
	pending := shortForm(2, capf, "")
	renewal := shortForm(1, capf, "")
	for _, row := range []struct {
		row, name               string
		owner                   device.Name
		clear, unproved, proved string
	}{
		{"ordinary file", "Ringlist.xml", "", "rings", "rings", "rings"},
		{"ordinary .sgn", "Ringlist.xml.sgn", "", "signed rings", "rings", "rings"},
		{"ordinary .sgn in its folder", "New_Zealand/g3-tones.xml.sgn", "", "signed tones", "tones", "tones"},
		{"ordinary .sgn without its folder", "g3-tones.xml.sgn", "", "signed tones", "tones", "tones"},
		{"ordinary .sgn in another case", "RINGLIST.XML.SGN", "", "signed rings", "rings", "rings"},
		{"empty .sgn", "empty.xml.sgn", "", "signed ", "", ""},
		{"ordinary .enc.sgn", "Ringlist.xml.enc.sgn", "", none, none, none},
		{"ordinary missing .sgn", "Nothing.xml.sgn", "", none, none, none},
		{"firmware part", "part1.sgn", "", "firmware", "firmware", "firmware"},

		{"not true: plain", open.Master(), open, full(open), full(open), full(open)},
		{"not true: .sgn", open.Master() + ".sgn", open, "signed " + full(open), full(open), full(open)},
		{"not true: .enc.sgn", open.Master() + ".enc.sgn", open, none, none, none},

		{"RSA: .enc.sgn", keyed.Master() + ".enc.sgn", keyed,
			"encrypted for " + string(keyed) + " " + full(keyed), "encrypted for " + string(keyed) + " " + full(keyed), full(keyed)},
		{"RSA: .sgn", keyed.Master() + ".sgn", keyed, "signed " + withHash, withHash, full(keyed)},
		{"RSA: plain", keyed.Master(), keyed, enc, enc, full(keyed)},
		{"RSA, enrolment pending: .sgn", renewing.Master() + ".sgn", renewing, "signed " + renewal, renewal, full(renewing)},

		{"no certificate: .sgn", bare.Master() + ".sgn", bare, "signed " + noHash, noHash, full(bare)},
		{"no certificate: plain", bare.Master(), bare, enc, enc, full(bare)},
		{"no certificate: .enc.sgn", bare.Master() + ".enc.sgn", bare, none, none, full(bare)},

		{"ECDSA: plain", presenter.Master(), presenter, lscTFTP, lsc, full(presenter)},
		{"ECDSA: .sgn", presenter.Master() + ".sgn", presenter, lscTFTP, lsc, full(presenter)},
		{"ECDSA: .enc.sgn", presenter.Master() + ".enc.sgn", presenter, lscTFTP, lsc, full(presenter)},
		{"unreadable: .sgn", damaged.Master() + ".sgn", damaged, lscTFTP, lsc, full(damaged)},
		{"ECDSA, enrolment pending: .sgn", enrolling.Master() + ".sgn", enrolling, "signed " + pending, pending, full(enrolling)},
		{"ECDSA, enrolment pending: .enc.sgn", enrolling.Master() + ".enc.sgn", enrolling, lscTFTP, lsc, full(enrolling)},

		{"ITL of a device", "ITL" + string(open) + ".tlv", "", "ITLFile.tlv with 7 records", "ITLFile.tlv with 7 records", "ITLFile.tlv with 7 records"},
		{"ITL", "ITLFile.tlv", "", "ITLFile.tlv with 7 records", "ITLFile.tlv with 7 records", "ITLFile.tlv with 7 records"},
		{"CTL of a device", "CTL" + string(keyed) + ".tlv", "", "CTLFile.tlv with 5 records", "CTLFile.tlv with 5 records", "CTLFile.tlv with 5 records"},
		{"CTL", "CTLFile.tlv", "", "CTLFile.tlv with 5 records", "CTLFile.tlv with 5 records", "CTLFile.tlv with 5 records"},
		{"trust list .sgn", "ITLFile.tlv.sgn", "", none, none, none},
	} {
		t.Run(row.row, func(t *testing.T) {
			for _, c := range []struct {
				column string
				from   configfiles.Requester
				want   string
			}{
				{"tftp", overTFTP, row.clear},
				{"http", overHTTP, row.clear},
				{"tls, unproved", overTLS, row.unproved},
				{"tls, proved", provedToBe(row.owner), row.proved},
			} {
				if got := s.ask(row.name, c.from); got != c.want {
					t.Errorf("%s:\ngot  %q\nwant %q", c.column, got, c.want)
				}
			}
		})
	}
}
