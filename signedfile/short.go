// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Short is the short form of a device's configuration, which tells a phone to
// fetch the encrypted one, or to enrol first (FORMATS 4.3).
type Short struct {
	// Elements are ipAddressMode, loadInformation and capfList of the full
	// configuration, in its order. No other may be in a file that all can read.
	Elements []Element
	// CAPFAuthMode is 0 to 4; 0 means that no enrolment is pending.
	CAPFAuthMode int
	// CertHash is the MD5 of the phone's certificate in lower-case hexadecimal;
	// empty if it has none yet.
	CertHash string
}

// Element is an XML element by its name and what stands between its tags, in
// UTF-8 and as it was written.
type Element struct {
	Name  string
	Inner []byte
}

const (
	capfList        = "capfList"
	maxCAPFAuthMode = 4
)

func (s Short) check() error {
	if s.CAPFAuthMode < 0 || s.CAPFAuthMode > maxCAPFAuthMode {
		return fmt.Errorf("capfAuthMode is %d and has to be 0 to %d", s.CAPFAuthMode, maxCAPFAuthMode)
	}
	if digits := strings.Trim(s.CertHash, "0123456789abcdef") == ""; !digits || len(s.CertHash) != 0 && len(s.CertHash) != 32 {
		return fmt.Errorf("certHash is %q and has to be 32 hexadecimal digits in lower case, or empty", s.CertHash)
	}
	for _, e := range s.Elements {
		switch e.Name {
		case "ipAddressMode", "loadInformation", capfList:
		default:
			return fmt.Errorf("the element %s does not belong in the short form, which all can read", e.Name)
		}
	}
	return nil
}

// Bytes is the short form as certutils writes it, indented by two blanks. All
// of fullConfig, capfAuthMode, certHash and encrConfig are always there,
// because phones take a missing one for a fault.
func (s Short) Bytes() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	w := indenter{depth: 1}
	w.b.WriteString(xml.Header + "<device>")
	w.leaf("fullConfig", "false")
	mode := func() { w.leaf("capfAuthMode", fmt.Sprint(s.CAPFAuthMode)) }
	written := false
	for _, e := range s.Elements {
		if e.Name == capfList && !written {
			mode()
			written = true
		}
		if err := w.element(e); err != nil {
			return nil, fmt.Errorf("copying the element %s: %w", e.Name, err)
		}
	}
	if !written {
		mode()
	}
	w.leaf("certHash", s.CertHash)
	w.leaf("encrConfig", "true")
	w.b.WriteString("\n</device>\n")
	return w.b.Bytes(), nil
}

// indenter writes elements each on a line of its own, with the blanks between
// them made anew, and without comments.
type indenter struct {
	b      bytes.Buffer
	depth  int
	closed bool // the last thing written was an end tag
}

func (w *indenter) line() { w.b.WriteString("\n" + strings.Repeat("  ", w.depth)) }

func (w *indenter) leaf(name, text string) {
	w.line()
	fmt.Fprintf(&w.b, "<%s>%s</%[1]s>", name, text)
}

func (w *indenter) element(e Element) error {
	w.open([]byte("<" + e.Name + ">"))
	d := xml.NewDecoder(bytes.NewReader(e.Inner))
	for {
		start := d.InputOffset()
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		w.token(t, e.Inner[start:d.InputOffset()])
	}
	w.close([]byte("</" + e.Name + ">"))
	return nil
}

// token writes one token as it was written. An empty-element tag comes as a
// start with all of its bytes and an end with none.
func (w *indenter) token(t xml.Token, raw []byte) {
	switch t := t.(type) {
	case xml.StartElement:
		w.open(raw)
	case xml.EndElement:
		w.close(raw)
	case xml.CharData:
		if len(bytes.TrimSpace(t)) > 0 {
			w.b.Write(raw)
		}
	}
}

func (w *indenter) open(tag []byte) {
	w.line()
	w.b.Write(tag)
	w.depth++
	w.closed = false
}

func (w *indenter) close(tag []byte) {
	w.depth--
	if w.closed {
		w.line()
	}
	w.b.Write(tag)
	w.closed = true
}
