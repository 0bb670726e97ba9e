// SPDX-License-Identifier: Apache-2.0

package https

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// slowest is how many bytes a client has to take in times.stall, or be cut: about
// 1 KiB/s, with which a phone behind a full line still gets its firmware.
const slowest = 16 << 10

// wire is a TCP connection as TLS, or plain HTTP, sees it. It lets connections
// know whether a request is on its way, loses none when it ends idle, and cuts
// a peer that takes nothing. TLS finds it in ClientHelloInfo.Conn.
type wire struct {
	*net.TCPConn
	socket *socket
	conns  *connections
	remote netip.AddrPort
	stall  time.Duration

	heard       bool      // anything from the peer
	unit        string    // whose certificate was presented
	unpresented string    // why none was
	alert       byte      // that we sent in the clear, 0 if none
	renewed     time.Time // when the write deadline was last moved
	taken       int64     // bytes that the kernel took
	acked       int64     // bytes that the peer had acknowledged at the last deadline
	ending      bool      // Close has begun
	gathered    []byte    // not nil: keeps what is written

	place
}

// Presented notes the unit whose certificate the client is shown.
func (w *wire) Presented(unit string) { w.unit = unit }

// Unpresented notes why no certificate suits the client.
func (w *wire) Unpresented(reason string) { w.unpresented = reason }

// Read returns io.EOF at the end of an idle connection's time, but not before
// it has looked whether a request has come in the meantime.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.socket.Read(p)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && w.conns.lastLook(w) {
		if n, err = w.socket.Read(p); n == 0 {
			err = io.EOF
		}
	}
	if n > 0 {
		w.heard = true
		w.conns.stir(w)
	}
	return n, err
}

// Write fails if the peer takes too little, see slowest.
func (w *wire) Write(p []byte) (int, error) {
	w.noteAlert(p)
	if w.gathered != nil {
		w.gathered = append(w.gathered, p...)
		return len(p), nil
	}
	return w.put(p)
}

func (w *wire) put(p []byte) (int, error) {
	for written := 0; ; {
		w.extend()
		n, err := w.socket.Write(p[written:])
		written += n
		w.taken += int64(n)
		if err == nil || !w.goesOn(err) {
			return written, err
		}
	}
}

// sendFile sends what src has left, in the kernel if src reads from a file.
func (w *wire) sendFile(src *io.LimitedReader) (int64, error) {
	for sent := int64(0); ; {
		w.extend()
		left := src.N
		n, err := w.TCPConn.ReadFrom(src)
		sent += n
		w.taken += n
		// Where the kernel could not do it, bytes may be read but not sent.
		isLost := left-src.N != n
		if err == nil || isLost || !w.goesOn(err) {
			return sent, err
		}
	}
}

// extend moves the write deadline along with the progress that was made. A
// sixth of it may be missing, which saves most of the calls.
func (w *wire) extend() {
	if now := time.Now(); !w.ending && now.Sub(w.renewed) > w.stall/6 {
		w.renewed = now
		w.TCPConn.SetWriteDeadline(now.Add(w.stall))
	}
}

// goesOn tells whether a write that has come to its deadline may go on,
// because the peer has taken enough since the last one. What the kernel took
// tells nothing of that: it may keep megabytes.
func (w *wire) goesOn(err error) bool {
	if w.ending || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	queued, err := w.queued()
	if err != nil {
		return false
	}
	before := w.acked
	w.acked = w.taken - queued
	w.renewed = time.Time{}
	return w.acked-before >= slowest
}

// queued is how many bytes the peer has not acknowledged.
func (w *wire) queued() (n int64, err error) {
	raw, err := w.TCPConn.SyscallConn()
	if err != nil {
		return 0, err
	}
	if control := raw.Control(func(fd uintptr) {
		var queued int
		queued, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		n = int64(queued)
	}); control != nil {
		return 0, control
	}
	return n, err
}

// SetReadDeadline sets this one, unless connections has an earlier one.
func (w *wire) SetReadDeadline(t time.Time) error { return w.conns.setReadDeadline(w, t) }

// noteAlert sees which alert p is, if it is one in the clear (RFC 8446
// section 6): the errors of crypto/tls have no types to tell them apart.
func (w *wire) noteAlert(p []byte) {
	const recordTypeAlert = 21
	if len(p) == 7 && p[0] == recordTypeAlert {
		w.alert = p[6]
	}
}
