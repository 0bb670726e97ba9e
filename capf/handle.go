// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"cfgsrv/capf/internal/wire"
)

// handle serves one connection from its first byte to its record.
func (s *Server) handle(conn net.Conn, remote netip.AddrPort) {
	defer s.gate.leave(remote.Addr())
	defer conn.Close()
	defer context.AfterFunc(s.cut, func() { conn.Close() })()
	start, gen := time.Now(), s.cfg.Generation()
	r := Record{Listener: s.cfg.Listener, Remote: remote, Gen: gen.Number}
	defer func() {
		if p := recover(); p != nil {
			r.Outcome, r.Reason, r.Err = Failed, "a fault of ours", fmt.Errorf("panic: %v", p)
		}
		r.Took = time.Since(start)
		s.cfg.Record(s.cut, r)
	}()
	secure := tls.Server(conn, gen.TLS)
	if r.TLS, r.Err = s.handshake(secure); r.Err != nil {
		r.Outcome, r.Reason = Aborted, "the TLS handshake failed"
		return
	}
	defer secure.Close()
	s.converse(secure, gen, &r)
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
		Cert:    "CAPF",
	}
	if state.DidResume {
		r.Cert = "resumed"
	}
	return r, nil
}

// converse holds the session, and tells in r how it went.
func (s *Server) converse(conn net.Conn, gen Generation, r *Record) {
	x := session{
		peer:      peer{conn: conn, session: s.sessionID(), limit: s.cfg.MessageLimit},
		gen:       gen,
		registrar: s.registrar,
		guesses:   &s.guesses,
		keyLimit:  s.cfg.KeyLimit,
		now:       s.now,
	}
	end, err := x.run(s.cut)
	listening := true
	if err != nil {
		end, listening = x.verdict(err)
	}
	if end.outcome == Failed {
		r.Err = err
	}
	if end.outcome != Served && x.operation != None {
		r.Err = errors.Join(r.Err, s.registrar.fail(s.cut, x.claim.device, end.reason))
	}
	if listening {
		// What it misses here changes nothing any more.
		_ = x.send(wire.End, wire.Byte(wire.ReasonTag, uint8(end.code)))
	}
	r.Device, r.Operation, r.Issued = x.claim.device, x.operation, x.issued
	r.Outcome, r.Reason, r.Bytes = end.outcome, end.reason, x.sent
}

// verdict is what an error means for the session, and whether the device still
// listens.
func (s *session) verdict(err error) (end ending, listening bool) {
	if e, ok := errors.AsType[*ending](err); ok {
		return *e, true
	}
	switch {
	case errors.Is(err, wire.ErrSyntax):
		return ending{Refused, wire.Declined, fmt.Sprintf("what it sent while %s: %v", s.step, err)}, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ending{Aborted, wire.Declined, "it was silent for too long while " + s.step}, true
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return ending{Aborted, wire.Declined, "the server stopped while it was " + s.step}, false
	case isConnectionError(err):
		return ending{Aborted, wire.Declined, "it hung up while " + s.step}, false
	}
	return ending{Failed, wire.Declined, "a fault of ours while it was " + s.step}, true
}

func isConnectionError(err error) bool {
	_, op := errors.AsType[*net.OpError](err)
	return op || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
