// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// maxHeader is what the 16 bits of tag 2 can say.
const maxHeader = math.MaxUint16

// Signer writes headers that one certificate signs. It is never modified and
// may be used by several goroutines at once.
type Signer struct {
	cert   *x509.Certificate
	key    crypto.Signer
	digest crypto.Hash
	size   int    // bytes of a signature
	who    []byte // tags 3 to 11, the same in each header
}

// NewSigner makes a Signer of cert and its key, which must be RSA of 1024,
// 2048 or 4096 bits; otherwise the error is a [*SignerError]. Digest is SHA-1
// (also as zero) or SHA-512.
func NewSigner(cert *x509.Certificate, key crypto.Signer, digest crypto.Hash) (*Signer, error) {
	if digest == 0 {
		digest = crypto.SHA1
	}
	id, err := DigestID(digest)
	if err != nil {
		return nil, err
	}
	size, err := signatureSize(cert)
	if err != nil {
		return nil, err
	}
	if err := matches(cert, key); err != nil {
		return nil, err
	}
	who := appendSigner(nil, InfoOf(cert), id, size)
	return &Signer{cert: cert, key: key, digest: digest, size: size, who: who}, nil
}

// signatureSize is the number of bytes of a signature by cert's key.
func signatureSize(cert *x509.Certificate) (int, error) {
	refuse := func(format string, args ...any) (int, error) {
		return 0, &SignerError{Subject: SubjectName(cert), Reason: fmt.Sprintf(format, args...)}
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return refuse("its key is %s and phones check RSA signatures only; use an RSA-2048 certificate", keyName(cert))
	}
	size := key.Size()
	if _, ok := modulusOf(size); !ok {
		return refuse("the header has no code for an RSA-%d key; use RSA-2048, or RSA-4096, which desk phones do not take", key.N.BitLen())
	}
	if size < 128 {
		return refuse("RSA-%d is too short to be safe; use RSA-2048", key.N.BitLen())
	}
	return size, nil
}

func keyName(cert *x509.Certificate) string {
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		return "ECDSA " + key.Params().Name
	}
	return cert.PublicKeyAlgorithm.String()
}

// matches says why key cannot sign in cert's name.
func matches(cert *x509.Certificate, key crypto.Signer) error {
	if key == nil {
		return &SignerError{Subject: SubjectName(cert), Reason: "its private key is not here; use a certificate whose key is"}
	}
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || !pub.Equal(key.Public()) {
		return &SignerError{Subject: SubjectName(cert), Reason: "the private key belongs to another certificate; use the one that goes with it"}
	}
	return nil
}

// appendSigner appends tags 3 to 11 in Unified CM's order.
func appendSigner(dst []byte, who SignerInfo, digest byte, size int) []byte {
	const info = 15 // bytes in SIGNATUREINFO: it has no variable part
	modulus, _ := modulusOf(size)
	dst = AppendHead(dst, TagSignerID, 3*prefix+len(who.Name)+1+len(who.Serial)+len(who.Issuer)+1)
	dst = AppendText(dst, TagSignerName, who.Name)
	dst = AppendBytes(dst, TagSerialNumber, who.Serial...)
	dst = AppendText(dst, TagCAName, who.Issuer)
	dst = AppendHead(dst, TagSignatureInfo, info)
	dst = AppendBytes(dst, TagDigest, digest)
	dst = AppendHead(dst, TagSignatureAlgoInfo, 8)
	dst = AppendBytes(dst, TagSignatureAlgo, rsaAlgorithm)
	return AppendBytes(dst, TagModulus, modulus)
}

// Certificate is the certificate that signs.
func (s *Signer) Certificate() *x509.Certificate { return s.cert }

// Digest is the hash under the signatures.
func (s *Signer) Digest() crypto.Hash { return s.digest }

// Draft is what a header says besides who signs it.
type Draft struct {
	Version       Version
	SignerVersion Version // zero leaves tag 28 out
	FileName      string
	Time          time.Time // whole seconds from 1970 to 2106
	Extra         []byte    // fields for between TIMESTAMP and the padding
}

func (d Draft) check() error {
	switch {
	case d.FileName == "":
		return errors.New("a signed file needs a name inside")
	case strings.IndexByte(d.FileName, 0) >= 0:
		return errors.New("the name inside a signed file cannot hold a NUL byte")
	case d.Time.Unix() < 0 || d.Time.Unix() > math.MaxUint32:
		return fmt.Errorf("the time %s does not fit into 32 bits: set the clock", d.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// Header writes the header of body, which it reads to its end, in Unified CM's
// order (FORMATS 2.6). The file is the header followed by body.
func (s *Signer) Header(d Draft, body io.Reader) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	h := make([]byte, 0, FrontSize+len(s.who)+s.size+len(d.FileName)+len(d.Extra)+32)
	h = AppendBytes(h, TagVersion, d.Version.Major, d.Version.Minor)
	h = AppendBytes(h, TagHeaderLength, 0, 0) // known below
	if d.SignerVersion != (Version{}) {
		h = AppendBytes(h, TagSignerVersion, d.SignerVersion.Major, d.SignerVersion.Minor)
	}
	h = append(h, s.who...)
	cut := len(h)
	h = AppendHead(h, TagSignature, s.size)
	h = append(h, make([]byte, s.size)...)
	resume := len(h)
	h = AppendText(h, TagFileName, d.FileName)
	h = AppendHead(h, TagTimestamp, 4)
	h = binary.BigEndian.AppendUint32(h, uint32(d.Time.Unix()))
	h = append(h, d.Extra...)
	for len(h)%4 != 0 {
		h = append(h, TagPadding)
	}
	if len(h) > maxHeader {
		return nil, fmt.Errorf("the header would have %d bytes and %d is the limit: shorten the names in it", len(h), maxHeader)
	}
	binary.BigEndian.PutUint16(h[8:], uint16(len(h)))
	return h, s.sign(h[resume-s.size:resume], h[:cut], h[resume:], body)
}

// sign puts the signature over before, after and body into dst.
func (s *Signer) sign(dst, before, after []byte, body io.Reader) error {
	d := s.digest.New()
	d.Write(before)
	d.Write(after)
	if _, err := io.Copy(d, body); err != nil {
		return fmt.Errorf("hashing the content: %w", err)
	}
	sig, err := s.key.Sign(rand.Reader, d.Sum(nil), s.digest)
	if err != nil {
		return fmt.Errorf("signing as %s: %w", SubjectName(s.cert), err)
	}
	if copy(dst, sig) != len(sig) || len(sig) != len(dst) {
		return fmt.Errorf("signing as %s: the key gave %d bytes instead of %d", SubjectName(s.cert), len(sig), len(dst))
	}
	return nil
}
