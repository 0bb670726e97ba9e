// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// The PEM types of RFC 7468, and the two older ones that OpenSSL writes for
// keys.
const (
	blockCertificate = "CERTIFICATE"
	blockPKCS8       = "PRIVATE KEY"
	blockEncrypted   = "ENCRYPTED PRIVATE KEY"
	blockPKCS1       = "RSA PRIVATE KEY"
	blockSEC1        = "EC PRIVATE KEY"
	blockECParams    = "EC PARAMETERS"
)

// Limits on what is read, so that a hostile or mistaken file costs little.
const (
	maxUnitFile   = 256 << 10 // bytes; sixteen certificates take some 40 KiB
	maxStoreFile  = 4 << 20   // bytes; a system's whole CA bundle has some 220 KiB
	maxChain      = 16        // certificates of a unit
	maxStore      = 4096      // certificates of a trust store
	maxStoreFiles = 4096      // files of a trust store
)

// source is a file that is being read: it makes the faults found in it.
type source struct {
	unit Unit
	file string
}

func (s source) fault(do, what string, args ...any) *Fault {
	return &Fault{Unit: s.unit, File: s.file, What: fmt.Sprintf(what, args...), Do: do}
}

// missing is the fault of a certificate without a key, or the other way round.
func (s source) missing() *Fault {
	if s.unit == "" {
		return s.fault("put it back", "is missing")
	}
	other := s.unit.pemFile()
	if s.file == other {
		other = s.unit.keyFile()
	}
	return s.fault(fmt.Sprintf("put it beside %s, or remove that to have both made anew", other), "is missing")
}

// block is a PEM block and the line it begins on.
type block struct {
	*pem.Block
	line int
}

var (
	pemBegin      = []byte("-----BEGIN ")
	pemBeginLine  = []byte("\n-----BEGIN ")
	byteOrderMark = []byte("\xef\xbb\xbf") // Windows editors put it first
)

// blocks splits PEM text. Text between blocks is allowed, as openssl -text
// writes it. pem.Decode passes over a block it cannot read; here that is a
// fault, else a chain would silently lose a certificate.
func (s source) blocks(data []byte) ([]block, error) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if len(data) == 0 {
		return nil, s.fault("put the file back, or remove it", "is empty")
	}
	var all []block
	for line := 1; ; {
		at := beginning(data)
		if at < 0 {
			break
		}
		line += bytes.Count(data[:at], []byte("\n"))
		decoded, rest := pem.Decode(data[at:])
		taken := data[at : len(data)-len(rest)]
		if decoded == nil || beginning(taken[1:]) >= 0 {
			return nil, s.fault("copy the file again, whole", "line %d: a PEM block begins that does not end or is not base64", line)
		}
		all = append(all, block{decoded, line})
		line += bytes.Count(taken, []byte("\n"))
		data = rest
	}
	if len(all) == 0 {
		return nil, s.notPEM(data)
	}
	return all, nil
}

func (s source) notPEM(data []byte) error {
	const sequence = 0x30 // the first byte of every DER certificate and key
	if data[0] == sequence {
		return s.fault("convert it with openssl x509 -inform der or openssl pkey -inform der", "is DER, not PEM")
	}
	return s.fault("put a file here that has -----BEGIN lines", "is not PEM")
}

// beginning finds the next line that begins a block, or -1.
func beginning(data []byte) int {
	if bytes.HasPrefix(data, pemBegin) {
		return 0
	}
	at := bytes.Index(data, pemBeginLine)
	if at < 0 {
		return -1
	}
	return at + 1
}

// certificates parses blocks of certificates, at most limit of them.
func (s source) certificates(all []block, limit int) ([]*x509.Certificate, error) {
	if len(all) > limit {
		return nil, s.fault("keep what is needed", "holds %d certificates, more than %d", len(all), limit)
	}
	certs := make([]*x509.Certificate, 0, len(all))
	for _, b := range all {
		if b.Type != blockCertificate {
			return nil, s.fault("take it out, only certificates belong here", "line %d: holds a %s", b.line, b.Type)
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, s.fault("put a sound certificate here", "line %d: a certificate is broken: %v", b.line, err)
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// key parses the one key among blocks.
func (s source) key(all []block) (crypto.Signer, error) {
	// openssl ecparam -genkey writes the curve in a block of its own first.
	all = slices.DeleteFunc(all, func(b block) bool { return b.Type == blockECParams })
	if len(all) != 1 {
		return nil, s.fault("leave the one key in it", "holds %d PEM blocks where one key belongs", len(all))
	}
	b := all[0]
	if b.Type == blockEncrypted || b.Headers["DEK-Info"] != "" {
		return nil, s.fault("take the passphrase off with openssl pkey -in OLD -out NEW", "line %d: the key is protected by a passphrase", b.line)
	}
	parsed, err := parseKey(b)
	if errors.Is(err, errNoKey) {
		return nil, s.fault("put the unit's private key here", "line %d: holds a %s, not a private key", b.line, b.Type)
	}
	if err != nil {
		return nil, s.fault("put a sound key here", "line %d: the key is broken: %v", b.line, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, s.fault("put an RSA or EC key here", "line %d: the key cannot sign", b.line)
	}
	return signer, nil
}

var errNoKey = errors.New("not a private key")

func parseKey(b block) (any, error) {
	switch b.Type {
	case blockPKCS8:
		return x509.ParsePKCS8PrivateKey(b.Bytes)
	case blockPKCS1:
		return x509.ParsePKCS1PrivateKey(b.Bytes)
	case blockSEC1:
		return x509.ParseECPrivateKey(b.Bytes)
	}
	return nil, errNoKey
}

// pair parses certificates and key out of one file, as a commit file has them.
func (s source) pair(data []byte) (Pair, error) {
	all, err := s.blocks(data)
	if err != nil {
		return Pair{}, err
	}
	firstKey := slices.IndexFunc(all, func(b block) bool { return b.Type != blockCertificate })
	if firstKey < 1 {
		return Pair{}, s.fault("remove it", "does not hold certificates and a key")
	}
	chain, err := s.certificates(all[:firstKey], maxChain)
	if err != nil {
		return Pair{}, err
	}
	key, err := s.key(all[firstKey:])
	if err != nil {
		return Pair{}, err
	}
	return Pair{Unit: s.unit, Chain: chain, Key: key}, nil
}
