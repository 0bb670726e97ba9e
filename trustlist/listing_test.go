// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"encoding/json"
	"flag"
	"slices"
	"strings"
	"testing"

	"cfgsrv/internal/tlv/tlvtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestListingText(t *testing.T) {
	for name, data := range map[string][]byte{
		"genuine-ctl.txt": tlvtest.Read(t, "cucm/CTLFile.tlv"),
		"itl-v11.txt":     tlvtest.Read(t, "itl/ITLFile-v11-sha512.tlv"),
		"two-sast.txt":    tlvtest.Read(t, "itl/two-sast.tlv"),
		"tampered.txt":    tlvtest.Read(t, "refused/tampered-record.tlv"),
		"built.txt":       mustBuild(t, fullITL(t), "itlrecovery-rsa2048"),
		"emptied.txt":     mustBuild(t, fullITL(t).Emptied(), "itlrecovery-rsa2048"),
	} {
		t.Run(name, func(t *testing.T) {
			tlvtest.Golden(t, *update, name, mustParse(t, data).Listing().Text())
		})
	}
}

func TestListingJSON(t *testing.T) {
	text, err := json.MarshalIndent(mustParse(t, tlvtest.Read(t, "cucm/CTLFile.tlv")).Listing(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	tlvtest.Golden(t, *update, "genuine-ctl.json", string(text)+"\n")
}

func TestMissingText(t *testing.T) {
	want := "Length of CTL file: 0\n" +
		"CTL File not found. Please run CTLClient plugin or run the CLI - utils ctl.. to generate the CTL file.\n" +
		"Error parsing the CTL File.\n"
	if got := MissingText(CTL); got != want {
		t.Errorf("got %q", got)
	}
	want = "Length of ITL file: 0\nITL File not found. It is generated once the server has its certificates.\nError parsing the ITL File.\n"
	if got := MissingText(ITL); got != want {
		t.Errorf("got %q", got)
	}
}

// A list that someone made to play tricks on a terminal shows as plain text.
func TestListingCannotSteerATerminal(t *testing.T) {
	data := slices.Clone(tlvtest.Read(t, "itl/serial-one.tlv"))
	l := mustParse(t, data)
	copy(l.records[0].value(tagSubjectName), "\x1b[2J\x9b")
	got := l.Listing().Text()
	if strings.Contains(got, "\x1b") || strings.Contains(got, "\x9b") || !strings.Contains(got, `\u001b[2J`) {
		t.Errorf("got %q", got)
	}
}
