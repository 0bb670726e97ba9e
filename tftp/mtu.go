// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// safeBlockSize, in bytes, passes every path that IPv4 has to offer, so that
	// nothing has to be looked up: 576 bytes, RFC 1122 section 3.3.2.
	safeBlockSize = 576 - overheadIPv4
	// What is in front of a block: IP, UDP and TFTP.
	overheadIPv4 = 20 + 8 + headerSize
	overheadIPv6 = 40 + 8 + headerSize
	// For how long, and of how many clients, the answer is kept.
	mtuLifetime = time.Minute
	mtuClients  = 8192
)

// mtus knows how large a datagram to a client may be. The kernel knows it by the
// routes and by what routers complained about; it is asked through a connected
// socket, which costs the same whatever the number of interfaces.
type mtus struct {
	mu    sync.Mutex
	known map[netip.Addr]knownMTU
}

type knownMTU struct {
	bytes int
	until time.Time
}

// blockSize is the largest block that reaches peer in one piece, up to most.
func (m *mtus) blockSize(peer netip.AddrPort, most int) int {
	if most <= safeBlockSize {
		return most
	}
	overhead := overheadIPv4
	if peer.Addr().Is6() {
		overhead = overheadIPv6
	}
	return max(min(most, m.bytes(peer)-overhead), leastBlockSize)
}

func (m *mtus) bytes(peer netip.AddrPort) int {
	now := time.Now()
	m.mu.Lock()
	known, ok := m.known[peer.Addr()]
	m.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.bytes
	}
	bytes, err := pathMTU(peer)
	if err != nil {
		return safeBlockSize + overheadIPv4
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= mtuClients {
		m.known = map[netip.Addr]knownMTU{}
	}
	m.known[peer.Addr()] = knownMTU{bytes, now.Add(mtuLifetime)}
	return bytes
}

// forget drops what is known of peer.
func (m *mtus) forget(peer netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, peer.Addr())
}

// pathMTU asks the kernel. Nothing is sent.
func pathMTU(peer netip.AddrPort) (bytes int, err error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(peer))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) { bytes, err = mtuOf(int(fd), peer) })
	if controlErr != nil {
		return 0, controlErr
	}
	return bytes, err
}

func mtuOf(fd int, peer netip.AddrPort) (int, error) {
	if peer.Addr().Is4() {
		return unix.GetsockoptInt(fd, syscall.IPPROTO_IP, unix.IP_MTU)
	}
	return unix.GetsockoptInt(fd, syscall.IPPROTO_IPV6, unix.IPV6_MTU)
}
