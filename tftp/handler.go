// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"cfgsrv/configfiles"
)

// read is the library's handler of read requests.
func (s *Server) read(asked string, to io.ReaderFrom) error {
	return s.handle(asked, to, func(t *transfer) error { return s.download(t, to) })
}

// write is the library's handler of write requests.
func (s *Server) write(asked string, from io.WriterTo) error {
	return s.handle(asked, from, func(*transfer) error { return errReadOnly })
}

// handle answers a request and records it. Whatever happens, the transfer's
// socket is closed afterwards; the library leaks it if a handler returns nil
// without a transfer.
func (s *Server) handle(asked string, end any, answer func(*transfer) error) error {
	t, err := newTransfer(asked, end)
	if err != nil {
		s.log.Error("request not answered", "err", err)
		return errors.New(replyTo(err).reason)
	}
	defer t.socket.Close()
	t.record = configfiles.Record{Listener: s.config.Listener, Remote: t.peer, File: asked}
	err = recovering(func() error { return answer(t) })
	if errors.Is(err, errRepeated) {
		s.log.Debug("request ignored", "remote", t.peer, "file", asked, "reason", err)
		return nil
	}
	r := replyTo(err)
	if r.outcome != configfiles.Served && r.outcome != configfiles.Aborted {
		t.refuse(r.code, r.reason)
	}
	t.record.Outcome, t.record.Reason, t.record.Err = r.outcome, r.reason, r.err
	t.record.Took = time.Since(t.begun)
	s.config.Record(s.cut, t.record)
	return nil
}

// recovering returns a panic of f as its error: one request must not end the
// process.
func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// download sends the file that t asks for, if there is room and it may have it.
func (s *Server) download(t *transfer, to io.ReaderFrom) error {
	gen := s.config.Generation()
	t.record.Gen = gen.Number
	older, err := s.running.admit(t, gen)
	if err != nil {
		return err
	}
	defer s.running.remove(t)
	if older != nil {
		s.takeOver(older)
	}
	file, err := t.open(s.cut, gen.Files)
	if err == nil {
		err = t.send(file, to)
	}
	if reason := t.cutReason.Load(); err != nil && reason != nil {
		return &abortedError{*reason, nil}
	}
	return err
}

// takeOver ends a transfer that its client has left, and first gives the
// acknowledgement of its last block the time to arrive.
func (s *Server) takeOver(older *transfer) {
	select {
	case <-older.removed:
	case <-time.After(retransmission):
		older.cut(reasonMovedOn)
	case <-s.cut.Done():
	}
}
