// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// Limits of master files; those seen have 14 KiB and 7 levels.
const (
	maxMaster = 4 << 20
	maxDepth  = 256
)

// Why a master file cannot be read. Nothing of what stands in it may get into
// an error: it goes to the log.
var (
	errNotXML   = errors.New("not well-formed XML")
	errNoRoot   = errors.New("no root element")
	errTooDeep  = fmt.Errorf("more than %d elements within each other", maxDepth)
	errTooLarge = fmt.Errorf("larger than %d bytes", maxMaster)
	errEncoding = errors.New("the encoding it declares is not known")
)

// Master is what the server itself reads in a device's own file,
// DEVICE.cnf.xml. Everything else in it is for the device alone.
type Master struct {
	// Encrypt is the device's wish: an element encrConfig directly below the
	// root says true or 1.
	Encrypt bool
	// Short are the elements that the short form copies (FORMATS 4.3), in the
	// order of the file: ipAddressMode, loadInformation, capfAuthMode, capfList.
	Short []Element
}

// Element is one XML element, without comments and without namespaces.
type Element struct {
	Name     string
	Attr     []xml.Attr // those without a prefix
	Text     string     // the character data directly inside, joined
	Children []Element
}

// ReadMaster reads a master file up to the end of its root element, in UTF-8,
// UTF-16, or an encoding that its declaration names. The error says on which
// line it cannot be read; the Master then holds what came before.
func ReadMaster(r io.Reader) (Master, error) {
	source := &masterSource{reader: r, left: maxMaster}
	m := masterReader{decoder: newDecoder(source)}
	err := m.read()
	if err == nil {
		return m.master, nil
	}
	line, _ := m.decoder.InputPos()
	return m.master, fmt.Errorf("line %d: %w", line, source.cause(err))
}

// masterSource reads up to its limit and remembers what stopped it.
type masterSource struct {
	reader io.Reader
	left   int
	err    error
}

func (s *masterSource) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p[:min(len(p), s.left+1)])
	if s.left -= n; s.left < 0 {
		err = errTooLarge
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// cause is why the decoder stopped with err. What encoding/xml says itself
// quotes the file.
func (s *masterSource) cause(err error) error {
	if s.err != nil {
		return s.err
	}
	for _, known := range []error{errEncoding, errTooDeep, errNoRoot} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errNotXML
}

// newDecoder finds out the encoding by the first bytes, which have the last
// word: in UTF-16 a declaration of UTF-8 helps nobody.
func newDecoder(r io.Reader) *xml.Decoder {
	b := bufio.NewReader(r)
	start, _ := b.Peek(3) // what stopped it stops the decoder too
	var known encoding.Encoding
	switch s := string(start); {
	case s == "\xef\xbb\xbf":
		known = unicode.UTF8BOM
	case strings.HasPrefix(s, "\xfe\xff"), strings.HasPrefix(s, "\xff\xfe"):
		known = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case strings.HasPrefix(s, "\x00<"):
		known = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case strings.HasPrefix(s, "<\x00"):
		known = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	default:
		d := xml.NewDecoder(b)
		d.CharsetReader = declared
		return d
	}
	d := xml.NewDecoder(known.NewDecoder().Reader(b))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	return d
}

func declared(label string, in io.Reader) (io.Reader, error) {
	r, err := charset.NewReaderLabel(label, in)
	if err != nil {
		return nil, errEncoding
	}
	return r, nil
}

// masterReader reads one document, each method one element. Every nesting is
// counted, for the decoder's own memory too.
type masterReader struct {
	decoder *xml.Decoder
	master  Master
}

func (m *masterReader) read() error {
	for {
		token, err := m.decoder.Token()
		if err == io.EOF {
			return errNoRoot
		}
		if err != nil {
			return err
		}
		if _, ok := token.(xml.StartElement); ok {
			return m.root()
		}
	}
}

func (m *masterReader) root() error {
	for {
		token, err := m.decoder.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := m.belowRoot(token); err != nil {
				return err
			}
		}
	}
}

func (m *masterReader) belowRoot(start xml.StartElement) error {
	switch start.Name.Local {
	case "encrConfig":
		e, err := m.element(start, 2)
		if err == nil && saysTrue(e.Text) {
			m.master.Encrypt = true
		}
		return err
	case "ipAddressMode", "loadInformation", "capfAuthMode", "capfList":
		e, err := m.element(start, 2)
		if err == nil {
			m.master.Short = append(m.master.Short, e)
		}
		return err
	}
	return m.skip(2)
}

func saysTrue(text string) bool {
	text = strings.TrimSpace(text)
	return strings.EqualFold(text, "true") || text == "1"
}

// element reads what start begins, itself at depth below the document.
func (m *masterReader) element(start xml.StartElement, depth int) (Element, error) {
	if depth > maxDepth {
		return Element{}, errTooDeep
	}
	e := Element{Name: start.Name.Local}
	var text strings.Builder
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local != "xmlns" {
			e.Attr = append(e.Attr, a)
		}
	}
	for {
		token, err := m.decoder.Token()
		if err != nil {
			return Element{}, err
		}
		switch token := token.(type) {
		case xml.EndElement:
			e.Text = text.String()
			return e, nil
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			child, err := m.element(token, depth+1)
			if err != nil {
				return Element{}, err
			}
			e.Children = append(e.Children, child)
		}
	}
}

// skip reads to the end of the element at depth that has just begun.
func (m *masterReader) skip(depth int) error {
	for inside := depth; inside >= depth; {
		token, err := m.decoder.Token()
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.EndElement:
			inside--
		case xml.StartElement:
			if inside++; inside > maxDepth {
				return errTooDeep
			}
		}
	}
	return nil
}
