// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"testing"

	"cfgsrv/capf/internal/transcript"
	"cfgsrv/capf/internal/wire"
)

// FuzzClaim feeds what a device says of itself before anything is known of it.
func FuzzClaim(f *testing.F) {
	sessions, err := transcript.Load("testdata/frames.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range sessions {
		f.Add(s.Messages[1].Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		c, err := parseClaim(m)
		if err == nil && (c.device == "" || c.version < 1 || c.version > maxVersion) {
			t.Errorf("accepted: %+v", c)
		}
	})
}
