// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// senderOf is a sender to a client of its own, and a transfer to that.
func senderOf(t *testing.T) (*sender, *transfer, *net.UDPConn) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	own, err := net.ListenUDP("udp4", loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	from, err := duplicate(own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(from.close)
	return &sender{whole: new(atomic.Bool)}, &transfer{
		id:   identifiers{conn.LocalAddr().(*net.UDPAddr).AddrPort(), from},
		path: pathTo(conn.LocalAddr().(*net.UDPAddr).AddrPort()),
	}, conn
}

func pathTo(peer netip.AddrPort) (p path) {
	binary.NativeEndian.PutUint16(p.name[:], unix.AF_INET)
	binary.BigEndian.PutUint16(p.name[2:], peer.Port())
	addr := peer.Addr().As4()
	copy(p.name[4:], addr[:])
	p.nameLen = unix.SizeofSockaddrInet4
	return p
}

// received is what came to conn, datagram by datagram.
func received(t *testing.T, conn *net.UDPConn, n int) []string {
	t.Helper()
	var all []string
	buffer := make([]byte, 1<<16)
	conn.SetReadDeadline(time.Now().Add(within))
	for range n {
		k, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("after %d datagrams: %v", len(all), err)
		}
		all = append(all, string(buffer[:k]))
	}
	return all
}

func TestASenderSendsNothingBeforeItIsFlushed(t *testing.T) {
	s, to, conn := senderOf(t)
	s.packetOf(to, []byte("one"))
	s.blocks(to, 7, 1, 512, []byte("two"))
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 9)); err == nil {
		t.Error("sent")
	}
	if u := s.flush(); len(u) > 0 {
		t.Error(u)
	}
	want := []string{"one", "\x00\x03\x00\x07two"}
	if got := received(t, conn, 2); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASenderSendsMoreThanItCanCollect(t *testing.T) {
	s, to, conn := senderOf(t)
	var want []string
	for i := range batchSize + 10 {
		want = append(want, string(rune('a'+i%26)))
		s.packetOf(to, []byte(want[i]))
	}
	for range 2 {
		s.blocks(to, 1, maxWindow, 8, []byte(strings.Repeat("x", 8*maxWindow)))
		for i := range maxWindow {
			want = append(want, "\x00\x03\x00"+string(rune(i+1))+"xxxxxxxx")
		}
	}
	s.flush()
	if got := received(t, conn, len(want)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestWhatCannotBeSentStopsNothingElse(t *testing.T) {
	s, to, conn := senderOf(t)
	tooLarge := &transfer{id: to.id, path: to.path}
	s.packetOf(to, []byte("before"))
	s.packetOf(tooLarge, make([]byte, 65508))
	s.packet(to.id.port, &to.path, make([]byte, 65508)) // nobody asks
	s.packetOf(to, []byte("after"))
	u := s.flush()
	if len(u) != 1 || u[0].of != tooLarge || !errors.Is(u[0].err, unix.EMSGSIZE) {
		t.Errorf("unsent: %v", u)
	}
	if got, want := received(t, conn, 2), []string{"before", "after"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if u := s.flush(); len(u) > 0 {
		t.Errorf("said twice: %v", u)
	}
}

// A device without checksums cannot cut a window; nor can a socket without.
func TestWindowsThatTheKernelCannotCut(t *testing.T) {
	s, to, conn := senderOf(t)
	s.whole.Store(true)
	if err := unix.SetsockoptInt(to.id.port.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s.packetOf(to, []byte("one"))
		s.blocks(to, 1, 3, 8, []byte("xxxxxxxxyyyyyyyyzz"))
		s.packetOf(to, []byte("two"))
		if u := s.flush(); len(u) > 0 {
			t.Error(u)
		}
		want := []string{"one", "\x00\x03\x00\x01xxxxxxxx", "\x00\x03\x00\x02yyyyyyyy", "\x00\x03\x00\x03zz", "two"}
		if got := received(t, conn, 5); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if !to.apart.Load() {
			t.Error("the kernel would be asked again")
		}
		if !s.whole.Load() {
			t.Error("nobody gets whole windows any more")
		}
	}
}
