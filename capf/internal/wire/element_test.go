// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"

	"cfgsrv/capf/internal/wire"
)

func TestUint8(t *testing.T) {
	for name, test := range map[string]struct {
		in   wire.Elements
		want uint8
		err  error
	}{
		"there":         {wire.Elements{wire.Byte(wire.Version, 2)}, 2, nil},
		"absent":        {wire.Elements{wire.Byte(wire.Curve, 2)}, 9, nil},
		"two bytes":     {wire.Elements{wire.Uint16(wire.Version, 2)}, 0, wire.ErrSyntax},
		"first of two":  {wire.Elements{wire.Byte(wire.Version, 2), wire.Byte(wire.Version, 3)}, 2, nil},
		"present empty": {wire.Elements{{Tag: wire.Version, Value: []byte{}}}, 0, wire.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.in.Uint8(wire.Version, 9)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("Uint8 = %d, %v; want %d, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestUint16(t *testing.T) {
	e := wire.Elements{wire.Uint16(wire.KeySize, 2048), wire.Byte(wire.Curve, 1)}
	if got, err := e.Uint16(wire.KeySize); got != 2048 || err != nil {
		t.Errorf("Uint16 = %d, %v", got, err)
	}
	if got, err := e.Uint16(wire.Password); got != 0 || err != nil {
		t.Errorf("Uint16 of an absent element = %d, %v", got, err)
	}
	if _, err := e.Uint16(wire.Curve); !errors.Is(err, wire.ErrSyntax) {
		t.Errorf("Uint16 of one byte: %v, want ErrSyntax", err)
	}
}

func TestText(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  string
		err   error
	}{
		"ended":      {"SEP001122334455\x00", "SEP001122334455", nil},
		"not ended":  {"SEP001122334455", "SEP001122334455", nil},
		"absent":     {"\x00", "", nil},
		"NUL inside": {"SEP\x001122334455\x00", "", wire.ErrSyntax},
		"two NULs":   {"SEP\x00\x00", "", wire.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := wire.Elements{{Tag: wire.DeviceName, Value: []byte(test.value)}}.Text(wire.DeviceName)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("Text = %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestCertificate(t *testing.T) {
	stored := recorded(t)[5] // STORE_REQ of the first session
	m, err := wire.Read(bytes.NewReader(stored))
	if err != nil {
		t.Fatal(err)
	}
	der, err := m.CertificateDER()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(der); err != nil || c.Subject.CommonName != "SEP001122334455" {
		t.Errorf("the recorded certificate reads as %v, %v", c, err)
	}
	made, err := wire.MakeCertificate(wire.LSC, der)
	if err != nil || !bytes.Equal(made.Value, m.Value(wire.Certificate)) {
		t.Errorf("MakeCertificate = %x, %v", made.Value, err)
	}
	if _, err := wire.MakeCertificate(wire.LSC, make([]byte, 1<<16)); !errors.Is(err, wire.ErrSyntax) {
		t.Errorf("a certificate of 64 KiB: %v, want ErrSyntax", err)
	}
}

func TestCertificateDERRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"no length":      "\x01",
		"other type":     "\x02\x00\x02\x00\x01",
		"no room":        "\x01\x00\x01\x00",
		"length too big": "\x01\x00\x09\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			e := wire.Elements{{Tag: wire.Certificate, Value: []byte(value)}}
			if _, err := e.CertificateDER(); !errors.Is(err, wire.ErrSyntax) {
				t.Errorf("CertificateDER = %v, want ErrSyntax", err)
			}
		})
	}
	if der, err := (wire.Elements{}).CertificateDER(); der != nil || err != nil {
		t.Errorf("without a certificate: %x, %v", der, err)
	}
}
