// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// presenter chooses a certificate for each client.
type presenter struct {
	offers      []offer // in order of preference
	clientOrder bool    // [Profile.ClientOrder]
}

// offer is one certificate that may be presented.
type offer struct {
	unit  Unit
	cert  *tls.Certificate
	curve tls.CurveID // of an EC key; zero for RSA
}

// presenter checks the profile, and returns who presents its units.
func (s *Snapshot) presenter(p Profile, units []Unit) (*presenter, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	offers, err := s.offers(p, units)
	if err != nil {
		return nil, err
	}
	return &presenter{offers, p.ClientOrder}, nil
}

// offers are the units that the listener presents; never empty.
func (s *Snapshot) offers(profile Profile, units []Unit) ([]offer, error) {
	var offers []offer
	var absent []string
	for _, u := range units {
		if !profile.Keys.offer(u) {
			continue
		}
		p, ok := s.pairs[u]
		switch {
		case ok && p.Key != nil:
			offers = append(offers, newOffer(p, profile))
		case ok:
			return nil, fmt.Errorf("presenting %s: its key is kept offline", u)
		case u.mayBeAbsent():
			absent = append(absent, string(u))
		default:
			return nil, fmt.Errorf("presenting %s: there is no such certificate", u)
		}
	}
	if len(offers) == 0 && len(absent) > 0 {
		return nil, fmt.Errorf("presenting %s: there is no such certificate", strings.Join(absent, ", "))
	}
	if len(offers) == 0 {
		return nil, errors.New("presenting no certificate at all: none is of the kind of key that is offered")
	}
	return offers, nil
}

func newOffer(p Pair, profile Profile) offer {
	o := offer{unit: p.Unit, cert: &tls.Certificate{PrivateKey: p.Key, Leaf: p.Leaf()}}
	for _, c := range p.Chain {
		o.cert.Certificate = append(o.cert.Certificate, c.Raw)
	}
	if pub, ok := p.Leaf().PublicKey.(*ecdsa.PublicKey); ok {
		o.curve = curveID(pub.Curve)
	}
	if profile.approvedOnly() {
		o.cert.SupportedSignatureAlgorithms = approvedSignatures
	}
	return o
}

func curveID(c elliptic.Curve) tls.CurveID {
	switch c {
	case elliptic.P256():
		return tls.CurveP256
	case elliptic.P384():
		return tls.CurveP384
	}
	return tls.CurveP521
}

// unpresentable has no key, so that crypto/tls ends the handshake with the
// alert handshake_failure whatever the version. An error from GetCertificate
// would become internal_error, which tells the client that we are broken.
var unpresentable = &tls.Certificate{}

// certificate is tls.Config.GetCertificate.
func (p *presenter) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := p.choose(hello)
	if err != nil {
		if conn, ok := hello.Conn.(interface{ Unpresented(reason string) }); ok {
			conn.Unpresented(err.Error())
		}
		return unpresentable, nil
	}
	if conn, ok := hello.Conn.(interface{ Presented(unit string) }); ok {
		conn.Presented(string(c.unit))
	}
	return c.cert, nil
}

// choice is the offer that a client gets.
type choice struct {
	offer
	why    string   // a clause: why this one
	passed []passed // those that come before it
}

// passed is an offer that a client did not get.
type passed struct {
	unit Unit
	why  string // a clause
}

// choose returns the first offer that the client can use: by suites, signature
// algorithms and, for an EC key, its curve. The error says why each offer does
// not suit.
func (p *presenter) choose(hello *tls.ClientHelloInfo) (choice, error) {
	// A phone may know its server by an address or by a name of its own:
	// nothing depends on what it called us.
	nameless := *hello
	nameless.ServerName = ""
	if p.clientOrder && slices.Contains(hello.SupportedVersions, tls.VersionTLS13) {
		if c, ok := p.byClientOrder(nameless); ok {
			return c, nil
		}
	}
	return p.byOurOrder(&nameless)
}

// byClientOrder returns the offer that can sign with the first signature
// algorithm of the client for which there is one.
func (p *presenter) byClientOrder(hello tls.ClientHelloInfo) (choice, bool) {
	for _, scheme := range hello.SignatureSchemes {
		hello.SignatureSchemes = []tls.SignatureScheme{scheme}
		for _, o := range p.offers {
			if hello.SupportsCertificate(o.cert) == nil {
				return choice{offer: o, why: "the client puts " + scheme.String() + " before every other signature that we have a key for"}, true
			}
		}
	}
	return choice{}, false
}

// byOurOrder returns the first of the offers that suits. TLS 1.3 no longer ties
// the curve of a certificate to the client's groups (RFC 8446, 4.2.7). Cisco's
// rule still does, so there the curve decides unless nothing else is left.
func (p *presenter) byOurOrder(hello *tls.ClientHelloInfo) (choice, error) {
	var lacksCurve *offer
	var over []passed
	for _, o := range p.offers {
		if err := hello.SupportsCertificate(o.cert); err != nil {
			over = append(over, passed{o.unit, strings.TrimPrefix(err.Error(), "tls: ")})
			continue
		}
		if o.curve == 0 || slices.Contains(hello.SupportedCurves, o.curve) {
			return choice{o, "it is the first in our order that the client can use", over}, nil
		}
		if lacksCurve == nil {
			lacksCurve = &o
		}
		over = append(over, passed{o.unit, "client doesn't offer " + GroupName(o.curve) + ", the curve of its key"})
	}
	if lacksCurve != nil {
		over = slices.DeleteFunc(over, func(n passed) bool { return n.unit == lacksCurve.unit })
		return choice{*lacksCurve, "TLS 1.3 does not ask for the curve of its key, and nothing else is left", over}, nil
	}
	return choice{}, &unsuitableError{over}
}

// unsuitableError says why no offer suits a client.
type unsuitableError struct{ passed []passed }

func (e *unsuitableError) Error() string {
	reasons := make([]string, len(e.passed))
	for i, n := range e.passed {
		reasons[i] = string(n.unit) + ": " + n.why
	}
	return "the client can use no certificate of ours: " + strings.Join(reasons, "; ")
}
