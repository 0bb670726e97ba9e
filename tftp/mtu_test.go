// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBlocksFitThePath(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:5"), netip.MustParseAddrPort("[2001:db8::1]:5")
	tests := []struct {
		name            string
		peer            netip.AddrPort
		mtu, most, want int
	}{
		{"Ethernet", v4, 1500, 65464, 1468},
		{"Ethernet, IPv6", v6, 1500, 65464, 1448},
		{"a tunnel", v4, 1400, 1428, 1368},
		{"more than enough", v4, 9000, 1428, 1428},
		{"less than a plain block needs", v4, 300, 1428, 268},
		{"no room at all", v4, 10, 1428, leastBlockSize},
		{"so small that nobody is asked", v4, 10, 512, 512},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mtus{known: map[netip.Addr]knownMTU{tt.peer.Addr(): {tt.mtu, time.Now().Add(time.Hour)}}}
			if got := m.blockSize(tt.peer, tt.most); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTheKernelKnowsThePath(t *testing.T) {
	peer := netip.MustParseAddrPort("127.0.0.1:9")
	var m mtus
	if got := m.bytes(peer); got < 1500 {
		t.Errorf("the loopback interface carries %d bytes", got)
	}
	m.known[peer.Addr()] = knownMTU{1000, time.Now().Add(time.Hour)}
	if got := m.bytes(peer); got != 1000 {
		t.Errorf("it was asked again: %d", got)
	}
	m.known[peer.Addr()] = knownMTU{1000, time.Now().Add(-time.Second)}
	if got := m.bytes(peer); got == 1000 {
		t.Error("an old answer was believed")
	}
	m.forget(peer)
	if len(m.known) != 0 {
		t.Error("not forgotten")
	}
	if got := m.blockSize(netip.AddrPort{}, 1428); got != safeBlockSize {
		t.Errorf("without a path: %d", got)
	}
}

func TestNothingLeavesInPieces(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		s := newServer(t, addr, Generation{})
		for _, port := range append(s.front.ports, s.front.entrance) {
			got, err := unix.GetsockoptInt(port.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
			if err != nil || got != unix.IP_PMTUDISC_DO {
				t.Errorf("%s: IP_MTU_DISCOVER is %d, %v", addr, got, err)
			}
		}
		s.cutShort(t)
	}
}
