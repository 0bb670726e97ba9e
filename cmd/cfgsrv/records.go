// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"cfgsrv/capf"
	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/status"
	"cfgsrv/tvs"
)

// record writes the log record of one request, and remembers it for people and
// monitoring.
func (s *server) record(ctx context.Context, r configfiles.Record) {
	r.Log(ctx, s.log)
	q := status.Request{
		At: time.Now(), Listener: r.Listener, Remote: r.Remote.String(), Device: string(r.Device), File: r.File,
		Outcome: string(r.Outcome), Reason: r.Reason, Bytes: r.Bytes, Took: r.Took, Gen: r.Gen,
	}
	if r.Outcome == configfiles.Served || r.Outcome == configfiles.Aborted {
		q.As = r.As.String()
	}
	if t := r.TLS; t != nil {
		q.TLS, q.Cipher, q.Cert, q.Client = t.Version, t.Cipher, t.Cert, t.Client
	}
	s.metrics.Request(q)
	s.book.Record(q)
}

// countMade counts what follows from the certificates.
func (s *server) countMade(f configfiles.Form) {
	switch f {
	case configfiles.Encrypted:
		s.metrics.Encrypted()
	default:
		s.metrics.Signed()
	}
}

// recordEnrolment writes the log record of one session, and remembers it for
// people and monitoring.
func (s *server) recordEnrolment(ctx context.Context, r capf.Record) {
	r.Log(ctx, s.log)
	if r.Issued {
		s.metrics.LSCIssued()
	}
	q := status.Request{
		At: time.Now(), Listener: r.Listener, Remote: r.Remote.String(), Device: string(r.Device),
		File: "enrolment: " + r.Operation.String(), Outcome: string(r.Outcome), Reason: r.Reason,
		Bytes: r.Bytes, Took: r.Took, Gen: r.Gen,
	}
	if r.TLS != nil {
		q.TLS, q.Cipher, q.Cert = r.TLS.Version, r.TLS.Cipher, r.TLS.Cert
	}
	s.metrics.Request(q)
	s.book.Record(q)
}

// recordTrust writes the log record of one trust question, and remembers it for
// people and monitoring.
func (s *server) recordTrust(ctx context.Context, r tvs.Record) {
	r.Log(ctx, s.log)
	q := status.Request{
		At: time.Now(), Listener: r.Listener, Remote: r.Remote.String(), File: "trust question",
		Outcome: string(r.Outcome), Reason: r.Reason, Bytes: r.Bytes, Took: r.Took, Gen: r.Gen,
	}
	if n, ok := device.Find(r.Device); ok {
		q.Device = string(n)
	}
	if r.TLS != nil {
		q.TLS, q.Cipher, q.Cert, q.Client = r.TLS.Version, r.TLS.Cipher, r.TLS.Cert, r.TLS.Client
	}
	s.metrics.Request(q)
	s.book.Record(q)
}
