// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// receiveBuffer, in bytes, holds the requests of some 5,000 phones that ask at
// once after a power cut; of the usual 208 KiB most of them are lost.
const receiveBuffer = 4 << 20

// listen binds addr with a receive buffer of size bytes, and warns if the system
// grants less.
func listen(addr string, size int, log *slog.Logger) (*net.UDPConn, error) {
	if strings.Contains(addr, "%") {
		// The library loses the zone, and with it the way back.
		return nil, errors.New("TFTP is not served on link-local addresses")
	}
	granted := 0
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) (err error) {
		controlErr := raw.Control(func(fd uintptr) { granted, err = prepare(int(fd), network, size) })
		return errors.Join(err, controlErr)
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", addr)
	if err != nil {
		return nil, err
	}
	if granted < size {
		log.Warn("receive buffer is small", "bytes", granted, "reason",
			fmt.Sprintf("requests are lost when many phones start at once; set the sysctl net.core.rmem_max to %d or more", size))
	}
	return conn.(*net.UDPConn), nil
}

// prepare sets the options of a socket before it is bound: the buffer, and that
// each datagram tells where it came in. The library asks for the latter only
// when it serves; a request that is there before would get blocks of 512 bytes.
func prepare(fd int, network string, size int) (granted int, err error) {
	if network == "udp6" {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	} else {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	if err != nil {
		return 0, err
	}
	// Only CAP_NET_ADMIN may go beyond the system's limit.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
			return 0, err
		}
	}
	doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF) // socket(7)
	return doubled / 2, err
}
