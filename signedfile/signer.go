// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"crypto"
	"crypto/x509"
	"io"
	"time"

	"cfgsrv/internal/tlv"
)

// Versions in tag 1 (FORMATS 3, 4.1).
var (
	signedVersion    = tlv.Version{Major: 1, Minor: 0}
	firmwareVersion  = tlv.Version{Major: 1, Minor: 1}
	encryptedVersion = tlv.Version{Major: 2, Minor: 0}
)

// Signer signs files with one certificate. It is never modified and may be
// used by several goroutines at once.
type Signer struct {
	tlv *tlv.Signer
}

// NewSigner makes a Signer of cert and its key, which must be RSA of 1024,
// 2048 or 4096 bits; otherwise the error is a [*SignerError]. Digest is SHA-1,
// also as zero, or SHA-512.
func NewSigner(cert *x509.Certificate, key crypto.Signer, digest crypto.Hash) (*Signer, error) {
	s, err := tlv.NewSigner(cert, key, digest)
	if err != nil {
		return nil, err
	}
	return &Signer{tlv: s}, nil
}

// Certificate is the certificate that signs.
func (s *Signer) Certificate() *x509.Certificate { return s.tlv.Certificate() }

// Sign reads body to its end and gives the header that makes a signed file of
// it: the header, then the same bytes again. Name is the name inside, exactly
// as it was asked for, folder and .sgn included. At is in whole seconds. An
// error of body comes back wrapped, so a reader that obeys a context ends the
// signing too.
func (s *Signer) Sign(name string, at time.Time, body io.Reader) (header []byte, err error) {
	return s.tlv.Header(tlv.Draft{Version: signedVersion, FileName: name, Time: at}, body)
}
