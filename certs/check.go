// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// check judges one pair. What keeps the unit from working, or would have
// clients fail in ways nobody can read, is a fault. What merely limits who can
// use it is a warning: a certificate out of its dates is one, because phones
// that can no longer fetch their configuration cannot be helped from here.
type check struct {
	findings
	pair              Pair
	leaf              *x509.Certificate
	certFile, keyFile source
	now               time.Time
}

// checked is the verdict over a pair that stands in these files.
func checked(p Pair, certFile, keyFile string) findings {
	if len(p.Chain) == 0 {
		return findings{faults: []error{source{p.Unit, certFile}.missing()}}
	}
	c := check{
		pair:     p,
		leaf:     p.Leaf(),
		certFile: source{p.Unit, certFile},
		keyFile:  source{p.Unit, keyFile},
		now:      time.Now(),
	}
	if at := keyAt(p.Chain, p.Key); at > 0 {
		// All else would be judged by the wrong certificate.
		c.fail(c.certFile.fault("put the certificate that belongs to the key first, then the one that issued it, and so on",
			"is out of order: the certificate of the key in %s is number %d in it, not the first", keyFile, at+1))
		return c.findings
	}
	c.keyType()
	c.keyBelongs()
	c.order()
	c.signatures()
	c.dates()
	c.names()
	c.authority()
	return c.findings
}

func (c *check) keyType() {
	u, pub := c.pair.Unit, c.leaf.PublicKey
	_, bits := keySize(pub)
	switch {
	case !u.fits(pub):
		c.fail(c.certFile.fault(
			fmt.Sprintf("use an %s key of %s bits, as cfgsrv set cert regen %s does", u.keyKind(), u.sizes(), u),
			"has a key of another kind or size: %s", keyName(pub)))
	case u.signsLists() && bits > 2048:
		c.warn(c.certFile.fault("use 2048 if desk phones are served",
			"has an RSA key of %d bits, and desk phones stop at 2048", bits))
	}
}

func (c *check) keyBelongs() {
	switch {
	case c.pair.Key == nil && !c.pair.Unit.mayBeOffline():
		c.fail(c.keyFile.missing())
	case c.pair.Key != nil && keyAt(c.pair.Chain, c.pair.Key) < 0:
		c.fail(c.keyFile.fault("put the key of this certificate here, or the certificate of this key there",
			"does not belong to the certificate in %s", c.certFile.file))
	}
}

// keyAt says which certificate of the chain is the key's, -1 if none is.
func keyAt(chain []*x509.Certificate, key crypto.Signer) int {
	if key == nil {
		return -1
	}
	for i, cert := range chain {
		pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if ok && pub.Equal(key.Public()) {
			return i
		}
	}
	return -1
}

// order sees that each certificate is issued by the next.
func (c *check) order() {
	for i, cert := range c.pair.Chain[:len(c.pair.Chain)-1] {
		if !issuedBy(cert, c.pair.Chain[i+1]) {
			c.fail(c.certFile.fault("put the leaf first, then the certificate that issued it, and so on, and nothing else",
				"is out of order: certificate %d (%s) is not issued by certificate %d (%s)",
				i+1, cert.Subject, i+2, c.pair.Chain[i+1].Subject))
			return
		}
	}
}

// issuedBy compares names and verifies the signature, unless its hash is too
// weak for crypto/x509 to look at: that is a finding of its own.
func issuedBy(cert, issuer *x509.Certificate) bool {
	if !bytes.Equal(cert.RawIssuer, issuer.RawSubject) {
		return false
	}
	err := issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	_, weak := errors.AsType[x509.InsecureAlgorithmError](err)
	return err == nil || weak
}

// signatures refuses what an issuer signed with SHA-1 or MD5: clients do not
// accept it. What a self-signed certificate says of itself proves nothing
// anyway, phones trust it through their lists, and old systems have such.
func (c *check) signatures() {
	for i, cert := range c.pair.Chain {
		algorithm := cert.SignatureAlgorithm
		selfSigned := bytes.Equal(cert.RawIssuer, cert.RawSubject)
		switch {
		case !slices.Contains(weakAlgorithms, algorithm):
		case !selfSigned:
			c.fail(c.certFile.fault("have it issued with SHA-256 or better", "certificate %d is signed with %s", i+1, algorithm))
		case i == 0:
			c.warn(c.certFile.fault("make it anew with SHA-256 or better", "is self-signed with %s", algorithm))
		}
	}
}

var weakAlgorithms = []x509.SignatureAlgorithm{
	x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
}

func (c *check) dates() {
	for i, cert := range c.pair.Chain {
		switch {
		case c.now.After(cert.NotAfter):
			c.warn(c.certFile.fault("renew it, clients may refuse it; it is used meanwhile",
				"certificate %d is expired since %s", i+1, cert.NotAfter.UTC().Format(time.DateOnly)))
		case c.now.Before(cert.NotBefore):
			c.warn(c.certFile.fault("check the clock; it is used meanwhile",
				"certificate %d is not valid before %s", i+1, cert.NotBefore.UTC().Format(time.RFC3339)))
		}
	}
}

func (c *check) names() {
	subject := c.leaf.Subject
	if len(subject.Organization) == 0 || len(subject.OrganizationalUnit) == 0 {
		c.warn(c.certFile.fault("have it made with both", "has no O or no OU in its subject, which phones need"))
	}
	if host := hostPart(subject.CommonName); c.pair.Unit.EC() &&
		!strings.HasSuffix(host, suffixEC) && !strings.HasSuffix(host, suffixEC+"-ms") {
		c.warn(c.certFile.fault("have it made as cfgsrv set cert regen does",
			"has the common name %q, whose host part does not end in %s: phones tell certificates apart by name",
			subject.CommonName, suffixEC))
	}
}

// authority sees that what CAPF issues can be verified.
func (c *check) authority() {
	if c.pair.Unit == CAPF && !(c.leaf.BasicConstraintsValid && c.leaf.IsCA) {
		c.warn(c.certFile.fault("make it anew with cfgsrv set cert regen CAPF",
			"is not a certificate authority, so no device can prove itself by what it issues"))
	}
}
