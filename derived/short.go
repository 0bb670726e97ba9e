// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/signedfile"
)

const (
	capfAuthMode = "capfAuthMode"
	capfList     = "capfList"
)

// openShort makes the short form of the device's own file (FORMATS 4.3), signed
// unless the transport is HTTPS.
func (s *Source) openShort(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	master, err := s.readMaster(ctx, req)
	if err != nil {
		return nil, err
	}
	short, err := s.short(req.Name.Device, master)
	if err != nil {
		return nil, fmt.Errorf("making the short form: %w", err)
	}
	if req.From.Transport == configfiles.HTTPS {
		return artefact{data: short, made: s.conf.Time}.file(configfiles.Short), nil
	}
	a, err := s.signed("short\x00"+req.Name.Asked, req.Name.Asked, short)
	if err != nil {
		return nil, err
	}
	return a.file(configfiles.Short), nil
}

// readMaster reads the device's own file. Of one that cannot be read the short
// form takes what came before.
func (s *Source) readMaster(ctx context.Context, req configfiles.Request) (m configfiles.Master, err error) {
	base, err := s.openBase(ctx, req)
	if err != nil {
		return m, err
	}
	m, _ = configfiles.ReadMaster(base.Content) // the guard has logged why it cannot be read
	return m, base.Content.Close()
}

func (s *Source) short(name device.Name, master configfiles.Master) ([]byte, error) {
	form := signedfile.Short{}
	for _, e := range master.Short {
		if e.Name == capfAuthMode {
			form.CAPFAuthMode = authMode(e.Text)
			continue
		}
		form.Elements = append(form.Elements, signedfile.Element{Name: e.Name, Inner: inner(e)})
	}
	if mode, pending := s.conf.Devices.Enrolment(name); pending {
		s.enrol(&form, mode)
	} else if cert, ok := s.conf.Devices.Certificate(name); ok && !s.conf.NoCertHash {
		form.CertHash = cert.Hash
	}
	return form.Bytes()
}

// enrol lets the phone begin an enrolment by itself: the mode, an empty
// certHash, and where to go if its own file does not say (FORMATS 4.4).
func (s *Source) enrol(form *signedfile.Short, mode int) {
	form.CAPFAuthMode = mode
	for _, e := range form.Elements {
		if e.Name == capfList {
			return
		}
	}
	form.Elements = append(form.Elements, signedfile.Element{Name: capfList, Inner: inner(configfiles.Element{
		Children: []configfiles.Element{{Name: "capf", Children: []configfiles.Element{
			{Name: "phonePort", Text: s.conf.CAPFPort}, {Name: "processNodeName", Text: s.conf.Lists.Host},
		}}},
	})})
}

// authMode is a capfAuthMode of 0 to 4; anything else is no pending enrolment.
func authMode(text string) int {
	mode, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || mode < 0 || mode > 4 {
		return 0
	}
	return mode
}

// inner writes what stands between an element's tags.
func inner(e configfiles.Element) []byte {
	var b bytes.Buffer // does not fail
	if len(e.Children) == 0 {
		xml.EscapeText(&b, []byte(e.Text))
	}
	for _, c := range e.Children {
		b.WriteString("<" + c.Name)
		for _, a := range c.Attr {
			b.WriteString(" " + a.Name.Local + `="`)
			xml.EscapeText(&b, []byte(a.Value))
			b.WriteByte('"')
		}
		b.WriteByte('>')
		b.Write(inner(c))
		b.WriteString("</" + c.Name + ">")
	}
	return b.Bytes()
}
