// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Answer is a certificate, made elsewhere, that is to become a unit's own.
type Answer struct {
	Unit   Unit
	Bundle Bundle
	// Keys are those that the certificate may belong to, the first that fits
	// counts. They are not looked at if the bundle brings its key.
	Keys []crypto.Signer
	// Trusted are the certificates of the unit's trust store: the chain must
	// lead to one of them.
	Trusted []*x509.Certificate
}

// minRSA is the smallest RSA key, in bits, of any certificate in a chain.
const minRSA = 2048

// Pair judges the answer and brings its certificates into order: the leaf, then
// what issued it, without a root. The error names every fault, see [Faults];
// the warnings are things to know.
func (a Answer) Pair() (p Pair, warnings []*Fault, err error) {
	j := judgement{Answer: a, src: source{a.Unit, a.Bundle.Name}}
	key, leaf := j.find()
	if leaf == nil {
		j.fail(j.unknownKey())
		return Pair{}, nil, j.err()
	}
	path, pathErr := j.path(leaf)
	p = Pair{Unit: a.Unit, Chain: withoutRoot(path), Key: key}
	j.add(checked(p, a.Bundle.Name, a.Bundle.Name))
	j.dates(path)
	j.strength(path)
	j.name(leaf)
	j.use(leaf)
	if pathErr != nil && len(j.faults) == 0 {
		j.fail(j.noChain(path, pathErr))
	}
	j.leftOut(path)
	if err := j.err(); err != nil {
		return Pair{}, nil, err
	}
	return p, j.warnings, nil
}

// judgement is the judging of one answer.
type judgement struct {
	findings
	Answer
	src source
}

// find returns the key that counts and the certificate of it. Of several with
// one key the newest is meant.
func (j *judgement) find() (crypto.Signer, *x509.Certificate) {
	keys := j.Keys
	if j.Bundle.Key != nil {
		keys = []crypto.Signer{j.Bundle.Key}
	}
	for _, key := range keys {
		var leaf *x509.Certificate
		for _, c := range j.Bundle.Certificates {
			if sameKey(c.PublicKey, key.Public()) && (leaf == nil || c.NotBefore.After(leaf.NotBefore)) {
				leaf = c
			}
		}
		if leaf != nil {
			return key, leaf
		}
	}
	return nil, nil
}

func (j *judgement) unknownKey() *Fault {
	if j.Bundle.Key != nil {
		return j.src.fault("give the certificate of this key", "holds no certificate of the key given")
	}
	return j.src.fault(
		fmt.Sprintf("give the answer to the request that cfgsrv set csr gen %s made last, or the key too with --key", j.Unit),
		"holds no certificate of the pending request's key or of the present key of %s", j.Unit)
}

// path is the longest way from the leaf to a trusted certificate: clients that
// know only the last of the issuers need them all. If there is none, it is how
// far the issuers are there.
func (j *judgement) path(leaf *x509.Certificate) ([]*x509.Certificate, error) {
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range j.Trusted {
		roots.AddCert(c)
	}
	for _, c := range j.Bundle.Certificates {
		others.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: others, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return j.climb(leaf), err
	}
	return slices.MaxFunc(chains, func(a, b []*x509.Certificate) int { return len(a) - len(b) }), nil
}

// climb goes from issuer to issuer.
func (j *judgement) climb(leaf *x509.Certificate) []*x509.Certificate {
	known := slices.Concat(j.Bundle.Certificates, j.Trusted)
	path := []*x509.Certificate{leaf}
	for len(path) < maxChain {
		last := path[len(path)-1]
		at := slices.IndexFunc(known, func(c *x509.Certificate) bool { return issuedBy(last, c) && !contains(path, c) })
		if at < 0 {
			break
		}
		path = append(path, known[at])
	}
	return path
}

func contains(all []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(all, c.Equal)
}

// withoutRoot leaves out what clients must have already.
func withoutRoot(path []*x509.Certificate) []*x509.Certificate {
	last := len(path) - 1
	if last > 0 && isSelfIssued(path[last]) {
		return path[:last]
	}
	return path
}

// dates refuses what [Load] only warns of: what is in force already cannot be
// helped, but nothing like it should come into force.
func (j *judgement) dates(path []*x509.Certificate) {
	now := time.Now()
	for i, c := range path {
		switch {
		case now.After(c.NotAfter):
			j.fail(j.src.fault("have it issued anew", "certificate %d of the chain (%s) is expired since %s",
				i+1, c.Subject, c.NotAfter.UTC().Format(time.DateOnly)))
		case now.Before(c.NotBefore):
			j.fail(j.src.fault("wait, or check the clock", "certificate %d of the chain (%s) is not valid before %s",
				i+1, c.Subject, c.NotBefore.UTC().Format(time.RFC3339)))
		}
	}
}

// strength refuses small keys of issuers, and what checked lets pass because it
// is self-signed. A root's own signature proves nothing, whatever its hash.
func (j *judgement) strength(path []*x509.Certificate) {
	for i, c := range path[1:] {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
			j.fail(j.src.fault(fmt.Sprintf("have it issued below an RSA key of %d bits or more", minRSA),
				"certificate %d of the chain (%s) has an RSA key of %d bits", i+2, c.Subject, key.N.BitLen()))
		}
	}
	if leaf := path[0]; isSelfIssued(leaf) && slices.Contains(weakAlgorithms, leaf.SignatureAlgorithm) {
		j.fail(j.src.fault("have it signed with SHA-256 or better", "is self-signed with %s", leaf.SignatureAlgorithm))
	}
	if !j.Unit.signsLists() { // else checked has warned
		j.warnings = append(j.warnings, large(j.src, path[0].PublicKey)...)
	}
}

// name sees that the certificates of a host's two units can be told apart.
func (j *judgement) name(leaf *x509.Certificate) {
	switch cn := leaf.Subject.CommonName; {
	case j.Unit.EC() && !hasSuffixEC(cn):
		j.fail(j.src.fault("have it issued as it was requested",
			"has the common name %q; the host part of that of %s ends in %s or %s", cn, j.Unit, suffixEC, suffixEC+suffixMultiServer))
	case !j.Unit.EC() && hasSuffixEC(cn):
		j.fail(j.src.fault("have it issued as it was requested",
			"has the common name %q; the host part of that of %s does not end in %s, which is for EC units", cn, j.Unit, suffixEC))
	}
}

// use warns of a certificate that clients will not take for a server's: the
// templates of certificate authorities often lack it.
func (j *judgement) use(leaf *x509.Certificate) {
	if j.Unit == CAPF || j.Unit == ITLRecovery || len(leaf.ExtKeyUsage) == 0 {
		return
	}
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		j.warn(j.src.fault("have it issued for server and client authentication", "is not for server authentication, so clients may refuse it"))
	}
}

// noChain says which issuer is missing, as far as that can be said.
func (j *judgement) noChain(path []*x509.Certificate, err error) *Fault {
	top := path[len(path)-1]
	store := j.Unit.TrustStore()
	if contains(j.Trusted, top) {
		return j.src.fault("have it issued anew", "has a chain that does not hold: %v", err)
	}
	do := fmt.Sprintf("put it there first with cfgsrv set cert import trust %s FILE", store)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown && isSelfIssued(top) {
		return j.src.fault(do, "has a chain that ends at %s, which is not in %s", top.Subject, store)
	}
	return j.src.fault(do, "has a chain that does not lead to a certificate in %s: %s is missing", store, top.Issuer)
}

// leftOut warns of certificates that are of no use.
func (j *judgement) leftOut(path []*x509.Certificate) {
	for _, c := range j.Bundle.Certificates {
		if !contains(path, c) {
			j.warn(j.src.fault("nothing need be done", "holds %s, which is no part of the chain and is left out", c.Subject))
		}
	}
}

func isSelfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }
