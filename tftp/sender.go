// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender sends datagrams without waiting. Each goroutine that sends much has its
// own; it keeps what the kernel reads in the meantime.
type sender struct {
	whole   *atomic.Bool // the kernel cuts windows into datagrams (UDP_SEGMENT)
	header  unix.Msghdr
	pieces  [2 * maxWindow]unix.Iovec
	heads   [maxWindow][headerSize]byte
	control [spacePktinfo + spaceSegment]byte
}

// spaceSegment is for the control message of UDP_SEGMENT.
const spaceSegment = unix.SizeofCmsghdr + 8

// packet sends p. What gets lost on the way out is as lost as on the way.
func (s *sender) packet(from *socket, to *path, p []byte) error {
	s.pieces[0].Base = &p[0]
	s.pieces[0].SetLen(len(p))
	return s.send(from, to, 0, 1, 0)
}

// blocks sends DATA first and the count-1 after it, of blockSize bytes each; the
// last may be shorter. Their content is data.
func (s *sender) blocks(from *socket, to *path, first, count int64, blockSize int, data []byte) error {
	for i := range int(count) {
		content := data[i*blockSize : min((i+1)*blockSize, len(data))]
		s.data(i, uint16(first+int64(i)), content)
	}
	n := int(count)
	if n == 1 {
		return s.send(from, to, 0, 2, 0)
	}
	if s.whole.Load() {
		err := s.send(from, to, 0, 2*n, headerSize+blockSize)
		// Some devices cannot do it: they have no checksum in hardware.
		if !errors.Is(err, unix.EIO) && !errors.Is(err, unix.EINVAL) {
			return err
		}
		s.whole.Store(false)
	}
	for i := range n {
		if err := s.send(from, to, 2*i, 2, 0); err != nil {
			return err
		}
	}
	return nil
}

// data is the i-th DATA of a message.
func (s *sender) data(i int, block uint16, content []byte) {
	head := &s.heads[i]
	binary.BigEndian.PutUint16(head[:], opDATA)
	binary.BigEndian.PutUint16(head[2:], block)
	s.pieces[2*i].Base = &head[0]
	s.pieces[2*i].SetLen(headerSize)
	s.pieces[2*i+1].Base = unsafe.SliceData(content)
	s.pieces[2*i+1].SetLen(len(content))
}

// send sends n pieces as one datagram, or as datagrams of segment bytes. It fails
// if this can never succeed, or not in this size.
func (s *sender) send(from *socket, to *path, first, n, segment int) error {
	h := &s.header
	h.Name, h.Namelen = &to.name[0], to.nameLen
	h.Iov = &s.pieces[first]
	h.SetIovlen(n)
	h.Control = nil
	controlLen := copy(s.control[:], to.control[:to.controlLen])
	if segment > 0 {
		putControl(s.control[controlLen:], unix.SOL_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(s.control[controlLen+unix.SizeofCmsghdr:], uint16(segment))
		controlLen += unix.CmsgSpace(2)
	}
	if controlLen > 0 {
		h.Control = &s.control[0]
	}
	h.SetControllen(controlLen)
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDMSG, uintptr(from.fd), uintptr(unsafe.Pointer(h)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0, 0)
	switch errno {
	case 0, unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.EINTR, unix.ECONNREFUSED:
		return nil
	}
	return errno
}

// segments says whether the kernel knows UDP_SEGMENT, which is since Linux 4.18.
func segments(s *socket) bool {
	_, err := unix.GetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}
