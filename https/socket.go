// SPDX-License-Identifier: Apache-2.0

package https

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// socket reads from and writes to a TCP connection by system calls of which the
// scheduler is not told. They never wait, but take long enough, since the kernel
// does the peer's part on a loopback and the network's elsewhere, that it would
// take the processor away meanwhile and look for it afterwards: a tenth of all
// time when many small answers leave.
//
// One goroutine may read and one may write at a time.
type socket struct {
	raw     syscall.RawConn
	in, out transfer
	tryIn   func(fd uintptr) bool
	tryOut  func(fd uintptr) bool
}

// transfer is one read, or one write, under way.
type transfer struct {
	p    []byte // what is left of it
	n    int    // bytes done
	fail syscall.Errno
}

func newSocket(tcp *net.TCPConn) (*socket, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{raw: raw}
	s.tryIn, s.tryOut = s.receive, s.send
	return s, nil
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.in = transfer{p: p}
	err := s.raw.Read(s.tryIn)
	n, fail := s.in.n, s.in.fail
	s.in.p = nil
	switch {
	case err != nil || fail != 0:
		return 0, failure("read", err, fail)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements io.Writer.
func (s *socket) Write(p []byte) (int, error) {
	s.out = transfer{p: p}
	err := s.raw.Write(s.tryOut)
	n, fail := s.out.n, s.out.fail
	s.out.p = nil
	if err != nil || fail != 0 {
		return n, failure("write", err, fail)
	}
	return n, nil
}

// failure is the error that package net has for the same: net/http takes any
// other for a request that it must answer.
func failure(op string, err error, fail syscall.Errno) error {
	if fail != 0 {
		err = os.NewSyscallError(op, fail)
	} else if within := (*net.OpError)(nil); errors.As(err, &within) {
		err = within.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Err: err}
}

// receive tells whether the read is done, else it waits for more to come.
func (s *socket) receive(fd uintptr) bool {
	t := &s.in
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)))
		runtime.KeepAlive(t.p)
		switch errno {
		case 0:
			t.n = int(n)
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.fail = errno
			return true
		}
	}
}

// send tells whether the write is done, else it waits for room.
func (s *socket) send(fd uintptr) bool {
	t := &s.out
	for len(t.p) > 0 {
		call := syscall.RawSyscall6
		if len(t.p) > smallFile {
			call = syscall.Syscall6 // takes so long that others should run meanwhile
		}
		n, _, errno := call(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)),
			syscall.MSG_NOSIGNAL, 0, 0)
		runtime.KeepAlive(t.p)
		switch errno {
		case 0:
			t.n += int(n)
			t.p = t.p[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.fail = errno
			return true
		}
	}
	return true
}
