// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// The content types of RFC 2315, 14, that a bag of certificates is made of.
var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// contentInfo is that of RFC 2315, 7.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

// signedData is that of RFC 2315, 9.1.
type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      contentInfo
	Certificates asn1.RawValue   `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue   `asn1:"optional,tag:1"`
	Signers      []asn1.RawValue `asn1:"set"`
}

// parsePKCS7 returns the certificates of a PKCS#7 bag, which is how certificate
// authorities hand out chains (.p7b): signed data without content and without
// signatures, in DER (RFC 2315, 9.1; RFC 8551, 3.8).
func parsePKCS7(der []byte) ([]*x509.Certificate, error) {
	var outer contentInfo
	if err := unmarshalAll(der, &outer, ""); err != nil {
		return nil, err
	}
	if !outer.Type.Equal(oidSignedData) {
		return nil, fmt.Errorf("its content is of type %s, not signed data", outer.Type)
	}
	var bag signedData
	if err := unmarshalAll(outer.Content.Bytes, &bag, ""); err != nil {
		return nil, err
	}
	switch {
	case !bag.Content.Type.Equal(oidData), len(bag.Content.Content.FullBytes) > 0, len(bag.Signers) > 0:
		return nil, errors.New("it signs something, and is no bag of certificates")
	case len(bag.Certificates.Bytes) == 0:
		return nil, errors.New("there is no certificate in it")
	}
	return x509.ParseCertificates(bag.Certificates.Bytes)
}

// unmarshalAll is asn1.UnmarshalWithParams that allows nothing to follow.
func unmarshalAll(der []byte, v any, params string) error {
	rest, err := asn1.UnmarshalWithParams(der, v, params)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes follow its end", len(rest))
	}
	return err
}
