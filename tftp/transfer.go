// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pin/tftp/v3/netascii"

	"cfgsrv/configfiles"
)

const (
	reasonShutdown  = "the server is shutting down"
	reasonMovedOn   = "the client asked for another file"
	reasonSilent    = "the client stopped answering"
	reasonLastBlock = "the client did not acknowledge the last block; it may have it"
	reasonNetwork   = "the network does not carry the answer"
	reasonGivenUp   = "the client gave up"
)

// transfer is one request and its own socket, which is the transfer identifier
// of RFC 1350.
type transfer struct {
	socket *net.UDPConn
	peer   netip.AddrPort
	asked  string
	mode   string
	begun  time.Time
	record configfiles.Record

	removed   chan struct{} // closed when it no longer runs
	cutReason atomic.Pointer[string]
}

// newTransfer is of what the library hands to a handler.
func newTransfer(asked string, end any) (*transfer, error) {
	client, ok := end.(interface{ RemoteAddr() net.UDPAddr })
	if !ok {
		return nil, errUnknownShape
	}
	socket, mode, err := innards(end)
	if err != nil {
		return nil, err
	}
	addr := client.RemoteAddr()
	return &transfer{
		socket:  socket,
		peer:    peerOf(addr.IP, addr.Port),
		asked:   asked,
		mode:    mode,
		begun:   time.Now(),
		removed: make(chan struct{}),
	}, nil
}

// peerOf is the same for one client whichever kind of socket saw it.
func peerOf(ip net.IP, port int) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port))
}

// refuse sends an ERROR. Whether it arrives the client alone knows: RFC 1350
// section 7 has no answer to it.
func (t *transfer) refuse(code uint16, reason string) {
	_, _ = t.socket.WriteToUDPAddrPort(errorPacket(code, reason), t.peer)
}

// cut ends the transfer from outside, without a word to the client.
func (t *transfer) cut(reason string) {
	t.cutReason.CompareAndSwap(nil, &reason)
	t.socket.Close()
}

// failing closes the socket on a client that is dead or has sent an ERROR
// itself, and tells it first if the fault is ours.
func (t *transfer) failing(err error) {
	if fault := (*contentError)(nil); errors.As(err, &fault) {
		r := replyTo(fault)
		t.refuse(r.code, r.reason)
	}
	t.socket.Close()
}

// open looks for the file in files.
func (t *transfer) open(ctx context.Context, files configfiles.Source) (*configfiles.File, error) {
	if !strings.EqualFold(t.mode, "octet") && !strings.EqualFold(t.mode, "netascii") {
		return nil, errMode
	}
	name, err := configfiles.ParseName(t.asked)
	if err != nil {
		return nil, err
	}
	t.record.Device = name.Device
	return files.Open(ctx, configfiles.Request{
		Name: name,
		From: configfiles.Requester{Transport: configfiles.TFTP, Addr: t.peer},
	})
}

// send lets the library send file, and closes it.
func (t *transfer) send(file *configfiles.File, to io.ReaderFrom) error {
	t.record.As = file.As
	c, err := newContent(file)
	if err != nil {
		return err
	}
	defer c.Close()
	size := file.Size
	var from io.Reader = c
	if strings.EqualFold(t.mode, "netascii") {
		size = c.netasciiSize()
		if t.mode != "netascii" { // the only spelling that the library translates
			from = netascii.ToReader(c)
		}
	}
	if announcer, ok := to.(interface{ SetSize(int64) }); ok {
		announcer.SetSize(size)
	}
	t.record.Bytes, err = to.ReadFrom(from)
	return transferError(err, c)
}

// transferError says in a plain sentence why the library ended a transfer. It
// has no types for that: a client that stopped answering is the timeout of the
// last read, one that sent an ERROR is an error of no type.
func transferError(err error, c *content) error {
	var fault *contentError
	var network net.Error
	switch {
	case err == nil, errors.As(err, &fault):
		return err
	case !errors.As(err, &network):
		return &abortedError{reasonGivenUp, err}
	case !network.Timeout():
		return &abortedError{reasonNetwork, err}
	case c.left == 0:
		return &abortedError{reasonLastBlock, nil}
	}
	return &abortedError{reasonSilent, nil}
}
