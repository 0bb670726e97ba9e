// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"cfgsrv/internal/tlv"
)

// maxSAST is how many SAST records phones take.
const maxSAST = 2

var (
	listVersion     = tlv.Version{Major: 1, Minor: 2}
	signerVersion10 = tlv.Version{Major: 1, Minor: 0}
	signerVersion11 = tlv.Version{Major: 1, Minor: 1}
)

// Spec is what a list says. Nothing in it is looked up or filled in.
type Spec struct {
	Kind Kind
	Time time.Time // whole seconds
	// Digest is SHA-1, also as zero, or SHA-512.
	Digest crypto.Hash
	// SignerVersion is 1.1, which makes phones take ECDSA certificates and use
	// HTTPS on 6971, or 1.0. Zero leaves it out, as Unified CM does.
	SignerVersion Version
	// Entries in the order of the list, the most needed first.
	Entries []Entry
}

// Entry is one certificate with one role.
type Entry struct {
	// Certificate may be nil, except for a SAST, which makes the record say
	// only that Host has no such certificate. See [Spec.Emptied].
	Certificate *x509.Certificate
	Role        Role
	Host        string     // the server's name; may be empty
	Address     netip.Addr // the server's address; zero leaves it out
}

func (e Entry) String() string {
	if e.Certificate == nil {
		return fmt.Sprintf("%s (%s)", e.Host, e.Role)
	}
	return fmt.Sprintf("%s (%s)", tlv.SubjectName(e.Certificate), e.Role)
}

// Emptied is s without the certificates of its servers: what Unified CM gives
// to phones that are about to move ("Prepare Cluster for Rollback to pre
// 8.0"). Records of the roles TFTP, CCM+TFTP and TVS keep their place and name
// no certificate, as those of a CTL in non-secure mode do; SAST, CAPF and the
// rest stay, so that the list still verifies. A phone that holds it takes
// unsigned files and any new list.
func (s Spec) Emptied() Spec {
	s.Entries = slices.Clone(s.Entries)
	for i, e := range s.Entries {
		if e.Role == TFTP || e.Role == CCMTFTP || e.Role == TVS {
			s.Entries[i].Certificate = nil
		}
	}
	return s
}

// Build writes the list that s describes in Unified CM's own form, signed by
// the key of cert, which has to be one of its SAST entries. An error of the
// certificate or its key is a [*SignerError]; every other error names the
// entry that has to go or what has to be set instead.
func Build(s Spec, cert *x509.Certificate, key crypto.Signer) ([]byte, error) {
	signer, err := tlv.NewSigner(cert, key, s.Digest)
	if err != nil {
		return nil, err
	}
	if err := s.check(cert); err != nil {
		return nil, err
	}
	var body []byte
	for _, e := range s.Entries {
		if body, err = e.append(body); err != nil {
			return nil, fmt.Errorf("writing the record of %s: %w", e, err)
		}
	}
	d := tlv.Draft{Version: listVersion, SignerVersion: s.SignerVersion, FileName: s.Kind.FileName(), Time: s.Time}
	list, err := signer.Header(d, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if size := len(list) + len(body); size > MaxSize {
		return nil, s.tooLong(size)
	}
	return append(list, body...), nil
}

func (s Spec) check(signer *x509.Certificate) error {
	if s.Kind != ITL && s.Kind != CTL {
		return fmt.Errorf("there is no list of kind %q, only %s and %s", s.Kind, ITL, CTL)
	}
	switch s.SignerVersion {
	case Version{}, signerVersion10, signerVersion11:
	default:
		return fmt.Errorf("phones know no signer version %s: use %s or %s", s.SignerVersion, signerVersion10, signerVersion11)
	}
	for _, e := range s.Entries {
		if err := e.check(s.SignerVersion); err != nil {
			return err
		}
	}
	return s.checkSAST(signer)
}

func (s Spec) checkSAST(signer *x509.Certificate) error {
	var names []string
	signs := false
	for _, e := range s.Entries {
		if e.Role == SAST {
			names = append(names, tlv.SubjectName(e.Certificate))
			signs = signs || e.Certificate.Equal(signer)
		}
	}
	if !signs {
		return &SignerError{Subject: tlv.SubjectName(signer), Reason: "it is not in the list with the role SAST; add it, or sign with one that is"}
	}
	if len(names) > maxSAST {
		return fmt.Errorf("the list has %d SAST certificates and phones take %d: remove %s", len(names), maxSAST, strings.Join(names[maxSAST:], " and "))
	}
	return nil
}

// tooLong names as many entries from the end of s as have to go.
func (s Spec) tooLong(size int) error {
	var remove []string
	for left, i := size, len(s.Entries)-1; left > MaxSize && i >= 0; i-- {
		record, err := s.Entries[i].append(nil)
		if err != nil {
			return err
		}
		left -= len(record)
		remove = append(remove, s.Entries[i].String())
	}
	return fmt.Errorf("the list would have %d bytes and phones take %d: remove %d of its %d records, for example %s",
		size, MaxSize, len(remove), len(s.Entries), strings.Join(remove, ", "))
}

func (e Entry) check(v Version) error {
	if _, known := roleNames[e.Role]; !known {
		return fmt.Errorf("%s: phones do not know this role: remove the record", e)
	}
	if strings.IndexByte(e.Host, 0) >= 0 {
		return fmt.Errorf("%s: a host name cannot hold a NUL byte", e)
	}
	if e.Certificate == nil {
		if e.Role == SAST {
			return fmt.Errorf("%s: a SAST record needs its certificate: remove it or add the certificate", e)
		}
		return nil
	}
	if _, ec := e.Certificate.PublicKey.(*ecdsa.PublicKey); ec && v != signerVersion11 {
		return fmt.Errorf("%s: phones take ECDSA certificates with signer version %s alone: set it, or remove the record", e, signerVersion11)
	}
	return nil
}

// append appends the record in the order that Unified CM writes: 1 to 10.
func (e Entry) append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = tlv.AppendBytes(dst, tagRecordLength, 0, 0) // known below
	dst = tlv.AppendText(dst, tagDNSName, e.Host)
	if c := e.Certificate; c != nil {
		dst = tlv.AppendText(dst, tagSubjectName, tlv.SubjectName(c))
	}
	dst = tlv.AppendBytes(dst, tagFunction, byte(e.Role>>8), byte(e.Role))
	if c := e.Certificate; c != nil {
		key, err := publicKey(c)
		if err != nil {
			return nil, err
		}
		dst = tlv.AppendText(dst, tagIssuerName, tlv.IssuerName(c))
		dst = tlv.AppendBytes(dst, tagSerialNumber, tlv.Serial(c)...)
		dst = tlv.AppendBytes(dst, tagPublicKey, key...)
		dst = tlv.AppendBytes(dst, tagSignature, c.Signature...)
		dst = tlv.AppendBytes(dst, tagCertificate, c.Raw...)
	}
	if e.Address.IsValid() {
		dst = tlv.AppendBytes(dst, tagIPAddress, e.Address.Unmap().AsSlice()...)
	}
	size := len(dst) - start
	if size > math.MaxUint16 {
		return nil, fmt.Errorf("the record would have %d bytes and %d is the limit: shorten the host name or use a smaller certificate", size, math.MaxUint16)
	}
	binary.BigEndian.PutUint16(dst[start+3:], uint16(size))
	return dst, nil
}

// publicKey is the key of c in the form of tag 7, which names no curve, so
// that only the three whose points differ in length can be told apart.
func publicKey(c *x509.Certificate) ([]byte, error) {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return x509.MarshalPKCS1PublicKey(key), nil
	case *ecdsa.PublicKey:
		if bits := key.Params().BitSize; bits == 256 || bits == 384 || bits == 521 {
			return key.Bytes()
		}
	}
	return nil, errors.New("phones do not know this kind of key: use RSA, or ECDSA with P-256, P-384 or P-521")
}

// Spec is the inverse of [Build]: what to give it for a list of the same
// content. For a list in Unified CM's form that makes the same bytes, except
// for the signature. The error names the record that [Build] could not write.
func (l *List) Spec() (Spec, error) {
	s := Spec{Kind: l.Kind(), Time: l.Time(), Digest: l.Digest(), SignerVersion: l.SignerVersion()}
	for i, r := range l.records {
		e := Entry{Role: r.Role(), Host: r.Host(), Address: r.Address()}
		c, err := r.Certificate()
		if err != nil && (!errors.Is(err, ErrNoCertificate) || r.Subject() != "") {
			return Spec{}, fmt.Errorf("reading record %d: %w", i+1, err)
		}
		e.Certificate = c
		s.Entries = append(s.Entries, e)
	}
	return s, nil
}
