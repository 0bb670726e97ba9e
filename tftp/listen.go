// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer, in bytes, holds the requests of some 5,000 phones that ask at
// once after a power cut; of the usual 208 KiB most of them are lost.
const receiveBuffer = 4 << 20

// listen binds addr with a receive buffer of size bytes, and warns if the system
// grants less.
func listen(addr string, size int, log *slog.Logger) (*socket, net.Addr, error) {
	granted := 0
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) (err error) {
		controlErr := raw.Control(func(fd uintptr) { granted, err = prepare(int(fd), network == "udp6", size) })
		return errors.Join(err, controlErr)
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	s, err := duplicate(conn.(*net.UDPConn))
	if err != nil {
		return nil, nil, err
	}
	if granted < size {
		log.Warn("receive buffer is small", "bytes", granted, "reason",
			fmt.Sprintf("requests are lost when many phones start at once; set the sysctl net.core.rmem_max to %d or more", size))
	}
	return s, conn.LocalAddr(), nil
}

// duplicate is conn's socket, out of the hands of the Go runtime.
func duplicate(conn *net.UDPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1}
	controlErr := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	return s, errors.Join(err, controlErr)
}

// sibling is a socket of its own port, for the same addresses as s.
func sibling(s *socket, size int) (*socket, error) {
	addr, err := unix.Getsockname(s.fd)
	if err != nil {
		return nil, err
	}
	family := unix.AF_INET
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		a.Port = 0
	case *unix.SockaddrInet6:
		a.Port = 0
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &socket{fd: fd}
	if err := c.bindLike(s, addr, size); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *socket) bindLike(other *socket, addr unix.Sockaddr, size int) error {
	_, is6 := addr.(*unix.SockaddrInet6)
	if is6 {
		only, err := unix.GetsockoptInt(other.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return err
		}
	}
	if _, err := prepare(s.fd, is6, size); err != nil {
		return err
	}
	return unix.Bind(s.fd, addr)
}

// prepare sets the options of a socket before it is bound: the buffers; that each
// datagram tells where it came in; and that none leaves in pieces. A socket of
// IPv6 may be one of IPv4, too.
func prepare(fd int, is6 bool, size int) (granted int, err error) {
	options := []struct{ level, name, value int }{
		{unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
	}
	if is6 {
		options = append(options, []struct{ level, name, value int }{
			{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
		}...)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return 0, err
		}
	}
	for _, b := range []struct{ forced, plain int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF},
	} {
		// Only CAP_NET_ADMIN may go beyond the system's limit.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.forced, size) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.plain, size); err != nil {
				return 0, err
			}
		}
	}
	doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF) // socket(7)
	return doubled / 2, err
}
