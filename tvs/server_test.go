// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/listeners"
	"cfgsrv/listeners/listenertest"
	"cfgsrv/tvs/internal/wire"

	"github.com/google/go-cmp/cmp"
)

var _ listeners.Listener = (*Server)(nil)

// recordings say what the reference daemon knew when it was recorded.
func recordings(t testing.TB) []struct {
	book *Book
	ttl  time.Duration
	want Answer
} {
	all := []Role{SAST, CCM, CCMTFTP, TFTP, CAPF, AppServer, TVS}
	return []struct {
		book *Book
		ttl  time.Duration
		want Answer
	}{
		{NewBook(Listed{Certificate: readCert(t, "callmanager-rsa2048.pem"), Roles: []Role{TFTP, CCM}}), time.Hour, Answer{Trusted: true, Roles: []Role{CCM, TFTP}, TTL: time.Hour}},
		{NewBook(Listed{Certificate: readCert(t, "callmanager-ec384.pem"), Roles: []Role{TFTP}}), 0, Answer{Trusted: true, Roles: []Role{TFTP}, TTL: 24 * time.Hour}},
		{NewBook(Listed{Certificate: readCert(t, "capf-rsa2048.pem"), Roles: all}), time.Second, Answer{Trusted: true, Roles: all, TTL: time.Second}},
		{NewBook(), 0, Answer{}},
	}
}

func TestServerReplaysTranscript(t *testing.T) {
	want := recordings(t)
	for i, x := range recorded(t) {
		t.Run(x.title, func(t *testing.T) {
			o := newOffice(t, want[i].book, nil)
			o.change(func(g *Generation) { g.TTL = want[i].ttl })
			m, err := o.ask(x.request)
			if err != nil {
				t.Fatal(err)
			}
			if got := mustMarshal(t, m); !bytes.Equal(got, x.answer) {
				t.Errorf("the server sent %x, want %x", got, x.answer)
			}
			r := o.last(1)
			if (r.Outcome == Served) != want[i].want.Trusted || !strings.HasPrefix(r.Device, "CP-") || r.TLS.Cert != "TVS" || r.Bytes != int64(len(x.answer)) {
				t.Errorf("record: %+v", r)
			}
		})
	}
}

func TestClientReplaysTranscript(t *testing.T) {
	want := recordings(t)
	for i, x := range recorded(t) {
		t.Run(x.title, func(t *testing.T) {
			asked, err := wire.Read(bytes.NewReader(x.request))
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			defer near.Close()
			got := make(chan []byte, 1)
			go func() {
				defer far.Close()
				b := make([]byte, 1<<16)
				n, _ := far.Read(b) // one write per message
				got <- b[:n]
				_, _ = far.Write(x.answer)
			}()
			c := newClient(near, Phone{Device: asked.DeviceName()})
			a, err := c.Verify(t.Context(), parseCert(t, asked.Value(wire.Certificate)))
			if err != nil {
				t.Fatal(err)
			}
			if sent := <-got; !bytes.Equal(sent, x.request) {
				t.Errorf("the client sent %x, want %x", sent, x.request)
			}
			if d := cmp.Diff(want[i].want, a); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The query of a real 8861 and CUCM's answer, by the lengths that TN213407
// shows: 143 and 1470 bytes of body.
func TestQuery(t *testing.T) {
	c := readCert(t, "callmanager-rsa2048.pem")
	o := newOffice(t, NewBook(Listed{Certificate: c, Roles: []Role{SAST, TFTP}}), nil)
	m, err := o.ask(mustMarshal(t, wire.Message{Command: wire.QueryRequest, ID: 1001, Elements: []wire.Element{
		wire.Name("CP-8861-SEPB000B4BA0AEE"),
		wire.Text(wire.Subject, "CN=ucm-a.example.test;OU=Lab;O=Example Org;L=Anytown;ST=ZZ;C=US"),
		wire.Text(wire.Issuer, "CN=ucm-a.example.test;OU=Lab;O=Example Org;L=Anytown;ST=ZZ;C=US"),
		{Tag: wire.Serial, Value: c.SerialNumber.Bytes()},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	want := wire.Message{Command: wire.QueryResponse, ID: 1001, Elements: []wire.Element{
		{Tag: wire.Status, Value: []byte{0}}, {Tag: wire.Certificate, Value: c.Raw},
		{Tag: wire.Roles, Value: []byte{0, 3}}, {Tag: wire.TTL, Value: []byte{0, 1, 0x51, 0x80}},
	}}
	if d := cmp.Diff(want, m); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSeveralRequests(t *testing.T) {
	known, other := readCert(t, "callmanager-rsa2048.pem"), readCert(t, "callmanager-ec384.pem")
	o := newOffice(t, NewBook(Listed{Certificate: known, Roles: []Role{TFTP}}), nil)
	c := o.dial()
	for range 3 {
		if a, err := c.Verify(t.Context(), known); err != nil || !a.Trusted || a.Certificate != nil {
			t.Errorf("Verify = %+v, %v", a, err)
		}
		if a, err := c.Verify(t.Context(), other); err != nil || a.Trusted {
			t.Errorf("Verify of another = %+v, %v", a, err)
		}
		if a, err := c.Query(t.Context(), QuestionFor(known)); err != nil || !known.Equal(a.Certificate) {
			t.Errorf("Query = %+v, %v", a, err)
		}
		if a, err := c.Query(t.Context(), QuestionFor(other)); err != nil || a.Trusted {
			t.Errorf("Query of another = %+v, %v", a, err)
		}
	}
	if r := o.last(12); r.Outcome != NotFound || r.Device != "CP-8861-SEP001122334455" {
		t.Errorf("record: %+v", r)
	}
}

// FORMATS 7.4: names without a model, and elements that nobody knows, are no
// reason not to answer.
func TestTolerance(t *testing.T) {
	c := readCert(t, "callmanager-rsa2048.pem")
	cert := wire.Element{Tag: wire.Certificate, Value: c.Raw}
	for name, test := range map[string]struct {
		message wire.Message
		want    uint8
	}{
		"name without a model":  {wire.Message{Command: 1, Elements: []wire.Element{wire.Name("ATA001122334455"), cert}}, wire.Trusted},
		"name of a DX650":       {wire.Message{Command: 1, Elements: []wire.Element{wire.Name("CP-DX650-SEP001122334455"), cert}}, wire.Trusted},
		"name with a NUL":       {wire.Message{Command: 1, Elements: []wire.Element{wire.Name("CP-8861-SEP001122334455\x00"), cert}}, wire.Trusted},
		"no name":               {wire.Message{Command: 1, Elements: []wire.Element{cert}}, wire.Trusted},
		"unknown elements":      {wire.Message{Command: 1, Elements: []wire.Element{{Tag: 99}, cert, {Tag: 6, Value: []byte("?")}}}, wire.Trusted},
		"flags":                 {wire.Message{Command: 1, Flags: 0xF7, Elements: []wire.Element{cert}}, wire.Trusted},
		"nothing to verify":     {wire.Message{Command: 1}, wire.NotTrusted},
		"nothing to look up":    {wire.Message{Command: 3}, wire.NotTrusted},
		"what is not DER":       {wire.Message{Command: 1, Elements: []wire.Element{{Tag: wire.Certificate, Value: []byte("hello")}}}, wire.NotTrusted},
		"one byte is different": {wire.Message{Command: 1, Elements: []wire.Element{{Tag: wire.Certificate, Value: append(bytes.Clone(c.Raw[:len(c.Raw)-1]), c.Raw[len(c.Raw)-1]^1)}}}, wire.NotTrusted},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, NewBook(Listed{Certificate: c, Roles: []Role{TFTP}}), nil)
			test.message.ID = 1001
			m, err := o.ask(mustMarshal(t, test.message))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := m.Uint8(wire.Status); err != nil || got != test.want || m.ID != 1001 || m.Command != test.message.Command+1 {
				t.Errorf("status %d, %v: %+v", got, err, m)
			}
			if len(m.Elements) != 1 && test.want == wire.NotTrusted {
				t.Errorf("more than a status: %+v", m)
			}
		})
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	for name, test := range map[string]struct {
		sent   string
		reason string
	}{
		"another protocol": {"GET / HTTP/1.0\r\n\r\n", "not a TVS message"},
		"another version":  {"\x57\x02\x01\x00\x00\x00\x00\x01\x00\x00", "not a TVS message"},
		"an answer":        {"\x57\x01\x02\x00\x00\x00\x00\x01\x00\x00", "command 2"},
		"too long inside":  {"\x57\x01\x01\x00\x00\x00\x00\x01\x00\x03\x01\x00\x01", "not a TVS message"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, NewBook(), nil)
			if m, err := o.ask([]byte(test.sent)); err == nil {
				t.Errorf("the answer is %+v", m)
			}
			if r := o.last(1); r.Outcome != Refused || !strings.Contains(r.Reason, test.reason) {
				t.Errorf("record: %+v", r)
			}
		})
	}
}

func TestSilentClientsDelayNobody(t *testing.T) {
	c := readCert(t, "callmanager-rsa2048.pem")
	o := newOffice(t, NewBook(Listed{Certificate: c, Roles: []Role{TFTP}}), func(c *Config) { c.MessageLimit = time.Minute })
	for range 20 {
		bare, err := net.Dial("tcp", o.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer bare.Close()
		o.dial()
	}
	start := time.Now()
	if a, err := o.dial().Verify(t.Context(), c); err != nil || !a.Trusted {
		t.Errorf("Verify = %+v, %v", a, err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("an answer took %v beside silent clients", took)
	}
}

func TestSilenceEnds(t *testing.T) {
	short := func(c *Config) { c.MessageLimit, c.IdleLimit = 2*time.Second, 2*time.Second }
	t.Run("before the handshake", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, NewBook(), short)
		conn, err := net.Dial("tcp", o.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if r := o.last(1); r.Outcome != Aborted || r.TLS != nil {
			t.Errorf("record: %+v", r)
		}
	})
	for name, sent := range map[string]string{"before a request": "", "within a request": "\x57\x01\x01"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, NewBook(), short)
			c := o.dial()
			if _, err := io.WriteString(c.conn, sent); err != nil {
				t.Fatal(err)
			}
			if r := o.last(1); r.Outcome != Aborted || !strings.Contains(r.Reason, "silent") {
				t.Errorf("record: %+v", r)
			}
		})
	}
	t.Run("after a request", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, NewBook(), short)
		c := o.dial()
		if _, err := c.Query(t.Context(), Question{}); err != nil {
			t.Fatal(err)
		}
		if n, err := c.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d bytes, %v; want the end", n, err)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.records) != 1 {
			t.Errorf("records: %+v", o.records)
		}
	})
}

func TestLimits(t *testing.T) {
	for name, alter := range map[string]func(*Config){
		"in all":      func(c *Config) { c.MaxConnections = 2 },
		"per address": func(c *Config) { c.MaxPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, NewBook(), alter)
			first := o.dial()
			o.dial()
			if c, err := Dial(t.Context(), o.phone()); err == nil {
				c.Close()
				t.Fatal("a third connection was served")
			}
			if r := o.last(1); r.Outcome != Busy {
				t.Errorf("record: %+v", r)
			}
			first.Close()
			o.last(2)
			for { // the record comes before the place is free
				c, err := Dial(t.Context(), o.phone())
				if err == nil {
					c.Close()
					return
				}
				if t.Context().Err() != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What one generation knows is of no concern to the next, on new and on old
// connections.
func TestGenerations(t *testing.T) {
	a, b := readCert(t, "callmanager-rsa2048.pem"), readCert(t, "callmanager-ec384.pem")
	o := newOffice(t, NewBook(Listed{Certificate: a, Roles: []Role{TFTP}}), nil)
	fresh, idle := o.dial(), o.dial()
	if _, err := idle.Verify(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	o.change(func(g *Generation) {
		g.Number, g.Book = 8, NewBook(Listed{Certificate: b, Roles: []Role{TFTP}})
		g.TLS = &tls.Config{Certificates: []tls.Certificate{certstest.CAPF(t).TLS()}}
	})
	o.Restart()
	if _, err := idle.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("an idle connection: %v, want the end", err)
	}
	if got, err := fresh.Verify(t.Context(), b); err != nil || !got.Trusted {
		t.Errorf("a connection without a request yet: %+v, %v", got, err)
	}
	if _, err := fresh.conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after its answer: %v, want the end", err)
	}
	p := o.phone()
	p.TLS.InsecureSkipVerify = true
	c, err := Dial(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.conn.(*tls.Conn).ConnectionState().PeerCertificates[0]; !got.Equal(certstest.CAPF(t).Cert()) {
		t.Errorf("a new connection is shown %v", got.Subject)
	}
}

// A phone may show its LSC; it is told, and means nothing.
func TestClientCertificate(t *testing.T) {
	o := newOffice(t, NewBook(), nil)
	config := tlsConfig(t, certs.TVS)
	config.ClientAuth = tls.RequestClientCert
	o.change(func(g *Generation) { g.TLS = config })
	p := o.phone()
	p.TLS.Certificates = []tls.Certificate{certstest.CAPF(t).Issue(t, certstest.Device{CN: "SEP001122334455"}).TLS()}
	c, err := Dial(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Query(t.Context(), Question{}); err != nil {
		t.Fatal(err)
	}
	if r := o.last(1); !strings.Contains(r.TLS.Client, "CN=SEP001122334455") {
		t.Errorf("record: %+v", r.TLS)
	}
}

func TestLifecycle(t *testing.T) {
	c := readCert(t, "callmanager-rsa2048.pem")
	question := mustMarshal(t, wire.Message{Command: wire.VerifyRequest, ID: 1, Elements: []wire.Element{{Tag: wire.Certificate, Value: c.Raw}}})
	listenertest.Run(t, func(t *testing.T) listenertest.Subject {
		o := &office{t: t, gen: Generation{TLS: tlsConfig(t, certs.TVS), Book: NewBook()}}
		s, err := New(Config{Listener: "tvs", Addr: "127.0.0.1:0", Generation: o.generation})
		if err != nil {
			t.Fatal(err)
		}
		o.Server = s
		config := o.phone().TLS
		return listenertest.Subject{Listener: s, Begin: func() (func() error, error) {
			conn, err := tls.Dial("tcp", s.Addr().String(), config)
			if err != nil {
				return nil, err
			}
			if _, err := conn.Write(question[:20]); err != nil {
				conn.Close()
				return nil, err
			}
			return func() error {
				defer conn.Close()
				if _, err := conn.Write(question[20:]); err != nil {
					return err
				}
				_, err := wire.Read(conn)
				return err
			}, nil
		}}
	})
}

func TestClientRefuses(t *testing.T) {
	for name, answer := range map[string]string{
		"another id":      "\x57\x01\x04\x00\x00\x00\x00\x02\x00\x00",
		"another command": "\x57\x01\x02\x00\x00\x00\x00\x01\x00\x00",
		"no status":       "\x57\x01\x04\x00\x00\x00\x00\x01\x00\x00",
		"no TTL":          "\x57\x01\x04\x00\x00\x00\x00\x01\x00\x04\x07\x00\x01\x00",
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				defer far.Close()
				_, _ = far.Read(make([]byte, 1<<16))
				_, _ = io.WriteString(far, answer)
			}()
			if a, err := newClient(near, Phone{}).Query(t.Context(), Question{}); !errors.Is(err, wire.ErrSyntax) {
				t.Errorf("Query = %+v, %v; want ErrSyntax", a, err)
			}
		})
	}
}
