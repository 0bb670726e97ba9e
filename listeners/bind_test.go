// SPDX-License-Identifier: Apache-2.0

package listeners_test

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cfgsrv/listeners"
	"cfgsrv/listeners/listenertest"
)

func TestBindErrorSaysWhatToDo(t *testing.T) {
	refused := func(network string, errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("bind", errno)}
	}
	listen := func(addr string) error {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			l.Close()
			t.Fatalf("%s can be bound", addr)
		}
		return err
	}
	for _, tt := range []struct {
		name string
		err  listeners.BindError
		want string
	}{
		{
			"port in use by another program",
			listeners.BindError{Listener: "tftp", Addr: ":69", Err: refused("udp", syscall.EADDRINUSE)},
			"tftp: UDP port 69 is in use by another program (as root, 'ss -lntup' names it); stop it or set another address with --tftp",
		}, {
			"port in use by a program that is known",
			listeners.BindError{Listener: "tftp", Addr: ":69", Err: refused("udp", syscall.EADDRINUSE), Program: "in.tftpd (process 812)"},
			"tftp: UDP port 69 is in use by in.tftpd (process 812); stop it or set another address with --tftp",
		}, {
			"port in use, protocol unknown",
			listeners.BindError{Listener: "http", Addr: "[::1]:6970", Err: syscall.EADDRINUSE},
			"http: port 6970 is in use by another program (as root, 'ss -lntup' names it); stop it or set another address with --http",
		}, {
			"port of another listener of ours",
			listeners.BindError{Listener: "http", Addr: ":6971", Err: refused("tcp4", syscall.EADDRINUSE), Holder: "phones"},
			"http: TCP port 6971 belongs to the listener phones; set another address with --http",
		}, {
			"port that becomes free by the change",
			listeners.BindError{Listener: "http", Addr: "127.0.0.1:6970", Err: refused("tcp", syscall.EADDRINUSE), Holder: "http", Leaving: true},
			"http: TCP port 6970 stays open for the running listener http until the change is done; restart the service to move it",
		}, {
			"port that needs the capability",
			listeners.BindError{Listener: "tftp", Addr: ":69", Err: refused("udp", syscall.EACCES)},
			"tftp: port 69 needs the capability CAP_NET_BIND_SERVICE; start it by the systemd unit, " +
				"or setcap 'cap_net_bind_service=+ep' on the binary, or choose a port above 1023",
		}, {
			"port that a security module denies",
			listeners.BindError{Listener: "http", Addr: ":6970", Err: refused("tcp", syscall.EACCES)},
			"http: the system denies TCP port 6970 to this program; see what its security module (SELinux, AppArmor) logged",
		}, {
			"address of another host",
			listeners.BindError{Listener: "tvs", Addr: "192.0.2.1:2445", Err: listen("192.0.2.1:2445")},
			"tvs: 192.0.2.1:2445 is not an address of this host; set another address with --tvs",
		}, {
			"no IPv6 here",
			listeners.BindError{Listener: "tvs", Addr: "[::1]:2445", Err: refused("tcp", syscall.EAFNOSUPPORT)},
			"tvs: this host has no network of the kind of [::1]:2445; set another address with --tvs",
		}, {
			"no port",
			listeners.BindError{Listener: "capf", Addr: "localhost", Err: listen("localhost")},
			`capf: "localhost" is not an address; set HOST:PORT, :PORT or off with --capf`,
		}, {
			"port too high",
			listeners.BindError{Listener: "capf", Addr: ":70000", Err: listen(":70000")},
			`capf: ":70000" is not an address; set HOST:PORT, :PORT or off with --capf`,
		}, {
			"unknown host",
			listeners.BindError{Listener: "capf", Addr: "pbx.invalid:3804", Err: &net.OpError{Op: "listen", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "pbx.invalid"}}},
			`capf: "pbx.invalid:3804" cannot be resolved: no such host; set another address with --capf`,
		}, {
			"anything else",
			listeners.BindError{Listener: "capf", Addr: ":3804", Err: syscall.EMFILE},
			"capf: opening :3804: too many open files",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !errors.Is(&tt.err, tt.err.Err) {
				t.Error("the cause cannot be found in the error")
			}
		})
	}
}

func TestPrepareNamesTheHolderOfAPort(t *testing.T) {
	s, _ := newSet(t)
	prepare(t, s, tcp("http", anyPort), tcp("tvs", anyPort)).Commit(1)
	port := addrOf(t, s, "http").String()
	fresh, err := listenertest.NewTCP(anyPort)
	if err != nil {
		t.Fatal(err)
	}
	bound := listeners.Wanted{Name: "jabber", Listen: func() (listeners.Listener, error) { return fresh, nil }}
	for _, tt := range []struct {
		name    string
		wanted  []listeners.Wanted
		holder  string
		leaving bool
	}{
		{"kept", []listeners.Wanted{tcp("phones", port), tcp("http", anyPort)}, "http", false},
		{"removed", []listeners.Wanted{tcp("phones", port)}, "http", true},
		{"itself at another address", []listeners.Wanted{tcp("http", port)}, "http", true},
		{"also new", []listeners.Wanted{bound, tcp("phones", fresh.Addr().String())}, "jabber", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.Prepare(t.Context(), tt.wanted)
			var fault *listeners.BindError
			if !errors.As(err, &fault) {
				t.Fatalf("Prepare returned %v, want a BindError", err)
			}
			if fault.Holder != tt.holder || fault.Leaving != tt.leaving {
				t.Errorf("holder %q, leaving %t; want %q, %t", fault.Holder, fault.Leaving, tt.holder, tt.leaving)
			}
		})
	}
}

// TestPrepareNamesTheProgramThatHasAPort takes the test itself for the other
// program: its sockets are those that every user may see.
func TestPrepareNamesTheProgramThatHasAPort(t *testing.T) {
	tcp4, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp4.Close()
	udp, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	_, udpPort, _ := net.SplitHostPort(udp.LocalAddr().String())
	s, _ := newSet(t)
	_, err = s.Prepare(t.Context(), []listeners.Wanted{
		{Name: "http", Addr: tcp4.Addr().String(), Listen: func() (listeners.Listener, error) { return listenertest.NewTCP(tcp4.Addr().String()) }},
		{Name: "tftp", Addr: "127.0.0.1:" + udpPort, Listen: func() (listeners.Listener, error) {
			_, err := net.ListenPacket("udp", "127.0.0.1:"+udpPort)
			return nil, err
		}},
	})
	faults := listeners.BindErrors(err)
	if len(faults) != 2 {
		t.Fatalf("Prepare returned %v, want two faults", err)
	}
	for _, fault := range faults {
		if want := "(process " + strconv.Itoa(os.Getpid()) + ")"; !strings.HasSuffix(fault.Program, want) {
			t.Errorf("%s: program %q, want one that ends in %s", fault.Listener, fault.Program, want)
		}
	}
	if got := listeners.BindErrors(listeners.ErrShutdown); len(got) > 0 {
		t.Errorf("bind errors in another error: %v", got)
	}
}

func TestPrepareRefusesOneNameTwice(t *testing.T) {
	s, _ := newSet(t)
	_, err := s.Prepare(t.Context(), []listeners.Wanted{tcp("http", anyPort), tcp("http", "localhost:0")})
	want := "http: opening localhost:0: two listeners of one name are wanted"
	if err == nil || err.Error() != want {
		t.Errorf("Prepare returned %v, want %s", err, want)
	}
}
