// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cfgsrv/configfiles"
)

// TestFrontAnswersLikeNetHTTP asks for the same twice: as phones do, which front
// answers, and with a header more, which makes it net/http's.
func TestFrontAnswersLikeNetHTTP(t *testing.T) {
	broken := source(func(context.Context, configfiles.Request) (*configfiles.File, error) {
		return &configfiles.File{Size: 5, ModTime: modified, Content: memory{nil}}, nil
	})
	closed := source(func(context.Context, configfiles.Request) (*configfiles.File, error) {
		return nil, &configfiles.DeniedError{Reason: "this device must present its LSC"}
	})
	inMemory := func(size int, modified time.Time) configfiles.Source {
		return source(func(context.Context, configfiles.Request) (*configfiles.File, error) {
			return configfiles.InMemory([]byte(content(size)), modified, configfiles.Plain), nil
		})
	}
	for _, tt := range []struct {
		name, target string
		files        configfiles.Source
		lines        []string
	}{
		{"small file", "/ringlist.xml", served, nil},
		{"device file", "/" + masterName, served, nil},
		{"empty file", "/empty.xml", served, nil},
		{"largest of one write", "/just.bin", served, nil},
		{"larger", "/one-more.bin", served, nil},
		{"much larger", "/large.bin", served, nil},
		{"in memory", "/ringlist.xml", inMemory(5000, modified), nil},
		{"device file in memory", "/" + masterName, inMemory(5000, modified), nil},
		{"in memory, empty", "/ringlist.xml", inMemory(0, modified), nil},
		{"in memory, larger than one write", "/ringlist.xml", inMemory(300<<10, modified), nil},
		{"in memory, of no time", "/ringlist.xml", inMemory(5, time.Time{}), nil},
		{"in memory, of no time either", "/ringlist.xml", inMemory(5, time.Unix(0, 0)), nil},
		{"in memory, last request", "/ringlist.xml", inMemory(5, modified), []string{"Connection: close"}},
		{"not found", "/nothing.xml", served, nil},
		{"no name", "/", served, nil},
		{"out of the folder", "/../ringlist.xml", served, nil},
		{"refused", "/" + masterName, closed, nil},
		{"panic", "/ringlist.xml", broken, nil},
		{"last request", "/ringlist.xml", served, []string{"Connection: close"}},
		{"last request, not found", "/nothing.xml", served, []string{"connection: Close"}},
		{"as curl asks", "/block.bin", served, []string{"User-Agent: curl/7.88.1", "Accept: */*"}},
	} {
		for _, mode := range []string{"http", "https"} {
			t.Run(tt.name+" "+mode, func(t *testing.T) {
				gen := Generation{Number: 7, Files: tt.files}
				var config *tls.Config
				if mode == "https" {
					gen.TLS, config = serverTLS(t, 1), clientTLS()
				}
				s := start(t, gen)
				front := askTwice(s, config, tt.target, tt.lines)
				other := askTwice(s, config, tt.target, append([]string{"X-Other: 1"}, tt.lines...))
				if diff := cmp.Diff(other, front, cmpopts.IgnoreFields(configfiles.Record{}, "Took", "Remote", "Err", "TLS")); diff != "" {
					t.Errorf("net/http -, front +:\n%s", diff)
				}
			})
		}
	}
}

// told is all that a client and the log are told.
type told struct {
	Status  string
	Header  http.Header
	Body    string
	Record  configfiles.Record
	AndThen string // what became of a second request on the connection
}

func askTwice(s *site, config *tls.Config, target string, lines []string) told {
	phone := s.dial(config)
	r := phone.get(target, lines...)
	r.Header.Del("Date")
	a := told{Status: r.Status, Header: r.Header, Body: r.body, Record: s.record(), AndThen: "ended"}
	if r.Close {
		if !phone.isEnded() {
			a.AndThen = "still open"
		}
		return a
	}
	phone.send("GET", target, lines...)
	if r, err := phone.readReply("GET"); err == nil {
		a.AndThen = r.Status
		s.record()
	}
	return a
}

func TestRequestsInPiecesAndAtOnce(t *testing.T) {
	const one = "GET /ringlist.xml HTTP/1.1\r\nHost: x\r\n\r\n"
	s := start(t, Generation{Files: served})
	for name, pieces := range map[string][]string{
		"in pieces":               {one[:3], one[3:20], one[20:]},
		"in pieces, after others": {one, one[:3], one[3:]},
		"two at once":             {one + one},
		"one and a half":          {one + one[:9], one[9:]},
	} {
		t.Run(name, func(t *testing.T) {
			phone := s.dial(nil)
			wanted := strings.Count(strings.Join(pieces, ""), "GET")
			answered := 0
			for _, p := range pieces {
				if _, err := io.WriteString(phone, p); err != nil {
					t.Fatal(err)
				}
				for range strings.Count(p, "\r\n\r\n") {
					if r := phone.reply("GET"); r.StatusCode != 200 || r.body != "<r/>" {
						t.Fatalf("got %s %q", r.Status, r.body)
					}
					answered++
				}
			}
			if answered != wanted {
				t.Errorf("%d of %d answered", answered, wanted)
			}
		})
	}
}

func TestParsePlain(t *testing.T) {
	whole := func(lines ...string) string { return strings.Join(append(lines, "", ""), "\r\n") }
	for name, tt := range map[string]struct {
		text  string
		plain bool
	}{
		"bare":                {whole("GET /a HTTP/1.1", "Host: x"), true},
		"of a phone":          {whole("GET /SEP001122334455.cnf.xml.sgn HTTP/1.1", "Host:198.51.100.1:6970"), true},
		"of curl":             {whole("GET /a/b.xml HTTP/1.1", "Host: [2001:db8::1]:6970", "User-Agent: curl/7.88.1", "Accept: */*"), true},
		"kept":                {whole("GET /a HTTP/1.1", "Host: x", "Connection: Keep-Alive"), true},
		"cut short":           {whole("GET /a HTTP/1.1", "Host: x")[:27], false},
		"two":                 {whole("GET /a HTTP/1.1", "Host: x") + whole("GET /a HTTP/1.1", "Host: x"), false},
		"other method":        {whole("HEAD /a HTTP/1.1", "Host: x"), false},
		"older":               {whole("GET /a HTTP/1.0", "Host: x"), false},
		"encoded":             {whole("GET /a%2eb HTTP/1.1", "Host: x"), false},
		"query":               {whole("GET /a?b HTTP/1.1", "Host: x"), false},
		"double slash":        {whole("GET //a/b HTTP/1.1", "Host: x"), false},
		"absolute":            {whole("GET http://x/a HTTP/1.1", "Host: x"), false},
		"no host":             {whole("GET /a HTTP/1.1"), false},
		"two hosts":           {whole("GET /a HTTP/1.1", "Host: x", "Host: x"), false},
		"empty host":          {whole("GET /a HTTP/1.1", "Host: "), false},
		"odd host":            {whole("GET /a HTTP/1.1", "Host: x/y"), false},
		"body":                {whole("GET /a HTTP/1.1", "Host: x", "Content-Length: 1"), false},
		"chunks":              {whole("GET /a HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"), false},
		"range":               {whole("GET /a HTTP/1.1", "Host: x", "Range: bytes=0-1"), false},
		"condition":           {whole("GET /a HTTP/1.1", "Host: x", "If-None-Match: *"), false},
		"upgrade":             {whole("GET /a HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"), false},
		"closed and upgraded": {whole("GET /a HTTP/1.1", "Host: x", "Connection: close", "Connection: upgrade"), false},
		"folded":              {whole("GET /a HTTP/1.1", "Host: x", "Accept: a", " b"), false},
		"blank before colon":  {whole("GET /a HTTP/1.1", "Host : x"), false},
		"line feed alone":     {whole("GET /a HTTP/1.1", "Host: x\nAccept: y"), false},
		"control byte":        {whole("GET /a HTTP/1.1", "Host: x", "Accept: \x01"), false},
		"no version":          {whole("GET /a", "Host: x"), false},
		"blank in the path":   {whole("GET /a b HTTP/1.1", "Host: x"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ok := parsePlain([]byte(tt.text)); ok != tt.plain {
				t.Errorf("plain: %t", ok)
			}
		})
	}
}

// FuzzParsePlain holds front to net/http: what is plain to the one is to the
// other a request for the same path, whole, and nothing more.
func FuzzParsePlain(f *testing.F) {
	for _, seed := range []string{
		"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a/b.xml HTTP/1.1\r\nhost:x:1\r\nUser-Agent: c/1\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
		"GET //a HTTP/1.1\r\nHost: x\r\nAccept: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := parsePlain(text)
		if !ok {
			return
		}
		rest := bufio.NewReader(bytes.NewReader(text))
		q, err := http.ReadRequest(rest)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if q.Method != "GET" || !q.ProtoAtLeast(1, 1) || q.URL.Path != r.path || q.URL.RawQuery != "" || q.Close != r.close {
			t.Errorf("%q: %+v against %+v", text, r, q)
		}
		if q.ContentLength != 0 || q.Body != http.NoBody || len(q.TransferEncoding) > 0 || q.Header.Get("Expect") != "" {
			t.Errorf("%q has content", text)
		}
		if u, err := url.ParseRequestURI(r.path); err != nil || u.Path != r.path {
			t.Errorf("%q is not the path that it says", r.path)
		}
		if n, _ := io.Copy(io.Discard, rest); n > 0 {
			t.Errorf("%q: %d bytes more", text, n)
		}
	})
}
