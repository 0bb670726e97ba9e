// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sender collects datagrams and sends them together, without waiting: with a
// system call for each, more time would go into the calls than into sending.
// Each goroutine that sends has its own, and flushes it before it waits.
//
// Who gives it content must not change that until it is flushed.
type sender struct {
	whole *atomic.Bool // the kernel cuts windows into datagrams (UDP_SEGMENT)

	from     *socket // of all that is collected
	n        int     // messages
	used     int     // pieces
	messages [batchSize]message
	owners   [batchSize]*transfer // nil: nobody asks whether it was sent
	controls [batchSize][spacePktinfo + spaceSegment]byte
	pieces   [4 * maxWindow]unix.Iovec
	heads    [2 * maxWindow][headerSize]byte // for two pieces each
	unsent   []unsent
}

// unsent is what the network will never carry for a transfer, or not in this
// size.
type unsent struct {
	of  *transfer
	err error
}

// spaceSegment is for the control message of UDP_SEGMENT.
const spaceSegment = unix.SizeofCmsghdr + 8

// packet sends p. What gets lost on the way out is as lost as on the way.
func (s *sender) packet(from *socket, to *path, p []byte) { s.own(nil, from, to, p) }

// packetOf sends p, of t.
func (s *sender) packetOf(t *transfer, p []byte) { s.own(t, t.id.port, &t.path, p) }

func (s *sender) own(t *transfer, from *socket, to *path, p []byte) {
	s.room(from, 1)
	s.pieces[s.used].Base = &p[0]
	s.pieces[s.used].SetLen(len(p))
	s.message(t, to, 1, 0)
}

// blocks sends DATA first and the count-1 after it, of blockSize bytes each; the
// last may be shorter. Their content is data.
func (s *sender) blocks(t *transfer, first, count int64, blockSize int, data []byte) {
	n := int(count)
	together := n > 1 && s.whole.Load() && !t.apart.Load()
	if together {
		s.room(t.id.port, 2*n)
	}
	for i := range n {
		content := data[i*blockSize : min((i+1)*blockSize, len(data))]
		if together {
			s.data(2*i, uint16(first+int64(i)), content)
			continue
		}
		s.room(t.id.port, 2)
		s.data(0, uint16(first+int64(i)), content)
		s.message(t, &t.path, 2, 0)
	}
	if together {
		s.message(t, &t.path, 2*n, headerSize+blockSize)
	}
}

// data makes a DATA of two pieces.
func (s *sender) data(piece int, block uint16, content []byte) {
	piece += s.used
	head := &s.heads[piece/2]
	binary.BigEndian.PutUint16(head[:], opDATA)
	binary.BigEndian.PutUint16(head[2:], block)
	s.pieces[piece].Base = &head[0]
	s.pieces[piece].SetLen(headerSize)
	s.pieces[piece+1].Base = unsafe.SliceData(content)
	s.pieces[piece+1].SetLen(len(content))
}

// room makes room for a message of that many pieces.
func (s *sender) room(from *socket, pieces int) {
	if from != s.from || s.n == len(s.messages) || s.used+pieces > len(s.pieces) {
		s.send()
		s.from = from
	}
}

// message makes the next n pieces one datagram, or datagrams of segment bytes.
func (s *sender) message(t *transfer, to *path, n, segment int) {
	s.owners[s.n] = t
	control := s.controls[s.n][:]
	length := copy(control, to.control[:to.controlLen])
	if segment > 0 {
		putControl(control[length:], unix.SOL_UDP, unix.UDP_SEGMENT, 2)
		binary.NativeEndian.PutUint16(control[length+unix.SizeofCmsghdr:], uint16(segment))
		length += unix.CmsgSpace(2)
	}
	h := &s.messages[s.n].header
	h.Name, h.Namelen = &to.name[0], to.nameLen
	h.Iov = &s.pieces[s.used]
	h.SetIovlen(n)
	h.Control = &control[0]
	h.SetControllen(length)
	s.n++
	s.used += n + n%2
}

// flush sends everything, and returns what can never be sent.
func (s *sender) flush() []unsent {
	s.send()
	u := s.unsent
	s.unsent = nil
	return u
}

const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// send sends what was collected.
func (s *sender) send() {
	if s.n == 0 {
		return
	}
	s.from.mu.RLock()
	defer s.from.mu.RUnlock()
	for i := 0; i < s.n && s.from.fd >= 0; {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.from.fd),
			uintptr(unsafe.Pointer(&s.messages[i])), uintptr(s.n-i), sendFlags, 0, 0)
		if errno == 0 {
			i += int(sent)
			continue
		}
		s.fault(i, errno) // of the first alone
		i++
	}
	clear(s.owners[:s.n])
	clear(s.pieces[:s.used]) // or they would keep files
	s.n, s.used = 0, 0
}

// fault takes what the kernel said to the i-th message.
func (s *sender) fault(i int, errno unix.Errno) {
	h := &s.messages[i].header
	if h.Iovlen > 2 && (errno == unix.EIO || errno == unix.EINVAL) {
		// The way to this client leads through a device without checksums in
		// hardware, or a tunnel.
		s.owners[i].apart.Store(true)
		errno = s.apart(*h)
	}
	if t := s.owners[i]; t != nil && !isLoss(errno) {
		s.unsent = append(s.unsent, unsent{t, errno})
	}
}

// apart sends each block of the window h by itself.
func (s *sender) apart(h unix.Msghdr) unix.Errno {
	pieces := unsafe.Slice(h.Iov, h.Iovlen)
	h.SetControllen(int(h.Controllen) - unix.CmsgSpace(2))
	h.SetIovlen(2)
	for ; len(pieces) > 0; pieces = pieces[2:] {
		h.Iov = &pieces[0]
		_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(s.from.fd), uintptr(unsafe.Pointer(&h)), sendFlags)
		if !isLoss(errno) {
			return errno
		}
	}
	return 0
}

// isLoss says that a datagram is sent, or as good as lost on its way.
func isLoss(errno unix.Errno) bool {
	switch errno {
	case 0, unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.EINTR, unix.ECONNREFUSED:
		return true
	}
	return false
}

// segments says whether the kernel knows UDP_SEGMENT, which is since Linux 4.18.
func segments(s *socket) bool {
	_, err := unix.GetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}
