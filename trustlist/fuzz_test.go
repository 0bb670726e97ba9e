// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"testing"
)

// What parses marshals to the same bytes, and can be shown. Checking signatures
// is left out, which would take most of the time.
func FuzzParse(f *testing.F) {
	seeds := lists(f)
	if len(seeds) < 20 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	for _, v := range seeds {
		f.Add(v.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(l.Marshal(), data) {
			t.Error("marshalled to other bytes")
		}
		if l.describe().Text() == "" {
			t.Error("nothing to show")
		}
		_, _ = l.Spec()
	})
}
