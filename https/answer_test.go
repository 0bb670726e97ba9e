// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

const masterName = "SEP001122334455.cnf.xml"

// content of n bytes. What repeats in it fits no size of a buffer.
func content(n int) string { return strings.Repeat(lines(), n/len(lines())+1)[:n] }

var lines = sync.OnceValue(func() string {
	var b strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&b, "%06d\n", i)
	}
	return b.String()
})

var served = files{
	"ringlist.xml":       "<r/>",
	"readme.txt":         "read me",
	"caconfig.json":      "{}",
	"Desktops/1/a.PNG":   "png",
	"CTLFile.tlv":        "tlv",
	"sip88xx.loads":      "loads",
	"empty.xml":          "",
	masterName:           "<device/>",
	"block.bin":          content(12 << 10),
	"large.bin":          content(300 << 10),
	"just.bin":           content(smallFile),
	"one-more.bin":       content(smallFile + 1),
	"a b+c%20d":          "odd",
	"ring%2eraw":         "odd",
	"x#y;z":              "odd",
	"\xe9t\xc3\xa9.raw":  "bytes",
	"New Zealand/g3.xml": "folder",
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name   string
		method string
		target string
		lines  []string
		status int
		body   string
		header map[string]string
		want   configfiles.Record
	}{
		{name: "xml", target: "/ringlist.xml", status: 200, body: "<r/>",
			header: map[string]string{"Content-Type": "text/xml", "X-Content-Type-Options": "nosniff", "Content-Length": "4",
				"Last-Modified": "Mon, 06 May 2024 07:08:09 GMT", "Cache-Control": "", "Accept-Ranges": "bytes"},
			want: configfiles.Record{File: "ringlist.xml", Outcome: configfiles.Served, Bytes: 4}},
		{name: "text", target: "/readme.txt", status: 200, body: "read me", header: map[string]string{"Content-Type": "text/plain"},
			want: configfiles.Record{File: "readme.txt", Outcome: configfiles.Served, Bytes: 7}},
		{name: "json", target: "/caconfig.json", status: 200, body: "{}", header: map[string]string{"Content-Type": "application/json"},
			want: configfiles.Record{File: "caconfig.json", Outcome: configfiles.Served, Bytes: 2}},
		{name: "png in capitals", target: "/Desktops/1/a.PNG", status: 200, body: "png", header: map[string]string{"Content-Type": "image/png"},
			want: configfiles.Record{File: "Desktops/1/a.PNG", Outcome: configfiles.Served, Bytes: 3}},
		{name: "firmware", target: "/sip88xx.loads", status: 200, body: "loads", header: map[string]string{"Content-Type": "application/octet-stream"},
			want: configfiles.Record{File: "sip88xx.loads", Outcome: configfiles.Served, Bytes: 5}},
		{name: "empty", target: "/empty.xml", status: 200, header: map[string]string{"Content-Length": "0"},
			want: configfiles.Record{File: "empty.xml", Outcome: configfiles.Served}},
		{name: "trust list", target: "/CTLFile.tlv", status: 200, body: "tlv",
			header: map[string]string{"Content-Type": "application/octet-stream", "Cache-Control": "no-store"},
			want:   configfiles.Record{File: "CTLFile.tlv", Outcome: configfiles.Served, Bytes: 3}},
		{name: "device file", target: "/" + masterName, status: 200, body: "<device/>", header: map[string]string{"Cache-Control": "no-store"},
			want: configfiles.Record{File: masterName, Device: "SEP001122334455", Outcome: configfiles.Served, Bytes: 9}},
		{name: "12 KiB", target: "/block.bin", status: 200, body: content(12 << 10),
			want: configfiles.Record{File: "block.bin", Outcome: configfiles.Served, Bytes: 12 << 10}},
		{name: "largest in one write", target: "/just.bin", status: 200, body: content(smallFile),
			want: configfiles.Record{File: "just.bin", Outcome: configfiles.Served, Bytes: smallFile}},
		{name: "one byte more", target: "/one-more.bin", status: 200, body: content(smallFile + 1),
			want: configfiles.Record{File: "one-more.bin", Outcome: configfiles.Served, Bytes: smallFile + 1}},
		{name: "large", target: "/large.bin", status: 200, body: content(300 << 10),
			want: configfiles.Record{File: "large.bin", Outcome: configfiles.Served, Bytes: 300 << 10}},
		{name: "head", method: "HEAD", target: "/large.bin", status: 200, header: map[string]string{"Content-Length": "307200"},
			want: configfiles.Record{File: "large.bin", Outcome: configfiles.Served}},

		{name: "first part", target: "/block.bin", lines: []string{"Range: bytes=0-9"}, status: 206, body: "000000\n000",
			header: map[string]string{"Content-Range": "bytes 0-9/12288", "Content-Length": "10"},
			want:   configfiles.Record{File: "block.bin", Outcome: configfiles.Served, Bytes: 10}},
		{name: "last part", target: "/large.bin", lines: []string{"Range: bytes=-8"}, status: 206, body: content(300 << 10)[300<<10-8:],
			want: configfiles.Record{File: "large.bin", Outcome: configfiles.Served, Bytes: 8}},
		{name: "large part", target: "/large.bin", lines: []string{"Range: bytes=10-299999"}, status: 206, body: content(300 << 10)[10:300000],
			want: configfiles.Record{File: "large.bin", Outcome: configfiles.Served, Bytes: 299990}},
		{name: "two parts are the whole", target: "/block.bin", lines: []string{"Range: bytes=0-9,20-29"}, status: 200, body: content(12 << 10),
			want: configfiles.Record{File: "block.bin", Outcome: configfiles.Served, Bytes: 12 << 10}},
		{name: "part after the end", target: "/block.bin", lines: []string{"Range: bytes=12288-"}, status: 416, body: noSuchPart + "\n",
			header: map[string]string{"Content-Range": "bytes */12288", "Cache-Control": "no-store"},
			want:   configfiles.Record{File: "block.bin", Outcome: configfiles.Refused, Reason: noSuchPart, Bytes: int64(len(noSuchPart)) + 1}},
		{name: "head of a part after the end", method: "HEAD", target: "/block.bin", lines: []string{"Range: bytes=12288-"}, status: 416,
			want: configfiles.Record{File: "block.bin", Outcome: configfiles.Refused, Reason: noSuchPart}},
		{name: "part of an older file", target: "/block.bin", lines: []string{"Range: bytes=0-9", "If-Range: Mon, 06 May 2024 07:08:08 GMT"},
			status: 200, body: content(12 << 10), want: configfiles.Record{File: "block.bin", Outcome: configfiles.Served, Bytes: 12 << 10}},
		{name: "not modified", target: "/block.bin", lines: []string{"If-Modified-Since: Mon, 06 May 2024 07:08:09 GMT"}, status: 304,
			want: configfiles.Record{File: "block.bin", Outcome: configfiles.Served}},
		{name: "modified", target: "/ringlist.xml", lines: []string{"If-Modified-Since: Mon, 06 May 2024 07:08:08 GMT"}, status: 200, body: "<r/>",
			want: configfiles.Record{File: "ringlist.xml", Outcome: configfiles.Served, Bytes: 4}},
		{name: "condition fails", target: "/block.bin", lines: []string{"If-Unmodified-Since: Mon, 06 May 2024 07:08:08 GMT"}, status: 412, body: noMatch + "\n",
			want: configfiles.Record{File: "block.bin", Outcome: configfiles.Refused, Reason: noMatch, Bytes: int64(len(noMatch)) + 1}},

		{name: "missing", target: "/SEP001122334455.cnf.xml.bak", status: 404, body: "File not found\n", header: map[string]string{"Cache-Control": "no-store"},
			want: configfiles.Record{File: "SEP001122334455.cnf.xml.bak", Device: "SEP001122334455", Outcome: configfiles.NotFound, Bytes: 15}},
		{name: "head of what is missing", method: "HEAD", target: "/nothing", status: 404, header: map[string]string{"Content-Length": "15"},
			want: configfiles.Record{File: "nothing", Outcome: configfiles.NotFound}},
	}
	for _, mode := range []string{"http", "https"} {
		t.Run(mode, func(t *testing.T) {
			gen := Generation{Number: 7, Files: served}
			s, phone := startMode(t, mode, gen)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					if tt.method == "" {
						tt.method = "GET"
					}
					got := phone.ask(tt.method, tt.target, tt.lines...)
					if got.StatusCode != tt.status || got.body != tt.body || got.Close {
						t.Errorf("got %s, close %t and %.50q, want %d and %.50q", got.Status, got.Close, got.body, tt.status, tt.body)
					}
					for key, value := range tt.header {
						if got.Header.Get(key) != value {
							t.Errorf("%s is %q, want %q", key, got.Header.Get(key), value)
						}
					}
					want := tt.want
					want.Listener, want.Gen, want.Remote = "phones", 7, addrPortOf(phone)
					if diff := cmp.Diff(want, s.record(), ignoreTook, cmpopts.EquateComparable(want.Remote)); diff != "" {
						t.Errorf("record (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

// startMode starts a server for plain HTTP or TLS, and connects to it.
func startMode(t *testing.T, mode string, gen Generation) (*site, *phone) {
	t.Helper()
	if mode == "http" {
		s := start(t, gen)
		return s, s.dial(nil)
	}
	gen.TLS = serverTLS(t, 1)
	s := start(t, gen)
	return s, s.dial(clientTLS())
}

var ignoreTook = cmpopts.IgnoreFields(configfiles.Record{}, "Took", "TLS")

func TestNames(t *testing.T) {
	tests := []struct {
		name, target, asked string
		status              int
	}{
		{"decoded once", "/a%20b+c%2520d", "a b+c%20d", 200},
		{"not decoded twice", "/ring%252eraw", "ring%2eraw", 200},
		{"query is ignored", "/ringlist.xml?x=%zz&y", "ringlist.xml", 200},
		{"number sign and semicolon", "/x#y;z", "x#y;z", 200},
		{"bytes as they are", "/\xe9t\xc3\xa9.raw", "\xe9t\xc3\xa9.raw", 200},
		{"bytes in escapes", "/%E9t%c3%A9.raw", "\xe9t\xc3\xa9.raw", 200},
		{"folder", "/New%20Zealand/g3.xml", "New Zealand/g3.xml", 200},
		{"folder by an escaped slash", "/New%20Zealand%2fg3.xml", "New Zealand/g3.xml", 200},
		{"absolute form", "http://198.51.100.0:6970/ringlist.xml", "ringlist.xml", 200},
		{"two slashes", "//ringlist.xml", "/ringlist.xml", 404},
		{"slash inside twice", "/New%20Zealand//g3.xml", "New Zealand//g3.xml", 404},
		{"parent", "/../ringlist.xml", "../ringlist.xml", 404},
		{"escaped parent", "/%2e%2e/ringlist.xml", "../ringlist.xml", 404},
		{"parent inside", "/New%20Zealand/../ringlist.xml", "New Zealand/../ringlist.xml", 404},
		{"dot", "/./ringlist.xml", "./ringlist.xml", 404},
		{"slash at the end", "/ringlist.xml/", "ringlist.xml/", 404},
		{"NUL", "/ringlist.xml%00", "ringlist.xml\x00", 404},
		{"control byte", "/ring%0alist.xml", "ring\nlist.xml", 404},
		{"nothing", "/", "", 404},
		{"nothing in absolute form", "http://198.51.100.0", "", 404},
		{"star", "*", "*", 404},
		{"overlong", "/" + strings.Repeat("x", 5000), strings.Repeat("x", 5000), 404},
	}
	s := start(t, Generation{Files: served})
	phone := s.dial(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := phone.get(tt.target)
			if got.StatusCode != tt.status || got.Header.Get("Location") != "" {
				t.Errorf("got %s %v, want %d", got.Status, got.Header, tt.status)
			}
			if r := s.record(); r.File != tt.asked {
				t.Errorf("record of %q, want %q", r.File, tt.asked)
			}
		})
	}
}

func TestMalformedRequests(t *testing.T) {
	tests := []struct {
		name, request string
		status        int
	}{
		{"bad escape", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"no host", "GET /ringlist.xml HTTP/1.1\r\n\r\n", 400},
		{"no protocol", "hello\r\n\r\n", 400},
		{"space in the name", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"HTTP/3", "GET /ringlist.xml HTTP/3.0\r\nHost: x\r\n\r\n", 505},
		{"unknown coding", "GET /ringlist.xml HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		{"huge head", "GET /ringlist.xml HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", 431},
	}
	s := start(t, Generation{Number: 3, Files: served})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			phone := s.dial(nil)
			if _, err := phone.Write([]byte(tt.request)); err != nil {
				t.Fatal(err)
			}
			if got := phone.reply("GET"); got.StatusCode != tt.status || !got.Close {
				t.Errorf("got %s, close %t, want %d", got.Status, got.Close, tt.status)
			}
			r := s.record()
			if r.Outcome != configfiles.Refused || r.Reason != malformed || r.Err == nil || r.Gen != 3 || r.Remote != addrPortOf(phone) {
				t.Errorf("record %+v", r)
			}
			if !phone.isEnded() {
				t.Error("the connection goes on")
			}
		})
	}
}

func TestHTTP10(t *testing.T) {
	s := start(t, Generation{Files: served})
	phone := s.dial(nil)
	if _, err := phone.Write([]byte("GET /ringlist.xml HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := phone.reply("GET"); got.StatusCode != 200 || got.body != "<r/>" {
		t.Errorf("got %s %q", got.Status, got.body)
	}
	if !phone.isEnded() {
		t.Error("the connection goes on")
	}
}

func TestMethods(t *testing.T) {
	s := start(t, Generation{Files: served})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "CONNECT", "get"} {
		t.Run(method, func(t *testing.T) {
			target := "/ringlist.xml"
			if method == "CONNECT" {
				target = "ringlist.xml:80"
			}
			got := s.dial(nil).ask(method, target)
			if got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" || got.body != getOnly+"\n" {
				t.Errorf("got %s, Allow %q, %q", got.Status, got.Header.Get("Allow"), got.body)
			}
			if r := s.record(); r.Outcome != configfiles.Refused || r.Reason != getOnly {
				t.Errorf("record %+v", r)
			}
		})
	}
	t.Run("OPTIONS *", func(t *testing.T) {
		if got := s.dial(nil).ask("OPTIONS", "*"); got.StatusCode != 405 {
			t.Errorf("got %s", got.Status)
		}
	})
}

func TestBodiesAreNotWaitedFor(t *testing.T) {
	tests := []struct {
		name, method string
		lines        []string
		status       int
	}{
		{"get", "GET", []string{"Content-Length: 100"}, 400},
		{"get in chunks", "GET", []string{"Transfer-Encoding: chunked"}, 400},
		{"put", "PUT", []string{"Content-Length: 100"}, 405},
		{"put that asks first", "PUT", []string{"Content-Length: 100", "Expect: 100-continue"}, 405},
		{"huge", "POST", []string{"Content-Length: 1000000000"}, 405},
	}
	limits := usualTimes
	limits.body = 50 * time.Millisecond
	s := startAt(t, "127.0.0.1:0", Generation{Files: served}, limits)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			phone := s.dial(nil)
			got := phone.ask(tt.method, "/ringlist.xml", tt.lines...)
			if got.StatusCode != tt.status || !got.Close {
				t.Errorf("got %s, close %t, want %d", got.Status, got.Close, tt.status)
			}
			if !phone.isEnded() {
				t.Error("the connection goes on")
			}
		})
	}
}

func TestErrorsOfTheSource(t *testing.T) {
	const sentence = "This device must present its LSC."
	tests := []struct {
		name         string
		err          error
		status       int
		body         string
		outcome      configfiles.Outcome
		reason       string
		causeIsKnown bool
	}{
		{"denied", &configfiles.DeniedError{Reason: sentence}, 403, sentence, configfiles.Refused, sentence, false},
		{"denied within", fmt.Errorf("opening: %w", &configfiles.DeniedError{Reason: sentence}), 403, sentence, configfiles.Refused, sentence, false},
		{"denied without a reason", configfiles.ErrDenied, 403, denied, configfiles.Refused, denied, false},
		{"missing", fs.ErrNotExist, 404, notFound, configfiles.NotFound, "", false},
		{"missing for a reason", &configfiles.NotFoundError{Reason: "two files bear the name"}, 404, notFound, configfiles.NotFound, "two files bear the name", false},
		{"fault", errors.New("/var/lib/cfgsrv: disk on fire"), 500, ownFault, configfiles.Failed, ownFault, true},
		{"took too long", context.DeadlineExceeded, 500, ownFault, configfiles.Failed, ownFault, true},
	}
	faults := make(chan error, 1)
	s := start(t, Generation{Files: source(func(context.Context, configfiles.Request) (*configfiles.File, error) { return nil, <-faults })})
	phone := s.dial(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults <- tt.err
			got := phone.get("/x.xml")
			if got.StatusCode != tt.status || got.body != tt.body+"\n" || got.Header.Get("Content-Type") != plainText[0] {
				t.Errorf("got %s %q", got.Status, got.body)
			}
			r := s.record()
			if r.Outcome != tt.outcome || r.Reason != tt.reason || (r.Err != nil) != tt.causeIsKnown {
				t.Errorf("record %+v", r)
			}
		})
	}
}

func TestPanicIsAFaultOfOurs(t *testing.T) {
	s := start(t, Generation{Files: source(func(context.Context, configfiles.Request) (*configfiles.File, error) { panic("oh") })})
	phone := s.dial(nil)
	for range 2 {
		if got := phone.get("/x.xml"); got.StatusCode != 500 || got.body != ownFault+"\n" {
			t.Errorf("got %s %q", got.Status, got.body)
		}
		if r := s.record(); r.Outcome != configfiles.Failed || r.Err == nil {
			t.Errorf("record %+v", r)
		}
	}
}

// faulty is a content that fails in its middle.
type faulty struct {
	memory
	fail func() error
}

func (f faulty) Read(p []byte) (int, error) {
	n, err := f.memory.Read(p[:min(len(p), 1000)])
	if int64(f.Len()) < f.Size()/2 || err != nil {
		return n, f.fail()
	}
	return n, nil
}

func TestContentThatFails(t *testing.T) {
	for _, size := range []int{10000, 1 << 20} {
		for name, fail := range map[string]func() error{
			"error": func() error { return errors.New("disk on fire") },
			"panic": func() error { panic("oh") },
		} {
			t.Run(fmt.Sprintf("%s in %d bytes", name, size), func(t *testing.T) {
				s := start(t, Generation{Files: source(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
					f, err := files{"x": content(size)}.Open(ctx, req)
					f.Content = faulty{f.Content.(memory), fail}
					return f, err
				})})
				phone := s.dial(nil)
				phone.send("GET", "/x")
				if got, err := phone.readReply("GET"); err == nil {
					t.Errorf("got a whole answer: %s", got.Status)
				}
				if r := s.record(); r.Outcome != configfiles.Failed || r.Err == nil || r.Bytes >= int64(size) {
					t.Errorf("record %+v", r)
				}
			})
		}
	}
}

func TestWhoAsks(t *testing.T) {
	seen := make(chan configfiles.Requester, 10)
	gen := Generation{
		Number: 1,
		TLS:    serverTLS(t, 1),
		Files: source(func(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
			seen <- req.From
			return nil, fs.ErrNotExist
		}),
	}
	var judged atomic.Int32
	gen.Identify = func(chain []*x509.Certificate) configfiles.Requester {
		judged.Add(1)
		if cn := chain[0].Subject.CommonName; cn != "stranger" {
			return configfiles.Requester{Device: device.Name(cn)}
		}
		return configfiles.Requester{Unproved: "it names no device"}
	}
	s := start(t, gen)

	t.Run("nobody", func(t *testing.T) {
		phone := s.dial(clientTLS())
		phone.get("/x")
		r := s.record()
		if got := <-seen; got.Transport != configfiles.HTTPS || got.Addr != addrPortOf(phone) || len(got.Chain) > 0 || got.Device != "" {
			t.Errorf("requester %+v", got)
		}
		if r.Device != "" || r.Reason != "" || r.TLS.Client != "" || r.TLS.Cert != "CallManager-ECDSA" || r.TLS.Version != "1.3" || r.TLS.Cipher == "" {
			t.Errorf("record %+v, %+v", r, r.TLS)
		}
	})
	t.Run("a device, judged once in a generation", func(t *testing.T) {
		phone := s.dial(clientTLS(withCertificate(t, "SEP001122334455")))
		judged.Store(0)
		phone.get("/x")
		<-seen
		phone.get("/SEPAABBCCDDEEFF.cnf.xml")
		first, second := s.record(), s.record()
		if first.Device != "SEP001122334455" || second.Device != "SEPAABBCCDDEEFF" || first.Reason != "" {
			t.Errorf("records %+v, %+v", first, second)
		}
		if got := <-seen; got.Device != "SEP001122334455" || len(got.Chain) != 1 {
			t.Errorf("requester %+v", got)
		}
		if first.TLS.Client != "CN=SEP001122334455,O=Example" {
			t.Errorf("client %q", first.TLS.Client)
		}
		next := gen
		next.Number = 2
		s.publish(next)
		phone.get("/x")
		s.record()
		<-seen
		if n := judged.Load(); n != 2 {
			t.Errorf("judged %d times, want 2", n)
		}
	})
	t.Run("a stranger", func(t *testing.T) {
		s.dial(clientTLS(withCertificate(t, "stranger"))).get("/x")
		if got := <-seen; got.Device != "" || got.Unproved != "it names no device" || len(got.Chain) != 1 {
			t.Errorf("requester %+v", got)
		}
		if r := s.record(); r.Reason != "The client certificate was not accepted: it names no device." || r.Outcome != configfiles.NotFound {
			t.Errorf("record %+v", r)
		}
	})
	t.Run("over plain HTTP", func(t *testing.T) {
		gen.TLS = nil
		s.publish(gen)
		s.dial(nil).get("/x")
		if got := <-seen; got.Transport != configfiles.HTTP {
			t.Errorf("requester %+v", got)
		}
		if r := s.record(); r.TLS != nil {
			t.Errorf("record %+v", r)
		}
	})
}

func TestIPv6(t *testing.T) {
	gen := Generation{Files: served}
	s := startAt(t, ":0", gen, usualTimes)
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			addr := addrPortOfAddr(s.Addr())
			phone, err := newPhone(t, host, &net.TCPAddr{IP: net.ParseIP(host), Port: int(addr.Port())}, nil)
			if err != nil {
				if host == "::1" {
					t.Skipf("no IPv6 here: %v", err)
				}
				t.Fatal(err)
			}
			defer phone.Close()
			if got := phone.get("/ringlist.xml"); got.StatusCode != http.StatusOK {
				t.Errorf("got %s", got.Status)
			}
			if r := s.record(); r.Remote.Addr().String() != host {
				t.Errorf("record of %s, want %s", r.Remote, host)
			}
		})
	}
}
