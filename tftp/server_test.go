// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cfgsrv/configfiles"
)

func TestServesFilesOfEverySize(t *testing.T) {
	content := files{}
	for _, n := range []int{0, 1, 511, 512, 513, 1427, 1428, 1429, smallFile - 1, smallFile, smallFile + 1, 300_000} {
		content["file"+strconv.Itoa(n)] = text(n, 1)
	}
	s := startLocal(t, content)
	for name, want := range content {
		if got := s.get(t, name); got != want {
			t.Errorf("%s: got %d bytes, want %d", name, len(got), len(want))
		}
		r := s.record(t)
		if r.File != name || r.Outcome != configfiles.Served || r.Bytes != int64(len(want)) {
			t.Errorf("%s: record %+v", name, r)
		}
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask(name)
		if got := p.fetch(1, plainBlockSize); got != want {
			t.Errorf("%s without options: got %d bytes, want %d", name, len(got), len(want))
		}
		s.record(t)
	}
}

func TestServesFromDisk(t *testing.T) {
	want := text(200_000, 1)
	path := filepath.Join(t.TempDir(), "firmware")
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startLocal(t, sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return &configfiles.File{Size: int64(len(want)), Content: f}, nil
	}))
	if got := s.get(t, "firmware"); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

func TestRecordOfATransfer(t *testing.T) {
	s := startLocal(t, sourceFunc(func(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
		if req.From.Transport != configfiles.TFTP || req.From.Addr.Addr() != netip.MustParseAddr("127.0.0.1") || req.From.Device != "" {
			t.Errorf("requester %+v", req.From)
		}
		f := fileOf("content")
		f.As = configfiles.Signed
		return f, nil
	}))
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("SEP001122334455.cnf.xml")
	p.fetch(1, plainBlockSize)
	got := s.record(t)
	want := configfiles.Record{
		Listener: "tftp",
		Remote:   p.addr(),
		Device:   "SEP001122334455",
		File:     "SEP001122334455.cnf.xml",
		As:       configfiles.Signed,
		Outcome:  configfiles.Served,
		Bytes:    7,
		Gen:      7,
	}
	diff := cmp.Diff(want, got, cmpopts.IgnoreFields(configfiles.Record{}, "Took"), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }))
	if diff != "" {
		t.Error(diff)
	}
	if got.Took <= 0 || got.Took > within {
		t.Errorf("took %s", got.Took)
	}
}

func TestNegotiatesOptions(t *testing.T) {
	const small = "a\nb\rc" // 7 bytes in netascii
	s := startLocal(t, files{"small": small, "large": text(readAhead+1, 1), "empty": ""})
	tests := []struct {
		name, file, mode string
		options          []string
		want             map[string]string // nil: no OACK at all
	}{
		{"none", "small", "octet", nil, nil},
		{"blksize below the limit", "small", "octet", []string{"blksize", "1000"}, map[string]string{"blksize": "1000"}},
		{"blksize above the limit", "small", "octet", []string{"blksize", "8192"}, map[string]string{"blksize": "1428"}},
		{"tsize of a small file", "small", "octet", []string{"tsize", "0"}, map[string]string{"tsize": "5"}},
		{"tsize of a large file", "large", "octet", []string{"tsize", "0"}, map[string]string{"tsize": "131015"}},
		{"tsize is not echoed", "small", "octet", []string{"tsize", "77"}, map[string]string{"tsize": "5"}},
		{"tsize is no number", "small", "octet", []string{"tsize", "x"}, map[string]string{"tsize": "5"}},
		{"tsize of nothing", "empty", "octet", []string{"tsize", "0"}, map[string]string{"tsize": "0"}},
		{"windowsize", "small", "octet", []string{"windowsize", "8"}, map[string]string{"windowsize": "8"}},
		{"windowsize above the limit", "small", "octet", []string{"windowsize", "65535"}, map[string]string{"windowsize": "64"}},
		{"windowsize of large blocks", "small", "octet", []string{"windowsize", "64", "blksize", "1400"}, map[string]string{"windowsize": "46", "blksize": "1400"}},
		{"timeout", "small", "octet", []string{"timeout", "255"}, map[string]string{"timeout": "255"}},
		{"blksize below 512", "small", "octet", []string{"blksize", "8"}, map[string]string{"blksize": "8"}},
		{"names in any case", "small", "octet", []string{"BlkSize", "600", "TSIZE", "0", "WindowSize", "2", "TIMEOUT", "1"},
			map[string]string{"blksize": "600", "tsize": "5", "windowsize": "2", "timeout": "1"}},
		{"the first of two counts", "small", "octet", []string{"blksize", "600", "blksize", "700"}, map[string]string{"blksize": "600"}},
		{"tsize in netascii", "small", "netascii", []string{"tsize", "0"}, map[string]string{"tsize": "7"}},
		{"tsize in netascii of a large file is left out", "large", "netascii", []string{"tsize", "9"}, nil},
		{"both", "small", "octet", []string{"blksize", "600", "tsize", "0"}, map[string]string{"blksize": "600", "tsize": "5"}},
		{"unknown ones are left out", "small", "octet", []string{"multicast", "", "tsize", "0"}, map[string]string{"tsize": "5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPhone(t, "127.0.0.1", s.addr)
			p.send(p.to, inMode(tt.mode, requestPacket(tt.file, tt.options...)))
			if tt.want == nil {
				p.data(1)
				return
			}
			got, _ := p.options()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// inMode replaces the mode of a request.
func inMode(mode string, request []byte) []byte {
	return []byte(strings.Replace(string(request), "\x00octet\x00", "\x00"+mode+"\x00", 1))
}

func TestNetascii(t *testing.T) {
	for _, mode := range []string{"netascii", "NETASCII", "NetASCII"} {
		for _, n := range []int{5, smallFile + 3} {
			t.Run(fmt.Sprintf("%s of %d bytes", mode, n), func(t *testing.T) {
				content := text(n, 2)
				s := startLocal(t, files{"file": content})
				p := newPhone(t, "127.0.0.1", s.addr)
				p.send(p.to, inMode(mode, requestPacket("file")))
				want := strings.NewReplacer("\r", "\r\x00", "\n", "\r\n").Replace(content)
				if got := p.fetch(1, plainBlockSize); got != want {
					t.Errorf("got %d bytes, want %d; %.60q", len(got), len(want), got)
				}
				if r := s.record(t); r.Outcome != configfiles.Served || r.Bytes != int64(len(want)) {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

func TestOctetInAnyCase(t *testing.T) {
	s := startLocal(t, files{"file": "a\nb"})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.send(p.to, inMode("OCTET", requestPacket("file")))
	if got := p.fetch(1, plainBlockSize); got != "a\nb" {
		t.Errorf("got %q", got)
	}
}

func TestRefusals(t *testing.T) {
	fault := errors.New("disk on fire at /secret/path")
	answer := func(err error) sourceFunc {
		return func(context.Context, configfiles.Request) (*configfiles.File, error) { return nil, err }
	}
	upload := requestPacket("file")
	upload[1] = 2
	internal := RemoteError{0, "internal error"}
	tests := []struct {
		name    string
		source  configfiles.Source
		request []byte
		want    RemoteError
		outcome configfiles.Outcome
		cause   string // part of the record's error; empty: none
	}{
		{"not there", answer(fs.ErrNotExist), requestPacket("file"), RemoteError{1, "File not found"}, configfiles.NotFound, ""},
		{"not there, and why", answer(&configfiles.NotFoundError{Reason: "two files bear the name"}), requestPacket("file"),
			RemoteError{1, "File not found"}, configfiles.NotFound, "two files bear the name"},
		{"no name", files{}, requestPacket("a/../../etc/passwd"), RemoteError{1, "File not found"}, configfiles.NotFound, " "},
		{"empty name", files{}, requestPacket(""), RemoteError{1, "File not found"}, configfiles.NotFound, " "},
		{"denied", answer(fmt.Errorf("asking: %w", &configfiles.DeniedError{Reason: "this device must present its LSC"})), requestPacket("file"),
			RemoteError{2, "this device must present its LSC"}, configfiles.Refused, ""},
		{"denied without a reason", answer(configfiles.ErrDenied), requestPacket("file"), RemoteError{2, "this file is not for you"}, configfiles.Refused, ""},
		{"fault", answer(fault), requestPacket("file"), internal, configfiles.Failed, "disk on fire"},
		{"panic", sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) { panic("on fire") }), requestPacket("file"),
			internal, configfiles.Failed, "panic: on fire"},
		{"shorter than its size", sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) {
			f := fileOf("short")
			f.Size++
			return f, nil
		}), requestPacket("file"), internal, configfiles.Failed, "1 bytes before its end"},
		{"upload", files{}, upload, RemoteError{2, "files cannot be stored here"}, configfiles.Refused, ""},
		{"mail", files{"file": "x"}, inMode("mail", requestPacket("file")), RemoteError{4, errMode.Error()}, configfiles.Refused, ""},
		{"blksize of no bytes", files{"file": "x"}, requestPacket("file", "blksize", "0"), optionRefusal("blksize"), configfiles.Refused, ""},
		{"blksize below RFC 2348", files{"file": "x"}, requestPacket("file", "BLKSIZE", "7"), optionRefusal("blksize"), configfiles.Refused, ""},
		{"blksize of words", files{"file": "x"}, requestPacket("file", "blksize", "many"), optionRefusal("blksize"), configfiles.Refused, ""},
		{"windowsize of no blocks", files{"file": "x"}, requestPacket("file", "windowsize", "0"), optionRefusal("windowsize"), configfiles.Refused, ""},
		{"windowsize above RFC 7440", files{"file": "x"}, requestPacket("file", "windowsize", "65536"), optionRefusal("windowsize"), configfiles.Refused, ""},
		{"timeout above RFC 2349", files{"file": "x"}, requestPacket("file", "timeout", "256"), optionRefusal("timeout"), configfiles.Refused, ""},
		{"request without an end", files{}, []byte("\x00\x01file\x00octet"), RemoteError{4, errMalformed.Error()}, configfiles.Refused, ""},
		{"request too long", files{}, requestPacket("file", "x", strings.Repeat("y", 500)), RemoteError{4, errMalformed.Error()}, configfiles.Refused, ""},
		{"no mode", files{"file": "x"}, inMode("", requestPacket("file")), RemoteError{4, errMode.Error()}, configfiles.Refused, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startLocal(t, tt.source)
			p := newPhone(t, "127.0.0.1", s.addr)
			p.send(p.to, tt.request)
			if got := p.refusal(); *got != tt.want {
				t.Errorf("got %+v, want %+v", *got, tt.want)
			}
			r := s.record(t)
			if r.Outcome == configfiles.NotFound && tt.cause != "" { // the record knows more than the phone
				if !strings.Contains(r.Reason, tt.cause) || r.Err != nil {
					t.Errorf("record %+v, want the reason %q", r, tt.cause)
				}
				return
			}
			if r.Outcome != tt.outcome || r.Reason != tt.want.Message || r.Bytes != 0 {
				t.Errorf("record %+v", r)
			}
			if cause := fmt.Sprint(r.Err); (tt.cause == "" && r.Err != nil && !errors.Is(r.Err, configfiles.ErrDenied)) || !strings.Contains(cause, tt.cause) {
				t.Errorf("cause %s, want %q", cause, tt.cause)
			}
		})
	}
}

func optionRefusal(name string) RemoteError {
	return RemoteError{8, "the value of option " + name + " is not allowed"}
}

// failingContent fails, or panics, at an offset.
type failingContent struct {
	left int
	err  error // nil: panics
}

func (c *failingContent) Read(p []byte) (int, error) {
	if c.left == 0 {
		if c.err == nil {
			panic("content on fire")
		}
		return 0, c.err
	}
	n := min(len(p), c.left)
	c.left -= n
	return n, nil
}
func (c *failingContent) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
func (c *failingContent) Close() error                   { return nil }

func TestAFileThatFailsOnTheWay(t *testing.T) {
	const size, good = readAhead + 400_000, readAhead
	tests := []struct {
		name  string
		err   error
		cause string
		told  bool // the client gets an ERROR
	}{
		{"fault", errors.New("disk on fire"), "disk on fire", true},
		{"truncated", io.EOF, "400000 bytes before its end", true},
		{"the library's end of file", io.ErrUnexpectedEOF, "400000 bytes before its end", true},
		{"panic", nil, "content on fire", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startLocal(t, sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) {
				return &configfiles.File{Size: size, Content: &failingContent{left: good, err: tt.err}}, nil
			}))
			p := newPhone(t, "127.0.0.1", s.addr)
			p.ask("file")
			for block := uint16(1); int(block) <= good/plainBlockSize; block++ {
				_, from := p.data(block)
				p.send(from, ackPacket(block))
			}
			if tt.told {
				if got := *p.refusal(); got != (RemoteError{0, "internal error"}) {
					t.Errorf("the client heard %+v", got)
				}
			}
			r := s.record(t)
			if r.Outcome != configfiles.Failed || r.Reason != "internal error" || !strings.Contains(fmt.Sprint(r.Err), tt.cause) {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestARepeatedRequestStartsNoSecondStream(t *testing.T) {
	want := text(3000, 1)
	tests := []struct {
		name    string
		request []byte
		size    int // of a block
	}{
		{"no options", requestPacket("file"), 512},
		{"blksize", requestPacket("file", "blksize", "1000"), 1000},
		{"tsize", requestPacket("file", "tsize", "0"), 512},
		{"blksize and tsize", requestPacket("file", "blksize", "1000", "tsize", "0"), 1000},
		{"netascii and blksize", inMode("netascii", requestPacket("file", "blksize", "1000")), 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startLocal(t, files{"file": want})
			before := descriptors(t)
			p := newPhone(t, "127.0.0.1", s.addr)
			p.send(p.to, tt.request)
			first, tid := p.answer()
			for range 20 {
				p.send(p.to, tt.request)
			}
			waitFor(t, func() bool { return strings.Count(s.log.String(), "request ignored") == 20 })
			block := uint16(0)
			if opcode(first) == opDATA {
				block = 1
			}
			for end := false; !end; {
				p.send(tid, ackPacket(block))
				b, from := p.answer()
				if from != tid {
					t.Fatalf("a second stream from %s: %.40q", from, b)
				}
				if opcode(b) == opDATA && binary.BigEndian.Uint16(b[2:]) == block+1 {
					block++
					end = len(b) < headerSize+tt.size
				}
			}
			p.send(tid, ackPacket(block))
			if r := s.record(t); r.Outcome != configfiles.Served {
				t.Errorf("record %+v", r)
			}
			s.noRecord(t)
			waitFor(t, func() bool { return descriptors(t) <= before+1 }) // the phone's own
		})
	}
}

// waitFor waits until ok.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

func TestAClientThatMovedOnGetsTheNextFile(t *testing.T) {
	s := startLocal(t, files{"first": text(2000, 1), "second": "second"})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("first")
	_, old := p.data(1)
	p.ask("second")
	for {
		b, from := p.answer()
		if from == old {
			continue // sent again until the server knows
		}
		if string(b[headerSize:]) != "second" {
			t.Fatalf("got %q", b)
		}
		p.send(from, ackPacket(1))
		break
	}
	got := map[string]configfiles.Outcome{}
	for range 2 {
		r := s.record(t)
		got[r.File+": "+r.Reason] = r.Outcome
	}
	want := map[string]configfiles.Outcome{"first: " + reasonMovedOn: configfiles.Aborted, "second: ": configfiles.Served}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnePortForManyFiles(t *testing.T) {
	content := files{}
	for i := range 50 {
		content[strconv.Itoa(i)] = text(700, uint64(i))
	}
	s := startLocal(t, content)
	p := newPhone(t, "127.0.0.1", s.addr)
	begun := time.Now()
	for name, want := range content {
		p.ask(name)
		if got := p.fetch(1, plainBlockSize); got != want {
			t.Fatalf("%s: got %d bytes, want %d", name, len(got), len(want))
		}
	}
	// None may have waited for the one before it to time out.
	if took := time.Since(begun); took > 50*grace/2 {
		t.Errorf("took %s", took)
	}
	for range content {
		if r := s.record(t); r.Outcome != configfiles.Served {
			t.Errorf("record %+v", r)
		}
	}
}

func TestCaps(t *testing.T) {
	s := start(t, "127.0.0.1:0", Generation{Files: files{"file": text(2000, 1)}, MaxTransfers: 3, MaxPerAddress: 2})
	hold := func(local string) func() {
		p := newPhone(t, local, s.addr)
		p.ask("file")
		_, tid := p.data(1)
		return func() {
			p.send(tid, errorPacket(0, "enough"))
			if r := s.record(t); r.Outcome != configfiles.Aborted {
				t.Errorf("record %+v", r)
			}
		}
	}
	busy := func(local string) {
		t.Helper()
		p := newPhone(t, local, s.addr)
		p.ask("file")
		if got := *p.refusal(); got != (RemoteError{0, "busy, try again"}) {
			t.Errorf("the client heard %+v", got)
		}
		if r := s.record(t); r.Outcome != configfiles.Busy || r.Reason != "busy, try again" || r.Remote != p.addr() {
			t.Errorf("record %+v", r)
		}
	}
	hold("127.0.0.1")
	free := hold("127.0.0.1")
	busy("127.0.0.1")
	hold("127.0.0.2")
	busy("127.0.0.2")
	busy("127.0.0.3")
	free()
	hold("127.0.0.3")
	busy("127.0.0.1")
}

func TestRestartIsTheNextGeneration(t *testing.T) {
	old, next := text(2000, 1), text(2000, 2)
	s := start(t, "127.0.0.1:0", Generation{Number: 1, Files: files{"file": old}, BlockSize: 600})
	p := newPhone(t, "127.0.0.1", s.addr)
	p.ask("file", "blksize", "1400")
	granted, tid := p.options()
	if granted["blksize"] != "600" {
		t.Errorf("granted %v", granted)
	}

	s.generation.Store(&Generation{Number: 2, Files: files{"file": next}, BlockSize: 700})
	s.Restart()
	q := newPhone(t, "127.0.0.1", s.addr)
	q.ask("file", "blksize", "1400")
	granted, tid2 := q.options()
	if granted["blksize"] != "700" {
		t.Errorf("granted %v", granted)
	}
	q.send(tid2, ackPacket(0))
	if got := q.fetch(1, 700); got != next {
		t.Error("the next generation was not served")
	}
	if r := s.record(t); r.Gen != 2 {
		t.Errorf("record %+v", r)
	}
	p.send(tid, ackPacket(0))
	if got := p.fetch(1, 600); got != old {
		t.Error("the transfer under way changed generation")
	}
	if r := s.record(t); r.Gen != 1 || r.Outcome != configfiles.Served {
		t.Errorf("record %+v", r)
	}
}

func TestARequestThatWaitsForServeGetsItsBlockSize(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		s := newServer(t, addr, Generation{Files: files{"file": "x"}})
		_, port, err := net.SplitHostPort(s.addr)
		if err != nil {
			t.Fatal(err)
		}
		p := newPhone(t, "127.0.0.1", net.JoinHostPort("127.0.0.1", port))
		p.ask("file", "blksize", "1400")
		go func() { s.served <- s.Serve() }()
		if granted, _ := p.options(); granted["blksize"] != "1400" {
			t.Errorf("%s: granted %v", addr, granted)
		}
		s.cutShort(t)
		<-s.served
	}
}

func TestBlockSize(t *testing.T) {
	for configured, want := range map[int]int{0: 1428, 1: 8, 512: 512, 1468: 1468, 100_000: 65464} {
		if got := (Generation{BlockSize: configured}).blockSize(); got != want {
			t.Errorf("%d: got %d, want %d", configured, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		name, listen string
		ask          []string // hosts, all of which must answer from where they were asked
	}{
		{"IPv4", "127.0.0.1:0", []string{"127.0.0.1"}},
		{"IPv6", "[::1]:0", []string{"::1"}},
		{"both", ":0", []string{"127.0.0.1", "127.0.0.2", "::1"}},
		{"both, spelled out", "[::]:0", []string{"127.0.0.1", "127.0.0.2", "::1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
				t.Skip("no IPv6 here:", err)
			} else {
				c.Close()
			}
			want := text(3000, 1)
			s := start(t, tt.listen, Generation{Files: files{"file": want}})
			_, port, err := net.SplitHostPort(s.addr)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range tt.ask {
				// Get takes answers only from the address that it asked.
				got, err := getString(t, net.JoinHostPort(host, port), "file")
				if err != nil || got != want {
					t.Errorf("%s: %v, %d bytes", host, err, len(got))
				}
				if r := s.record(t); r.Remote.Addr().Is4() != !strings.Contains(host, ":") || r.Remote.Addr().Is4In6() {
					t.Errorf("%s: recorded as %s", host, r.Remote)
				}
				p := newPhone(t, "", net.JoinHostPort(host, port))
				p.ask("missing")
				if got := p.refusal(); got.Code != codeNotFound {
					t.Errorf("%s: %+v", host, got)
				}
				s.record(t)
			}
		})
	}
}

func TestADeadClient(t *testing.T) {
	t.Parallel()
	s := start(t, "127.0.0.6:0", Generation{Files: files{"long": text(2000, 1), "short": text(100, 1)}})
	phones := map[string]*phone{}
	for _, file := range []string{"long", "short"} {
		phones[file] = newPhone(t, "127.0.0.6", s.addr)
		phones[file].ask(file)
	}
	for _, p := range phones {
		for range 6 { // after 0, 0.4, 1.2, 2.2, 3.2 and 4.2 s
			p.data(1)
		}
	}
	type end struct {
		reason string
		bytes  int64
	}
	got := map[string]end{}
	for range phones {
		r := s.record(t)
		if r.Outcome != configfiles.Aborted || r.Err != nil || r.Took < 5*time.Second || r.Took > 8*time.Second {
			t.Errorf("record %+v", r)
		}
		got[r.File] = end{r.Reason, r.Bytes}
	}
	want := map[string]end{"long": {reasonSilent, 512}, "short": {reasonLastBlock, 100}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(end{})); diff != "" {
		t.Error(diff)
	}
	for _, p := range phones {
		if b, _ := p.hear(silence); b != nil {
			t.Errorf("then heard %q", b)
		}
	}
}

func TestAnErrorOfTheClientEndsTheTransfer(t *testing.T) {
	for _, options := range [][]string{nil, {"tsize", "0"}} {
		s := startLocal(t, files{"file": text(2000, 1)})
		p := newPhone(t, "127.0.0.1", s.addr)
		p.ask("file", options...)
		_, tid := p.answer()
		p.send(tid, errorPacket(8, "only wanted the size"))
		r := s.record(t)
		if r.Outcome != configfiles.Aborted || r.Reason != reasonGivenUp || !strings.Contains(fmt.Sprint(r.Err), "only wanted the size") {
			t.Errorf("record %+v", r)
		}
		if b, _ := p.hear(silence); b != nil {
			t.Errorf("an ERROR was answered with %q", b)
		}
	}
}

func TestPacketsOfStrangersDoNotDisturb(t *testing.T) {
	want := text(2000, 1)
	s := startLocal(t, files{"file": want})
	p, stranger := newPhone(t, "127.0.0.1", s.addr), newPhone(t, "127.0.0.1", s.addr)
	p.ask("file")
	data, tid := p.data(1)
	stranger.send(tid, ackPacket(1))
	stranger.send(tid, errorPacket(0, "stop it"))
	p.send(tid, ackPacket(1))
	if got := data + p.fetch(2, plainBlockSize); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

func TestNewTellsWhyItCannotBind(t *testing.T) {
	used := newServer(t, "127.0.0.1:0", Generation{})
	defer used.cutShort(t)
	for _, addr := range []string{used.addr, "nowhere", "127.0.0.1:99999", "[fe80::1%lo]:0"} {
		before := descriptors(t)
		s, err := New(Config{Addr: addr})
		if err == nil {
			t.Errorf("%s: bound", addr)
			_ = s.Shutdown(t.Context())
			continue
		}
		if !strings.Contains(err.Error(), "binding "+addr) {
			t.Errorf("%s: %v", addr, err)
		}
		if now := descriptors(t); now != before {
			t.Errorf("%s: %d descriptors, %d before", addr, now, before)
		}
	}
}

func TestManyPhonesAtOnceLeaveNothingBehind(t *testing.T) {
	content := files{}
	for i := range 5 {
		content["file"+strconv.Itoa(i)] = text(3000+i, uint64(i))
	}
	s := startLocal(t, content)
	before := descriptors(t)
	var phones sync.WaitGroup
	for range 40 {
		phones.Go(func() {
			for name, want := range content {
				if got, err := getString(t, s.addr, name); err != nil || got != want {
					t.Errorf("%s: %v, %d bytes", name, err, len(got))
				}
			}
			if _, err := getString(t, s.addr, "missing"); err == nil {
				t.Error("a missing file was served")
			}
		})
	}
	phones.Wait()
	for range 40 * 6 {
		s.record(t)
	}
	waitFor(t, func() bool { return descriptors(t) <= before })
	if r := s.front.transfers; r.running() != 0 || len(r.byPeer)+len(r.byAddr) != 0 {
		t.Errorf("%d left", r.running())
	}
}

func TestBlockNumbersWrap(t *testing.T) {
	t.Parallel()
	want := text(0x10000*plainBlockSize+700, 1)
	s := start(t, "127.0.0.7:0", Generation{Files: files{"firmware": want}})
	p := newPhone(t, "127.0.0.7", s.addr)
	p.ask("firmware")
	p.conn.SetReadDeadline(time.Now().Add(time.Minute))
	ack := ackPacket(0)
	for block, left := uint16(1), want; ; {
		n, from, err := p.conn.ReadFromUDPAddrPort(p.heard[:])
		if err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint16(p.heard[2:]) != block {
			continue // sent again, because this machine is slow
		}
		data := string(p.heard[headerSize:n])
		if !strings.HasPrefix(left, data) {
			t.Fatalf("other content %d bytes before the end", len(left))
		}
		left = left[len(data):]
		binary.BigEndian.PutUint16(ack[2:], block)
		p.send(from, ack)
		if len(data) < plainBlockSize {
			break
		}
		block++
	}
	if r := s.record(t); r.Bytes != int64(len(want)) || r.Outcome != configfiles.Served {
		t.Errorf("record %+v", r)
	}
}
