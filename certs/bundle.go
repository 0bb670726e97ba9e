// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"software.sslmate.com/src/go-pkcs12"
)

// Bundle is what one file holds: certificates in any order, and the key of one
// of them if it is there too.
type Bundle struct {
	Name         string // of the file, for messages
	Certificates []*x509.Certificate
	Key          crypto.Signer // nil: none
}

// maxBundle is how large a file may be that is imported, in bytes, see
// [ParseBundle].
const maxBundle = maxStoreFile

// The PEM types of PKCS#7: RFC 7468, 8, and an older one.
const (
	blockPKCS7    = "PKCS7"
	blockCMS      = "CMS"
	blockPKCS7Old = "PKCS #7 SIGNED DATA"
)

// ParseBundle reads a file in PEM, DER, PKCS#7 or PKCS#12, which it tells apart
// by itself. The password is that of PKCS#12. The error is a [Fault].
func ParseBundle(name string, data []byte, password string) (Bundle, error) {
	b := Bundle{Name: name}
	src := source{file: name}
	if len(data) > maxBundle {
		return b, src.fault("give the right file", "is larger than %d bytes", maxBundle)
	}
	var err error
	if beginning(bytes.TrimPrefix(data, byteOrderMark)) >= 0 {
		err = b.fromPEM(src, data)
	} else {
		err = b.fromDER(src, data, password)
	}
	if err != nil {
		return Bundle{}, err
	}
	if len(b.Certificates) == 0 {
		return Bundle{}, src.fault("give a file with one", "holds no certificate")
	}
	return b, nil
}

func (b *Bundle) fromPEM(src source, data []byte) error {
	all, err := src.blocks(data)
	if err != nil {
		return err
	}
	var certificates, keys []block
	for _, bl := range all {
		switch {
		case isPKCS7(bl):
			found, err := parsePKCS7(bl.Bytes)
			if err != nil {
				return src.fault("give a sound file", "line %d: the PKCS#7 is broken: %v", bl.line, err)
			}
			b.Certificates = append(b.Certificates, found...)
		case bl.Type == blockCertificate:
			certificates = append(certificates, bl)
		case slices.Contains(blocksOfKeys, bl.Type):
			keys = append(keys, bl)
		default:
			return src.fault("take it out", "line %d: holds a %s, which is neither a certificate nor a key", bl.line, bl.Type)
		}
	}
	found, err := src.certificates(certificates, maxStore)
	if err != nil {
		return err
	}
	b.Certificates = append(b.Certificates, found...)
	if len(keys) > 0 {
		b.Key, err = src.key(keys)
	}
	return err
}

var blocksOfKeys = []string{blockPKCS8, blockPKCS1, blockSEC1, blockEncrypted, blockECParams}

// isPKCS7 goes by the content too: Windows calls a bag a CERTIFICATE.
func isPKCS7(bl block) bool {
	switch bl.Type {
	case blockPKCS7, blockCMS, blockPKCS7Old:
		return true
	case blockCertificate:
		first, err := firstOf(bl.Bytes)
		return err == nil && first.Tag == asn1.TagOID
	}
	return false
}

// fromDER tells the formats apart by what their outermost sequence begins with.
func (b *Bundle) fromDER(src source, data []byte, password string) error {
	first, err := firstOf(data)
	if err != nil {
		return src.fault("give a file in PEM, DER, PKCS#7 or PKCS#12", "is in none of the formats of certificates")
	}
	switch first.Tag {
	case asn1.TagOID:
		b.Certificates, err = parsePKCS7(data)
		if err != nil {
			return src.fault("give a sound file in DER, such as openssl crl2pkcs7 makes", "cannot be read as PKCS#7: %v", err)
		}
	case asn1.TagInteger:
		return b.fromPKCS12(src, data, password)
	default:
		b.Certificates, err = x509.ParseCertificates(data)
		if err != nil {
			return src.fault("give a sound file", "cannot be read as certificate in DER: %v", err)
		}
	}
	return nil
}

// firstOf returns the first element of a sequence.
func firstOf(data []byte) (asn1.RawValue, error) {
	var outer, first asn1.RawValue
	if _, err := asn1.Unmarshal(data, &outer); err != nil {
		return first, err
	}
	if outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence {
		return first, errors.New("not a sequence")
	}
	_, err := asn1.Unmarshal(outer.Bytes, &first)
	return first, err
}

func (b *Bundle) fromPKCS12(src source, data []byte, password string) error {
	key, leaf, rest, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return wrongPassword(src)
	}
	if err == nil {
		signer, ok := key.(crypto.Signer)
		if !ok {
			return src.fault("give an RSA or EC key", "has a key that cannot sign")
		}
		b.Key, b.Certificates = signer, append([]*x509.Certificate{leaf}, rest...)
		return nil
	}
	// Without a key it may be a trust store.
	trusted, storeErr := pkcs12.DecodeTrustStore(data, password)
	if storeErr != nil {
		return src.fault("give a sound file, or the certificates in PEM", "cannot be read as PKCS#12: %v", err)
	}
	b.Certificates = trusted
	return nil
}

func wrongPassword(src source) error {
	return src.fault("give its password in a file with --password-file", "is PKCS#12 with another password, or damaged")
}

// ParseKey reads a file with one private key, in PEM or DER, without a
// passphrase. The error is a [Fault].
func ParseKey(name string, data []byte) (crypto.Signer, error) {
	src := source{file: name}
	if beginning(bytes.TrimPrefix(data, byteOrderMark)) >= 0 {
		all, err := src.blocks(data)
		if err != nil {
			return nil, err
		}
		// A file with the certificate beside its key will do.
		return src.key(slices.DeleteFunc(all, func(b block) bool { return b.Type == blockCertificate }))
	}
	for _, parse := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
	} {
		if key, err := parse(data); err == nil {
			if signer, ok := key.(crypto.Signer); ok {
				return signer, nil
			}
		}
	}
	return nil, src.fault("give a key in PEM or DER", "holds no private key")
}
