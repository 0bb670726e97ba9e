// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/sha256"
	"crypto/x509"
)

// Book is what one generation vouches for. It never changes.
type Book struct {
	listed   []Listed
	byDER    map[[sha256.Size]byte]int // places in listed
	byIssuer map[key]int
	bySubj   map[key]int
}

// key is a folded name and a serial number as FORMATS 2.4 writes it.
type key struct{ name, serial string }

// NewBook makes a book. A certificate that is given several times has all the
// roles and can be found by all the names. Where two certificates go by the same
// name and serial number, the first counts.
func NewBook(all ...Listed) *Book {
	b := &Book{
		byDER:    make(map[[sha256.Size]byte]int),
		byIssuer: make(map[key]int),
		bySubj:   make(map[key]int),
	}
	for _, l := range all {
		b.add(l)
	}
	return b
}

func (b *Book) add(l Listed) {
	f := l.fingerprint()
	at, ok := b.byDER[f]
	if !ok {
		at = len(b.listed)
		b.byDER[f] = at
		b.listed = append(b.listed, Listed{Certificate: l.Certificate})
	}
	b.listed[at].join(l)
	c := l.Certificate
	index(b.byIssuer, c, at, append(spellings(c.RawIssuer), l.Issuer))
	index(b.bySubj, c, at, append(spellings(c.RawSubject), l.Subject))
}

func index(m map[key]int, c *x509.Certificate, at int, names []string) {
	for _, name := range names {
		k := key{fold(name), string(c.SerialNumber.Bytes())}
		if _, taken := m[k]; !taken && name != "" {
			m[k] = at
		}
	}
}

// Verify finds a certificate by all of its bytes.
func (b *Book) Verify(der []byte) (Listed, bool) {
	at, ok := b.byDER[sha256.Sum256(der)]
	if !ok {
		return Listed{}, false
	}
	return b.listed[at], true
}

// Query finds a certificate by its issuer and serial number, as CUCM does. If
// the issuer is not given, the subject does.
func (b *Book) Query(q Question) (Listed, bool) {
	m, name := b.byIssuer, q.Issuer
	if name == "" {
		m, name = b.bySubj, q.Subject
	}
	at, ok := m[key{fold(name), string(trimZeros(q.Serial))}]
	if !ok {
		return Listed{}, false
	}
	return b.listed[at], true
}

// Question is how a phone asks for a certificate that it does not have: by the
// strings of the list or file that it was shown.
type Question struct {
	Subject, Issuer string
	Serial          []byte // unsigned
}

// QuestionFor asks for a certificate as a phone does that was shown a list of
// CUCM's.
func QuestionFor(c *x509.Certificate) Question {
	q := Question{Serial: c.SerialNumber.Bytes()}
	if s := spellings(c.RawSubject); s != nil {
		q.Subject = s[0]
	}
	if s := spellings(c.RawIssuer); s != nil {
		q.Issuer = s[0]
	}
	return q
}

// trimZeros makes a serial number with the sign byte of DER equal to one
// without.
func trimZeros(serial []byte) []byte {
	for len(serial) > 0 && serial[0] == 0 {
		serial = serial[1:]
	}
	return serial
}
