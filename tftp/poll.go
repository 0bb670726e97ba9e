// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for many sockets at once. It is an epoll of its own inside that
// of the Go runtime, so that waiting takes a goroutine and no thread.
type poller struct {
	file   *os.File
	raw    syscall.RawConn
	events [maxPorts + 1]unix.EpollEvent
	n      int
	look   func(fd uintptr) bool
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or the runtime would not wait for it
		unix.Close(fd)
		return nil, fmt.Errorf("preparing an epoll: %w", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll")}
	p.raw, err = p.file.SyscallConn()
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("preparing an epoll: %w", err)
	}
	p.look = p.ready
	return p, nil
}

func (p *poller) add(s *socket) error {
	var err error
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
	controlErr := p.raw.Control(func(fd uintptr) { err = unix.EpollCtl(int(fd), unix.EPOLL_CTL_ADD, s.fd, &event) })
	return errors.Join(err, controlErr)
}

// ready looks without waiting.
func (p *poller) ready(fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	p.n = 0
	if errno == 0 {
		p.n = int(n)
	}
	return p.n > 0
}

// wait returns the descriptors of the sockets that have something to read, or
// none when the time has come or somebody called wake.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	err := p.raw.Read(p.look)
	switch {
	case err == nil:
		return p.events[:p.n], nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	}
	return nil, err
}

// now is wait that does not wait.
func (p *poller) now() []unix.EpollEvent {
	_ = p.raw.Control(func(fd uintptr) { p.look(fd) })
	return p.events[:p.n]
}

// until is when wait ends at the latest; zero is never.
func (p *poller) until(t time.Time) { _ = p.file.SetReadDeadline(t) }

// wake ends wait at once, from any goroutine.
func (p *poller) wake() { _ = p.file.SetReadDeadline(time.Unix(1, 0)) }

func (p *poller) close() { p.file.Close() }
