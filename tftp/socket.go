// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a bound UDP socket, used by system calls of its own: many datagrams
// in one, and the address that each came in on.
type socket struct {
	mu sync.RWMutex // held to close, and to send from another goroutine than that
	fd int          // -1 when closed
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// path is the way back to a peer: its address, and the one that it asked. It is
// as the kernel wants it, ready to be sent to.
type path struct {
	name       [unix.SizeofSockaddrInet6]byte
	nameLen    uint32
	control    [spacePktinfo]byte // empty: the kernel chooses where answers come from
	controlLen int
}

// spacePktinfo is enough for the control message of either family.
const spacePktinfo = unix.SizeofCmsghdr + (unix.SizeofInet6Pktinfo+7)/8*8

// peer is the address in p. An IPv4 address is one whichever kind of socket saw
// it; the zone of a link-local address is its interface's number.
func (p *path) peer() netip.AddrPort {
	port := binary.BigEndian.Uint16(p.name[2:])
	if binary.NativeEndian.Uint16(p.name[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(p.name[4:8])), port)
	}
	addr := netip.AddrFrom16([16]byte(p.name[8:24])).Unmap()
	if scope := binary.NativeEndian.Uint32(p.name[24:]); scope != 0 && addr.Is6() {
		addr = addr.WithZone(strconv.FormatUint(uint64(scope), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// answerFrom sets the address that p's answers leave from by what the kernel
// told about a datagram. For IPv4 that is the local address also if the datagram
// was a broadcast; a multicast address of IPv6 is nobody's to answer from.
func (p *path) answerFrom(control []byte) {
	p.controlLen = 0
	for len(control) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
		if uint64(h.Len) < unix.SizeofCmsghdr || uint64(h.Len) > uint64(len(control)) {
			return
		}
		data := control[unix.SizeofCmsghdr:h.Len]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			info := p.setControl(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
			copy(info[4:8], data[4:8]) // ipi_spec_dst alone; routing chooses the interface
			return
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			if addr := netip.AddrFrom16([16]byte(data)); !addr.Is4In6() && !addr.IsMulticast() {
				info := p.setControl(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
				copy(info[:16], data)
				if addr.IsLinkLocalUnicast() {
					copy(info[16:], data[16:unix.SizeofInet6Pktinfo])
				}
			}
		}
		control = control[min(len(control), unix.CmsgSpace(len(data))):]
	}
}

// setControl makes room for a control message and returns its data, zeroed.
func (p *path) setControl(level, kind int32, size int) []byte {
	p.controlLen = unix.CmsgSpace(size)
	clear(p.control[:])
	putControl(p.control[:], level, kind, size)
	return p.control[unix.SizeofCmsghdr:][:size]
}

// putControl writes the head of a control message whose data has size bytes.
func putControl(b []byte, level, kind int32, size int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
}

// message is a mmsghdr of the kernel.
type message struct {
	header unix.Msghdr
	n      uint32
}

// How much is received at once. A datagram may have one byte more than any that
// is of use, to see that it is too long.
const (
	batchSize   = 64
	maxDatagram = max(maxRequest, headerSize+maxMessage+1) + 1
)

// batch is what one receive call brings.
type batch struct {
	messages [batchSize]message
	pieces   [batchSize]unix.Iovec
	paths    [batchSize]path
	controls [batchSize][128]byte
	data     [batchSize][maxDatagram]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.messages {
		b.pieces[i].Base = &b.data[i][0]
		b.pieces[i].SetLen(maxDatagram)
		h := &b.messages[i].header
		h.Name = &b.paths[i].name[0]
		h.Control = &b.controls[i][0]
		h.Iov = &b.pieces[i]
		h.SetIovlen(1)
	}
	return b
}

// receive takes what has come to s, without waiting, and returns how many
// datagrams that is.
func (b *batch) receive(s *socket) int {
	for i := range b.messages {
		h := &b.messages[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(b.controls[i]))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd),
		uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0 // nothing there, or a complaint about what was sent
	}
	return int(n)
}

// datagram is the i-th of the last receive.
func (b *batch) datagram(i int) []byte { return b.data[i][:b.messages[i].n] }

// path is the way back to who sent it. It is valid until the next receive.
func (b *batch) path(i int) *path {
	p := &b.paths[i]
	p.nameLen = b.messages[i].header.Namelen
	return p
}

// answerable is path, with the address that the datagram came in on.
func (b *batch) answerable(i int) *path {
	p := b.path(i)
	p.answerFrom(b.controls[i][:b.messages[i].header.Controllen])
	return p
}
