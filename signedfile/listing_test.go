// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"testing"
	"testing/iotest"

	"cfgsrv/internal/tlv/tlvtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestListingText(t *testing.T) {
	cm, capf := tlvtest.Key(t, "callmanager-rsa2048").Cert, tlvtest.Key(t, "capf-rsa2048").Cert
	for name, vector := range map[string]string{
		"signed.txt":           "sgn/SEP001122334455.cnf.xml.sgn",
		"signed-sha512.txt":    "sgn/SEP001122334455.cnf.xml.sha512.sgn",
		"encrypted.txt":        "enc/sha1-rsa2048/*.enc.sgn",
		"encrypted-sha512.txt": "enc/sha512-rsa1024/*.enc.sgn",
		"tampered.txt":         "refused/tampered-body.sgn",
		"not-ours.txt":         "sgn/ringlist-4096.xml.sgn",
	} {
		t.Run(name, func(t *testing.T) {
			v, err := List(bytes.NewReader(tlvtest.Read(t, vector)), capf, cm)
			if err != nil {
				t.Fatal(err)
			}
			tlvtest.Golden(t, *update, name, v.Text())
		})
	}
}

func TestListingJSON(t *testing.T) {
	v, err := List(bytes.NewReader(tlvtest.Read(t, "enc/pad0/*.enc.sgn")), tlvtest.Key(t, "callmanager-rsa2048").Cert)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	tlvtest.Golden(t, *update, "encrypted.json", string(text)+"\n")
}

func TestListTellsWhatTheReaderSays(t *testing.T) {
	data := tlvtest.Read(t, "sgn/SEP001122334455.cnf.xml.sgn")
	for _, n := range []int{0, 100, len(data) - 1} {
		r := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(errDisk))
		if _, err := List(r); !errors.Is(err, errDisk) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
