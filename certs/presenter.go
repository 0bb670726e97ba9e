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

// presenter chooses a certificate for each client, in order of preference.
type presenter []offer

// offer is one certificate that may be presented.
type offer struct {
	unit  Unit
	cert  *tls.Certificate
	curve tls.CurveID // of an EC key; zero for RSA
}

// offers are the units that the listener presents; never empty.
func (s *Snapshot) offers(keys Keys, units []Unit) ([]offer, error) {
	var offers []offer
	var absent []string
	for _, u := range units {
		if !keys.offer(u) {
			continue
		}
		p, ok := s.pairs[u]
		switch {
		case ok && p.Key != nil:
			offers = append(offers, newOffer(p))
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

func newOffer(p Pair) offer {
	o := offer{unit: p.Unit, cert: &tls.Certificate{PrivateKey: p.Key, Leaf: p.Leaf()}}
	for _, c := range p.Chain {
		o.cert.Certificate = append(o.cert.Certificate, c.Raw)
	}
	if pub, ok := p.Leaf().PublicKey.(*ecdsa.PublicKey); ok {
		o.curve = curveID(pub.Curve)
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
func (p presenter) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	o, err := p.choose(hello)
	if err != nil {
		if c, ok := hello.Conn.(interface{ Unpresented(reason string) }); ok {
			c.Unpresented(err.Error())
		}
		return unpresentable, nil
	}
	if c, ok := hello.Conn.(interface{ Presented(unit string) }); ok {
		c.Presented(string(o.unit))
	}
	return o.cert, nil
}

// choose returns the first offer that the client can use: by suites, signature
// algorithms and, for an EC key, its curve. TLS 1.3 no longer ties the curve of
// a certificate to the client's groups (RFC 8446, 4.2.7). Cisco's rule still
// does, so there the curve decides unless nothing else is left. The error says
// why each offer does not suit.
func (p presenter) choose(hello *tls.ClientHelloInfo) (offer, error) {
	// A phone may know its server by an address or by a name of its own:
	// nothing depends on what it called us.
	nameless := *hello
	nameless.ServerName = ""
	var lacksCurve *offer
	var reasons []string
	for _, o := range p {
		if err := nameless.SupportsCertificate(o.cert); err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %s", o.unit, strings.TrimPrefix(err.Error(), "tls: ")))
			continue
		}
		if o.curve == 0 || slices.Contains(hello.SupportedCurves, o.curve) {
			return o, nil
		}
		if lacksCurve == nil {
			lacksCurve = &o
		}
	}
	if lacksCurve != nil {
		return *lacksCurve, nil
	}
	return offer{}, fmt.Errorf("the client can use no certificate of ours: %s", strings.Join(reasons, "; "))
}
