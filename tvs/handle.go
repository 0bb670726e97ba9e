// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"cfgsrv/tvs/internal/wire"
)

// handle serves one connection from its first byte to its last record.
func (s *Server) handle(conn net.Conn, remote netip.AddrPort) {
	defer s.gate.leave(remote.Addr())
	defer conn.Close()
	defer context.AfterFunc(s.cut, func() { conn.Close() })()
	gen, start := s.cfg.Generation(), time.Now()
	r := Record{Listener: s.cfg.Listener, Remote: remote, Gen: gen.Number}
	defer func() {
		if p := recover(); p != nil {
			r.Outcome, r.Reason, r.Err = Failed, "a fault of ours", fmt.Errorf("panic: %v", p)
			s.cfg.Record(s.cut, r)
		}
	}()
	secure := tls.Server(conn, gen.TLS)
	if r.TLS, r.Err = s.handshake(secure); r.Err != nil {
		r.Outcome, r.Reason, r.Took = Aborted, "the TLS handshake failed", time.Since(start)
		s.cfg.Record(s.cut, r)
		return
	}
	defer secure.Close()
	s.converse(secure, r)
}

func (s *Server) handshake(conn *tls.Conn) (*TLSRecord, error) {
	if err := conn.SetDeadline(time.Now().Add(s.cfg.MessageLimit)); err != nil {
		return nil, err
	}
	if err := conn.HandshakeContext(s.cut); err != nil {
		return nil, err
	}
	state := conn.ConnectionState()
	r := &TLSRecord{
		Version: strings.TrimPrefix(tls.VersionName(state.Version), "TLS "),
		Cipher:  tls.CipherSuiteName(state.CipherSuite),
		Cert:    "TVS",
	}
	if state.DidResume {
		r.Cert = "resumed"
	}
	if len(state.PeerCertificates) > 0 {
		r.Client = state.PeerCertificates[0].Subject.String()
	}
	return r, nil
}

// converse answers the requests of a connection, of which about says what is
// known.
func (s *Server) converse(conn net.Conn, about Record) {
	defer s.wake(conn)
	from := bufio.NewReader(conn)
	limit := s.cfg.MessageLimit
	for first := true; ; first, limit = false, s.cfg.IdleLimit {
		// Before rest, as closeIdle ends the wait by another deadline.
		err := conn.SetReadDeadline(time.Now().Add(limit))
		if !first && !s.rest(conn, about.Gen) {
			return
		}
		if err == nil {
			_, err = from.Peek(1)
		}
		s.wake(conn)
		if err != nil && !first {
			return // it has had its answers
		}
		start, r := time.Now(), about
		if err == nil {
			err = s.serve(conn, from, &r)
		}
		if err != nil {
			r.Outcome, r.Reason, r.Err = verdict(err)
		}
		r.Took = time.Since(start)
		s.cfg.Record(s.cut, r)
		if err != nil {
			return
		}
	}
}

// serve answers one request, of which the first byte is there, and notes in r
// what it was. After an error the connection is good for nothing.
func (s *Server) serve(conn net.Conn, from io.Reader, r *Record) error {
	if err := conn.SetDeadline(time.Now().Add(s.cfg.MessageLimit)); err != nil {
		return err
	}
	m, err := wire.Read(from)
	if err != nil {
		return err
	}
	gen := s.cfg.Generation()
	r.Gen, r.Device = gen.Number, printable(m.DeviceName())
	answer, err := reply(gen, m, r)
	if err != nil {
		return err
	}
	b, err := answer.Marshal()
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	n, err := conn.Write(b)
	r.Bytes = int64(n)
	return err
}

// errOurs is what an error is that the phone has no part in.
var errOurs = errors.New("a fault of ours")

// verdict is what an error means that kept a request from its answer. The cause
// is told only if it is ours.
func verdict(err error) (o Outcome, reason string, cause error) {
	switch {
	case errors.Is(err, errOurs):
		return Failed, errOurs.Error(), err
	case errors.Is(err, wire.ErrSyntax):
		return Refused, "what it sent: " + err.Error(), nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Aborted, "it was silent for too long", nil
	case errors.Is(err, net.ErrClosed):
		return Aborted, "the server stopped", nil
	}
	return Aborted, "it hung up", nil
}

// reply makes the answer to a request, and notes it in r.
func reply(gen Generation, m wire.Message, r *Record) (wire.Message, error) {
	answer := wire.Message{ID: m.ID}
	var l Listed
	var known bool
	switch m.Command {
	case wire.VerifyRequest:
		answer.Command = wire.VerifyResponse
		l, known = gen.Book.Verify(m.Value(wire.Certificate))
	case wire.QueryRequest:
		answer.Command = wire.QueryResponse
		l, known = gen.Book.Query(question(m))
	default:
		return answer, fmt.Errorf("%w that asks: command %d", wire.ErrSyntax, m.Command)
	}
	if !known {
		r.Outcome, r.Reason = NotFound, "nobody here vouches for the certificate"
		answer.Elements = []wire.Element{{Tag: wire.Status, Value: []byte{wire.NotTrusted}}}
		return answer, nil
	}
	r.Outcome, r.Reason = Served, fmt.Sprintf("%v is trusted as %v", l.Certificate.Subject, l.Roles)
	answer.Elements = append(answer.Elements, wire.Element{Tag: wire.Status, Value: []byte{wire.Trusted}})
	if m.Command == wire.QueryRequest {
		answer.Elements = append(answer.Elements, wire.Element{Tag: wire.Certificate, Value: l.Certificate.Raw})
	}
	answer.Elements = append(answer.Elements, roles(l.Roles), ttl(gen.TTL))
	return answer, nil
}

func roles(all []Role) wire.Element {
	b := make([]byte, len(all))
	for i, r := range all {
		b[i] = byte(r)
	}
	return wire.Element{Tag: wire.Roles, Value: b}
}

func ttl(d time.Duration) wire.Element {
	seconds := cmp.Or(d, 24*time.Hour) / time.Second
	return wire.Element{Tag: wire.TTL, Value: binary.BigEndian.AppendUint32(nil, uint32(seconds))}
}

func question(m wire.Message) Question {
	return Question{Subject: m.Text(wire.Subject), Issuer: m.Text(wire.Issuer), Serial: m.Value(wire.Serial)}
}

// printable is a device's name for the log: a phone may send anything.
func printable(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), 64)], "?")
}
