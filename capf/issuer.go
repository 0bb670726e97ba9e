// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"time"

	"cfgsrv/device"
)

// Authority makes LSCs.
type Authority interface {
	// Issue makes the LSC of a device for its public key. ErrOffline means that
	// the key is to be kept as a request, to be answered by Store.Answer.
	Issue(n device.Name, publicKey crypto.PublicKey, now time.Time) (*x509.Certificate, error)
}

// ErrOffline is returned by an Authority that somebody else must ask.
var ErrOffline = errors.New("an external issuer signs the LSCs")

// Offline is the Authority that leaves every request to an external issuer.
type Offline struct{}

// Issue returns ErrOffline.
func (Offline) Issue(device.Name, crypto.PublicKey, time.Time) (*x509.Certificate, error) {
	return nil, ErrOffline
}

// IssuerConfig is what an Issuer needs.
type IssuerConfig struct {
	CA           *x509.Certificate // the CAPF unit's
	Key          crypto.Signer     // its key
	ValidityDays int               // zero: 1825
	Healthy      func() error      // returns why no LSC may be issued now, one plain sentence; nil: never
}

// Issuer is the Authority that signs with the CAPF unit.
type Issuer struct {
	ca        *x509.Certificate
	key       crypto.Signer
	algorithm x509.SignatureAlgorithm
	days      int
	healthy   func() error
}

// NewIssuer checks that the configuration can issue. The error says what is
// wrong with the CAPF unit.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	i := &Issuer{ca: cfg.CA, key: cfg.Key, days: cmp.Or(cfg.ValidityDays, 1825), healthy: cfg.Healthy}
	if i.healthy == nil {
		i.healthy = func() error { return nil }
	}
	switch own := i.ca.PublicKey.(type) {
	case *rsa.PublicKey:
		i.algorithm = x509.SHA256WithRSA
		if !own.Equal(i.key.Public()) {
			return nil, errKeyMismatch
		}
	case *ecdsa.PublicKey:
		i.algorithm = x509.ECDSAWithSHA256
		if !own.Equal(i.key.Public()) {
			return nil, errKeyMismatch
		}
	default:
		return nil, fmt.Errorf("a CAPF certificate cannot have a key of type %s", i.ca.PublicKeyAlgorithm)
	}
	if !i.ca.IsCA || i.ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, errors.New("the CAPF certificate may not sign certificates")
	}
	return i, nil
}

var errKeyMismatch = errors.New("the CAPF key does not belong to the CAPF certificate")

// Issue implements Authority.
func (i *Issuer) Issue(n device.Name, publicKey crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if err := i.healthy(); err != nil {
		return nil, refuse("no LSC is issued now: %v", err)
	}
	now = now.UTC().Truncate(time.Second)
	if now.Before(i.ca.NotBefore) || now.After(i.ca.NotAfter) {
		return nil, refuse("no LSC is issued: the CAPF certificate is not in its dates")
	}
	lsc, err := i.template(n, publicKey, now)
	if err != nil {
		return nil, fmt.Errorf("issuing an LSC: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, lsc, i.ca, publicKey, i.key)
	if err != nil {
		return nil, fmt.Errorf("issuing an LSC: %w", err)
	}
	return x509.ParseCertificate(der)
}

// template is the LSC of FORMATS 6.7, with the key identifiers that it lacks.
func (i *Issuer) template(n device.Name, publicKey crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	subject, err := i.subject(n)
	if err != nil {
		return nil, err
	}
	serial, err := randomSerial()
	if err != nil {
		return nil, err
	}
	id, err := keyID(publicKey)
	if err != nil {
		return nil, err
	}
	end := now.AddDate(0, 0, i.days)
	if end.After(i.ca.NotAfter) {
		end = i.ca.NotAfter
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		RawSubject:            subject,
		NotBefore:             now,
		NotAfter:              end,
		SignatureAlgorithm:    i.algorithm,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageIPSECEndSystem,
		},
		URIs:         []*url.URL{{Path: string(n)}},
		SubjectKeyId: id,
	}, nil
}

// attribute keeps the string type of its value, which pkix would choose anew.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// relativeNameSET is a SET to encoding/asn1 because its name ends so.
type relativeNameSET []attribute

func isCommonName(a attribute) bool { return a.Type.Equal(oidCommonName) }

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// subject is CN=DEVICE, then what the CA's subject has besides its CN.
func (i *Issuer) subject(n device.Name) ([]byte, error) {
	var ca []relativeNameSET
	if _, err := asn1.Unmarshal(i.ca.RawSubject, &ca); err != nil {
		return nil, fmt.Errorf("reading the subject of the CAPF certificate: %w", err)
	}
	cn := asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(n)}
	all := []relativeNameSET{{{oidCommonName, cn}}}
	for _, rdn := range ca {
		if !slices.ContainsFunc(rdn, isCommonName) {
			all = append(all, rdn)
		}
	}
	return asn1.Marshal(all)
}

func randomSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	return new(big.Int).SetBytes(b[:]), nil
}

// keyID is the first method of RFC 7093 section 2.
func keyID(publicKey crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(publicKey)
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}
