// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	pintftp "github.com/pin/tftp/v3"
)

// The tests of this file hold what pin/tftp v3.2.0 does by itself and this
// package has to live with or to prevent. One that fails after an upgrade says
// that a precaution is needed no more, or needed in another way.

// bare is the library's own server, with tune applied to it. It is shut down
// when the test ends.
func bare(t testing.TB, read func(string, io.ReaderFrom) error, tune ...func(*pintftp.Server)) (*pintftp.Server, *net.UDPConn) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	library := pintftp.NewServer(read, nil)
	library.SetTimeout(50 * time.Millisecond)
	library.SetBackoff(func(int) time.Duration { return 0 })
	for _, f := range tune {
		f(library)
	}
	served := make(chan error, 1)
	go func() { served <- library.Serve(conn) }()
	// Only an answer shows that Shutdown will find the socket.
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("warm up")
	if _, tid := p.answer(); tid != p.to { // single-port mode has one port
		p.send(tid, errorPacket(0, ""))
	}
	t.Cleanup(func() {
		library.Shutdown()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return library, conn
}

// unseekable is a reader and nothing else.
type unseekable struct{ io.Reader }

func sends(content string) func(string, io.ReaderFrom) error {
	return func(_ string, to io.ReaderFrom) error {
		_, err := to.ReadFrom(unseekable{strings.NewReader(content)})
		return err
	}
}

func TestLibraryTellsTheCauseWithCode1(t *testing.T) {
	_, conn := bare(t, func(string, io.ReaderFrom) error {
		_, err := os.Open("/nonexistent/secret")
		return err
	})
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("file")
	if got := *p.refusal(); got != (RemoteError{1, "open /nonexistent/secret: no such file or directory"}) {
		t.Errorf("got %+v", got)
	}
}

func TestLibraryAnswers(t *testing.T) {
	tests := []struct {
		name    string
		request []byte
		want    string // the first datagram; empty: none
	}{
		{"an unknown mode as octet", inMode("mail", requestPacket("f")), "\x00\x03\x00\x01a\n"},
		{"NETASCII as octet", inMode("NETASCII", requestPacket("f")), "\x00\x03\x00\x01a\n"},
		{"netascii", inMode("netascii", requestPacket("f")), "\x00\x03\x00\x01a\r\n"},
		{"no option in capitals", requestPacket("f", "BLKSIZE", "600", "TSIZE", "0"), "\x00\x03\x00\x01a\n"},
		{"no timeout, no windowsize", requestPacket("f", "timeout", "3", "windowsize", "4"), "\x00\x03\x00\x01a\n"},
		{"no blksize below 512", requestPacket("f", "blksize", "511"), "\x00\x03\x00\x01a\n"},
		{"a tsize of the client's", requestPacket("f", "tsize", "5"), "\x00\x06tsize\x005\x00"},
		{"no tsize in netascii", inMode("netascii", requestPacket("f", "tsize", "0")), "\x00\x03\x00\x01a\r\n"},
		{"an opcode of nothing", []byte{0, 9, 'f', 0}, ""},
		{"a request of which 516 bytes are a name", requestWith(strings.Repeat("f", 600) + "\x00octet"), ""},
		{"an upload with code 1", []byte("\x00\x02f\x00octet\x00"), "\x00\x05\x00\x01server does not support write requests\x00"},
	}
	_, conn := bare(t, sends("a\n"))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
			p.send(p.to, tt.request)
			if tt.want == "" {
				if b, _ := p.hear(silence); b != nil {
					t.Errorf("got %q", b)
				}
				return
			}
			b, tid := p.answer()
			if string(b) != tt.want {
				t.Errorf("got %q, want %q", b, tt.want)
			}
			p.send(tid, errorPacket(0, ""))
		})
	}
}

func TestLibraryIgnoresABlockSizeOf512(t *testing.T) {
	_, conn := bare(t, sends("content"), func(s *pintftp.Server) { s.SetBlockSize(512) })
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("file", "blksize", "8192")
	granted, tid := p.options()
	if granted["blksize"] != "8192" {
		t.Errorf("granted %v", granted)
	}
	p.send(tid, errorPacket(0, ""))
}

func TestLibraryStartsATransferForEveryRepeat(t *testing.T) {
	_, conn := bare(t, sends("content"))
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	streams := map[netip.AddrPort]bool{}
	for range 3 {
		p.ask("file")
	}
	for len(streams) < 3 {
		_, tid := p.data(1)
		streams[tid] = true
	}
	for tid := range streams {
		p.send(tid, ackPacket(1))
	}
}

func TestLibraryAnswersAnErrorWithAnError(t *testing.T) {
	_, conn := bare(t, sends("content"))
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("file")
	_, tid := p.data(1)
	p.send(tid, errorPacket(3, "disk full"))
	if got := p.refusal(); !strings.Contains(got.Message, "disk full") {
		t.Errorf("got %+v", got)
	}
}

func TestLibraryTakesErrUnexpectedEOFForTheEnd(t *testing.T) {
	failed := make(chan error, 2)
	_, conn := bare(t, func(_ string, to io.ReaderFrom) error {
		_, err := to.ReadFrom(&failingContent{left: 100, err: io.ErrUnexpectedEOF})
		failed <- err
		return err
	})
	<-failed // of the warm-up
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("file")
	if got := p.fetch(1, plainBlockSize); len(got) != 100 {
		t.Errorf("got %d bytes", len(got))
	}
	if err := <-failed; err != nil {
		t.Errorf("it noticed: %v", err)
	}
}

func TestLibraryLeaksTheSocketOfAHandlerThatReturnsNil(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // finalizers would close it
	before := descriptors(t) + 3                     // the server's, and one for each phone
	called := make(chan struct{})
	_, conn := bare(t, func(name string, _ io.ReaderFrom) error {
		if name == "warm up" {
			return errors.New("warm")
		}
		called <- struct{}{}
		return nil
	})
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	for range 5 {
		p.ask("file")
		<-called
	}
	waitFor(t, func() bool { return descriptors(t) == before+5 })
}

func TestLibraryShutdownHasNoDeadline(t *testing.T) {
	library, conn := bare(t, sends("content"), func(s *pintftp.Server) { s.SetRetries(10) })
	p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
	p.ask("file")
	p.data(1)
	begun := time.Now()
	library.Shutdown()
	if took := time.Since(begun); took < 400*time.Millisecond {
		t.Errorf("took only %s", took)
	}
}

func TestLibraryServeAfterShutdownLeavesTheSocketOpen(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	library := pintftp.NewServer(nil, nil)
	library.Shutdown()
	if err := library.Serve(conn); err != nil {
		t.Error(err)
	}
	if err := conn.SetReadDeadline(time.Now()); err != nil {
		t.Errorf("the socket is closed: %v", err)
	}
}

func TestLibraryDoesNotNoticeThatItsSocketIsClosed(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	library := pintftp.NewServer(nil, nil)
	served := make(chan error, 1)
	go func() { served <- library.Serve(conn) }()
	conn.Close()
	select {
	case err := <-served:
		t.Errorf("it did: %v", err)
	case <-time.After(silence):
	}
	library.Shutdown()
	<-served
}

func linkLocal(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	for _, i := range all {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() && i.Flags&net.FlagRunning != 0 {
				return n.IP.String() + "%" + i.Name
			}
		}
	}
	t.Skip("no link-local address here")
	return ""
}

func TestLibraryClientPanicsOnALongName(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it does not")
		}
	}()
	c, err := pintftp.NewClient("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	c.SetBlockSize(1428)
	_, err = c.Receive(strings.Repeat("n", 504), "octet")
	t.Errorf("got %v", err)
}

// deaths are what ends a process that uses the library unprotected, or in the
// modes that this package never uses.
var deaths = map[string]func(t *testing.T){
	"a panic in a handler": func(t *testing.T) {
		_, conn := bare(t, func(name string, _ io.ReaderFrom) error {
			if name == "warm up" {
				return errors.New("warm")
			}
			panic("handler on fire")
		})
		p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
		p.ask("file")
		p.hear(within)
	},
	"single port, and a datagram longer than 516 bytes": func(t *testing.T) {
		_, conn := bare(t, sends(strings.Repeat("x", 5000)), func(s *pintftp.Server) {
			s.EnableSinglePort()
			s.SetBlockSize(1428)
		})
		p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
		p.ask("file")
		p.send(p.to, bytes.Repeat([]byte{0, 4}, 500))
		for b, _ := p.hear(within); b != nil; b, _ = p.hear(within) {
		}
	},
	"single port and anticipation, and a download": func(t *testing.T) {
		_, conn := bare(t, sends("content"), func(s *pintftp.Server) {
			s.EnableSinglePort()
			s.SetAnticipate(4)
		})
		p := newPhone(t, "127.0.0.1", conn.LocalAddr().String())
		p.ask("file")
		p.data(1)
		p.send(p.to, ackPacket(1))
		p.hear(within)
	},
}

const deathVariable = "CFGSRV_TEST_LIBRARY_DEATH"

func TestLibraryEndsTheProcess(t *testing.T) {
	if die := deaths[os.Getenv(deathVariable)]; die != nil {
		die(t)
		return
	}
	for name := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLibraryEndsTheProcess$", "-test.count=1")
			cmd.Env = append(os.Environ(), deathVariable+"="+name)
			output, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 || !bytes.Contains(output, []byte("panic: ")) {
				t.Errorf("%v: %.300s", err, output)
			}
		})
	}
}

func TestTheDeadlyModesAreNotUsed(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(fmt.Sprint(err), sources)
	}
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{"EnableSinglePort", "SetAnticipate"} {
			if bytes.Contains(b, []byte(mode)) {
				t.Errorf("%s mentions %s", name, mode)
			}
		}
	}
}
