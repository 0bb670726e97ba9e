// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/device"
)

// Phone is a device that comes to a CAPF server, as Enrol plays it.
type Phone struct {
	Server  string      // HOST:PORT
	TLS     *tls.Config // how the server is checked
	Device  device.Name
	Version uint8 // of the protocol: 2, as Jabber, or 3; zero: 3

	// Auth is how the phone's configuration tells it to show that it is the one.
	// By an existing certificate, it sends Own and SUDI.
	Auth       Auth
	AuthString AuthString
	Own        *tls.Certificate // the LSC or MIC that it has; nil without one
	SUDI       *tls.Certificate // the certificate that the hardware came with; nil: it is not sent
	// Key is the key that a new LSC is for; nil: one is made as the server
	// wishes. A server that wishes another kind is told that there is none.
	Key crypto.Signer

	Limit time.Duration // for each message of the server; zero: 10 s
}

// Visit is what a phone has afterwards.
type Visit struct {
	Operation Operation // that the server had in mind
	// Key and Certificate are the new key and LSC after Install.
	Key         crypto.Signer
	Certificate *x509.Certificate
}

// ErrDeclined is returned if the server ended the session without saying why:
// the authentication was wrong, or it could not do what it wanted to.
var ErrDeclined = errors.New("the server declined")

// Enrol visits a CAPF server once and does what it asks for. The error is
// ErrDeclined or ErrUnknownDevice if the server says so.
func Enrol(ctx context.Context, p Phone) (*Visit, error) {
	conn, err := (&tls.Dialer{Config: p.TLS}).DialContext(ctx, "tcp", p.Server)
	if err != nil {
		return nil, fmt.Errorf("connecting to CAPF: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	v, err := p.visit(conn)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("visiting CAPF: %w", err)
	}
	return v, nil
}

// visit is Enrol on a connection.
func (p Phone) visit(conn net.Conn) (*Visit, error) {
	v := visitor{
		Phone: p,
		peer:  peer{conn: conn, limit: cmp.Or(p.Limit, 10*time.Second)},
	}
	v.Version = cmp.Or(v.Version, maxVersion)
	v.have.Key = p.Key
	for {
		m, err := v.receive()
		if err != nil {
			return nil, err
		}
		if m.Command == wire.End {
			return v.end(m)
		}
		if err := v.obey(m); err != nil {
			return nil, err
		}
	}
}

// visitor is a Phone during its visit.
type visitor struct {
	Phone
	peer
	have Visit
}

func (v *visitor) obey(m wire.Message) error {
	v.session = m.Session
	switch m.Command {
	case wire.AuthRequest:
		return v.introduce()
	case wire.KeyRequest:
		return v.makeKey(m)
	case wire.StoreRequest:
		return v.store(m)
	case wire.FetchRequest:
		return v.show()
	case wire.DeleteRequest:
		v.have.Operation = Delete
		return v.send(wire.DeleteResponse, v.done(v.Own != nil))
	}
	return fmt.Errorf("%w for a phone: command %d", wire.ErrSyntax, m.Command)
}

func (v *visitor) done(ok bool) wire.Element {
	if ok {
		return wire.Byte(wire.ReasonTag, uint8(wire.Done))
	}
	return wire.Byte(wire.ReasonTag, uint8(wire.Declined))
}

// introduce says who the phone is, its elements in the order of their tags as
// the reference client has them.
func (v *visitor) introduce() error {
	e := []wire.Element{v.done(true)}
	var sha2, sudi []wire.Element
	if v.Own != nil && v.Auth.byCertificate() {
		own, err := v.proveOwn()
		if err != nil {
			return err
		}
		e, sha2 = append(e, own[:2]...), own[2:]
	}
	e = append(e, wire.Byte(wire.Version, v.Version))
	if v.Version >= ecVersion || v.AuthString != "" {
		e = append(e, wire.Text(wire.Password, string(v.AuthString)))
	}
	if v.SUDI != nil && v.Auth.byCertificate() {
		var err error
		if sudi, err = v.proveSUDI(); err != nil {
			return err
		}
	}
	e = append(e, wire.Text(wire.DeviceName, string(v.Device)))
	return v.send(wire.AuthResponse, append(append(e, sudi...), sha2...)...)
}

// proveOwn is the elements Certificate, SignedData and SignedDataSHA2.
func (v *visitor) proveOwn() ([]wire.Element, error) {
	use, der := wire.LSC, v.Own.Certificate[0]
	if v.Auth == ByMIC {
		use = wire.MIC
	}
	certificate, err := wire.MakeCertificate(use, der)
	if err != nil {
		return nil, err
	}
	sha1, sha512, err := signTwice(v.Own, signedData(string(v.Device), der))
	if err != nil {
		return nil, err
	}
	sha2, err := wire.Elements{{Tag: wire.SignatureSHA512, Value: sha512}}.Marshal()
	return []wire.Element{certificate, {Tag: wire.SignedData, Value: sha1}, {Tag: wire.SignedDataSHA2, Value: sha2}}, err
}

func (v *visitor) proveSUDI() ([]wire.Element, error) {
	der := v.SUDI.Certificate[0]
	sha1, sha512, err := signTwice(v.SUDI, signedSUDI(v.session, der))
	if err != nil {
		return nil, err
	}
	b, err := wire.Elements{
		{Tag: wire.SUDICertificate, Value: der},
		{Tag: wire.SignatureSHA1, Value: sha1},
		{Tag: wire.SignatureSHA512, Value: sha512},
	}.Marshal()
	return []wire.Element{{Tag: wire.SUDI, Value: b}}, err
}

func signTwice(c *tls.Certificate, data []byte) (sha1, sha512 []byte, err error) {
	key, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New("the phone's certificate has no key that can sign")
	}
	// What a phone sends is not ours to choose.
	fips140.WithoutEnforcement(func() {
		if sha1, err = sign(key, crypto.SHA1, data); err == nil {
			sha512, err = sign(key, crypto.SHA512, data)
		}
	})
	return sha1, sha512, err
}

func (v *visitor) makeKey(m wire.Message) error {
	v.have.Operation = Install
	spec, err := parseKeySpec(m.Elements)
	if err != nil {
		return err
	}
	if v.Version >= ecVersion {
		if err := v.send(wire.RequestInProgress); err != nil {
			return err
		}
	}
	if v.Key == nil {
		if v.have.Key, err = spec.make(); err != nil {
			return err
		}
	}
	if specOf(v.have.Key.Public()) != spec {
		return v.send(wire.KeyResponse, v.done(false))
	}
	der, err := x509.MarshalPKIXPublicKey(v.have.Key.Public())
	if err != nil {
		return err
	}
	return v.send(wire.KeyResponse, wire.Element{Tag: wire.PublicKey, Value: der})
}

// make makes a key of the kind.
func (k keySpec) make() (crypto.Signer, error) {
	if !k.ec {
		return rsa.GenerateKey(rand.Reader, k.bits)
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if curve.Params().BitSize == k.bits {
			return ecdsa.GenerateKey(curve, rand.Reader)
		}
	}
	return nil, fmt.Errorf("making %v: no such curve", k)
}

// store takes the certificate if it is for the phone's key.
func (v *visitor) store(m wire.Message) error {
	v.have.Operation = Install
	der, err := m.CertificateDER()
	if err != nil {
		return err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("reading the LSC: %w", err)
	}
	ok := v.have.Key != nil && equalKeys(c.PublicKey, v.have.Key.Public())
	if ok {
		v.have.Certificate = c
	}
	return v.send(wire.StoreResponse, v.done(ok))
}

// show sends the certificate that the phone has.
func (v *visitor) show() error {
	v.have.Operation = Fetch
	if v.Own == nil {
		return v.send(wire.FetchResponse, v.done(false))
	}
	c, err := wire.MakeCertificate(wire.LSC, v.Own.Certificate[0])
	if err != nil {
		return err
	}
	return v.send(wire.FetchResponse, v.done(true), c)
}

// end is what the server's last word means.
func (v *visitor) end(m wire.Message) (*Visit, error) {
	reason, err := m.Uint8(wire.ReasonTag, uint8(wire.Declined))
	if err != nil {
		return nil, err
	}
	switch wire.Reason(reason) {
	case wire.Nothing, wire.Done:
		return &v.have, nil
	case wire.Unknown:
		return nil, ErrUnknownDevice
	case wire.Declined:
		return nil, ErrDeclined
	}
	return nil, fmt.Errorf("%w for reason %d", ErrDeclined, reason)
}
