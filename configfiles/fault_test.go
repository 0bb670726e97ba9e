// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  [][]string // words of each fault
	}{
		{"none", map[string]string{"a": "", "b/c": ""}, nil},
		{"two folders", map[string]string{"a/Ringlist.xml": "", "b/ringlist.xml": ""}, [][]string{{"a/Ringlist.xml", "b/ringlist.xml"}}},
		{"three folders are one fault", map[string]string{"a/x": "", "b/x": "", "c/x": ""}, [][]string{{"bear the name x"}}},
		{"one of them in the root", map[string]string{"x": "", "b/x": "", "c/x": ""}, nil},
		{"one of them in the root, in another case", map[string]string{"X": "", "b/x": "", "c/x": ""}, nil},
		{"two cases", map[string]string{"a/x": "", "a/X": "", "x": ""}, [][]string{{"a/x", "a/X"}}},
		{"two cases in the root", map[string]string{"x": "", "X": ""}, [][]string{{"both", "x", "X"}}},
		{"two cases of a folder", map[string]string{"a/x": "", "A/x": ""}, [][]string{{"a/x", "A/x", "/x"}, {"a/x", "A/x", "name x"}}},
		{"languages", map[string]string{"en/mk-sip.jar": "", "nz/mk-sip.jar": "", "en/g3-tones.xml": "", "nz/G3-tones.xml": ""}, nil},
		{"screens", map[string]string{"Desktops/1/List.xml": "", "desktops/2/List.xml": ""}, nil},
		{"screen and another", map[string]string{"Desktops/1/List.xml": "", "x/List.xml": ""}, [][]string{{"Desktops/1/List.xml", "x/List.xml"}}},
		{"device in two folders", map[string]string{
			"a/" + open.Master(): master("", "false"), "b/" + open.Master(): master("", "false"),
		}, [][]string{{"a/" + open.Master(), "b/" + open.Master()}}},
		{"masters", map[string]string{
			"p/" + open.Master(): "<device>\n\n<a></b>", bare.Master(): "", keyed.Master(): master("", "x"),
			"CSFalice.cnf.xml": "<device><encrConfig>1</encrConfig>", "SPDefault.cnf.xml": "no XML", keyed.Master() + ".bak": "no XML",
		}, [][]string{
			{bare.Master(), "line 1", "no root element", "counts as encrConfig true"},
			{"p/" + open.Master(), "line 3", "not well-formed XML", "counts as encrConfig true"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDirectory(t, writeFiles(t, c.files), nil)
			got := d.Faults(t.Context())
			if len(got) != len(c.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(got), len(c.want), errors.Join(got...))
			}
			for i, words := range c.want {
				for _, word := range words {
					if !strings.Contains(got[i].Error(), word) {
						t.Errorf("fault %d is %q, want %q in it", i, got[i], word)
					}
				}
			}
		})
	}
}

func TestFaultsOfWhatCannotBeListed(t *testing.T) {
	d := openDirectory(t, writeFiles(t, map[string]string{bare.Master(): ""}), nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := d.Faults(ended); len(got) != 1 || !errors.Is(got[0], context.Canceled) {
		t.Errorf("with an ended context: %v", got)
	}
	d.Close()
	if got := d.Faults(t.Context()); len(got) != 1 {
		t.Errorf("of a closed directory: %v, want one fault", got)
	}
}
