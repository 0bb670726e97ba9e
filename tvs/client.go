// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"cfgsrv/tvs/internal/wire"
)

// Phone is who asks a TVS server, and which.
type Phone struct {
	Server string        // HOST:PORT
	TLS    *tls.Config   // how the server is checked
	Device string        // such as CP-8861-SEP001122334455
	Limit  time.Duration // for each answer; zero: 10 s
}

// Client is a phone's connection to a TVS server. Its methods are called one at
// a time.
type Client struct {
	phone Phone
	conn  net.Conn
	from  *bufio.Reader
	id    uint32
}

// Answer is what a TVS server says about a certificate. But for Trusted all is
// empty if it is not trusted.
type Answer struct {
	Trusted     bool
	Roles       []Role
	TTL         time.Duration
	Certificate *x509.Certificate // only the answer to a Question has it
}

// Dial connects to a server, for as many requests as it allows.
func Dial(ctx context.Context, p Phone) (*Client, error) {
	conn, err := (&tls.Dialer{Config: p.TLS}).DialContext(ctx, "tcp", p.Server)
	if err != nil {
		return nil, fmt.Errorf("connecting to TVS: %w", err)
	}
	return newClient(conn, p), nil
}

func newClient(conn net.Conn, p Phone) *Client {
	p.Limit = cmp.Or(p.Limit, 10*time.Second)
	return &Client{phone: p, conn: conn, from: bufio.NewReader(conn)}
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Verify asks whether a certificate is trusted.
func (c *Client) Verify(ctx context.Context, certificate *x509.Certificate) (Answer, error) {
	return c.ask(ctx, wire.VerifyRequest, wire.Element{Tag: wire.Certificate, Value: certificate.Raw})
}

// Query asks for a certificate that is known by its names alone.
func (c *Client) Query(ctx context.Context, q Question) (Answer, error) {
	return c.ask(ctx, wire.QueryRequest, wire.Text(wire.Subject, q.Subject), wire.Text(wire.Issuer, q.Issuer),
		wire.Element{Tag: wire.Serial, Value: q.Serial})
}

// ask sends one request and reads its answer.
func (c *Client) ask(ctx context.Context, command wire.Command, e ...wire.Element) (Answer, error) {
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	a, err := c.exchange(command, e)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return Answer{}, fmt.Errorf("asking TVS: %w", err)
	}
	return a, nil
}

func (c *Client) exchange(command wire.Command, e []wire.Element) (Answer, error) {
	c.id++
	elements := append([]wire.Element{wire.Name(c.phone.Device)}, e...)
	b, err := wire.Message{Command: command, ID: c.id, Elements: elements}.Marshal()
	if err != nil {
		return Answer{}, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.phone.Limit)); err != nil {
		return Answer{}, err
	}
	if _, err := c.conn.Write(b); err != nil {
		return Answer{}, err
	}
	m, err := wire.Read(c.from)
	if err != nil {
		return Answer{}, err
	}
	// An answer has the number that follows its request's.
	if m.ID != c.id || m.Command != command+1 {
		return Answer{}, fmt.Errorf("%w that answers: command %d, id %d", wire.ErrSyntax, m.Command, m.ID)
	}
	return parseAnswer(m)
}

func parseAnswer(m wire.Message) (a Answer, err error) {
	status, err := m.Uint8(wire.Status)
	if err != nil || status != wire.Trusted {
		return Answer{}, err
	}
	a.Trusted = true
	for _, role := range m.Value(wire.Roles) {
		a.Roles = append(a.Roles, Role(role))
	}
	seconds, err := m.Uint32(wire.TTL)
	if err != nil {
		return Answer{}, err
	}
	a.TTL = time.Duration(seconds) * time.Second
	if der := m.Value(wire.Certificate); der != nil {
		if a.Certificate, err = x509.ParseCertificate(der); err != nil {
			return Answer{}, fmt.Errorf("reading the certificate: %w", err)
		}
	}
	return a, nil
}
