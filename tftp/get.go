// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// A server that says nothing for patience × attempts, 6 s, is not there.
const (
	patience = time.Second
	attempts = 6
)

// RemoteError is a server's ERROR, in its own words.
type RemoteError struct {
	Code    uint16 // RFC 1350 section 5
	Message string // as received; may be empty
}

func (e *RemoteError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("TFTP error %d", e.Code)
	}
	return e.Message
}

// Get fetches a file from the server at addr, HOST:PORT, as a phone would: in
// octet mode with blocks of 1428 bytes. It returns how many bytes it wrote to w.
// The error is a *RemoteError if the server answered with one, and
// os.ErrDeadlineExceeded if it did not answer for 6 s.
//
// The client of pin/tftp cannot be cancelled (upstream #96), does not tell an
// ERROR from a fault of its own, and panics on a long name.
func Get(ctx context.Context, addr, name string, w io.Writer) (int64, error) {
	n, err := get(ctx, addr, name, w)
	if err != nil {
		return n, fmt.Errorf("getting %s from %s: %w", name, addr, err)
	}
	return n, nil
}

func get(ctx context.Context, addr, name string, w io.Writer) (int64, error) {
	request := requestPacket(name, "blksize", strconv.Itoa(defaultBlockSize))
	if len(request) > maxRequest || strings.IndexByte(name, 0) >= 0 {
		return 0, errors.New("no TFTP request can hold this name")
	}
	server, err := resolve(ctx, addr)
	if err != nil {
		return 0, err
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	d := &download{conn: conn, server: server, patience: patience, sent: request, blockSize: plainBlockSize}
	n, err := d.run(ctx, w)
	if remote := (*RemoteError)(nil); err != nil && d.pinned && !errors.As(err, &remote) {
		_ = d.send(errorPacket(codeUndefined, "the client gave up"))
	}
	return n, err
}

func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}

// download is one read transfer, on the side of the client.
type download struct {
	conn      *net.UDPConn
	server    netip.AddrPort
	patience  time.Duration
	pinned    bool   // server is its transfer identifier, not its listening port
	sent      []byte // the last packet, to be sent again
	block     uint16 // the last one received in order
	blockSize int
	buffer    [headerSize + defaultBlockSize + 1]byte // one more than a block, to see one that is too long
}

func (d *download) run(ctx context.Context, w io.Writer) (n int64, err error) {
	for {
		p, err := d.exchange(ctx)
		if err != nil {
			return n, err
		}
		if opcode(p) == opOACK {
			if err := d.accept(p); err != nil {
				return n, err
			}
			d.sent = ackPacket(0)
			continue
		}
		data := p[headerSize:]
		if len(data) > d.blockSize {
			return n, fmt.Errorf("the server sent a block of more than %d bytes", d.blockSize)
		}
		written, err := w.Write(data)
		n += int64(written)
		if err != nil {
			return n, err
		}
		d.block++
		d.sent = ackPacket(d.block)
		if len(data) < d.blockSize {
			return n, d.send(d.sent)
		}
	}
}

// exchange sends the last packet until the next one comes that carries the
// transfer on: the answer to the options, or the next block.
func (d *download) exchange(ctx context.Context) ([]byte, error) {
	for range attempts {
		if err := d.send(d.sent); err != nil {
			return nil, err
		}
		p, err := d.receive(ctx)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return p, err
		}
	}
	return nil, fmt.Errorf("waiting for an answer: %w", os.ErrDeadlineExceeded)
}

func (d *download) send(p []byte) error {
	_, err := d.conn.WriteToUDPAddrPort(p, d.server)
	return err
}

// receive returns the next packet that carries the transfer on. It is valid
// until the next call.
func (d *download) receive(ctx context.Context) ([]byte, error) {
	if err := d.conn.SetReadDeadline(time.Now().Add(d.patience)); err != nil {
		return nil, err
	}
	for {
		// Asked after the deadline was set, which undoes that of a ctx that ended
		// before.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, from, err := d.conn.ReadFromUDPAddrPort(d.buffer[:])
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		case !d.isServer(from):
			continue
		}
		p := d.buffer[:n]
		switch opcode(p) {
		case opERROR:
			return nil, remoteError(p)
		case opOACK:
			if d.block == 0 {
				return p, nil
			}
		case opDATA:
			switch block(p) {
			case d.block + 1:
				return p, nil
			case d.block:
				// Our acknowledgement was lost.
				if err := d.send(d.sent); err != nil {
					return nil, err
				}
			}
		}
	}
}

// isServer pins the server's transfer identifier, RFC 1350 section 4.
func (d *download) isServer(from netip.AddrPort) bool {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if !d.pinned && from.Addr() == d.server.Addr() {
		d.server, d.pinned = from, true
	}
	return from == d.server
}

// accept takes the options that the server granted (RFC 2347).
func (d *download) accept(oack []byte) error {
	fields := strings.Split(string(oack[2:]), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if !strings.EqualFold(fields[i], "blksize") {
			continue
		}
		size, err := strconv.Atoi(fields[i+1])
		if err != nil || size < 8 || size > defaultBlockSize {
			return fmt.Errorf("the server set a block size of %q", fields[i+1])
		}
		d.blockSize = size
	}
	return nil
}

func remoteError(p []byte) error {
	message, _, _ := bytes.Cut(p[headerSize:], []byte{0})
	return &RemoteError{Code: binary.BigEndian.Uint16(p[2:]), Message: string(message)}
}
