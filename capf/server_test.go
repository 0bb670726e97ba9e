// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/certs/certstest"
	"cfgsrv/device"
	"cfgsrv/listeners"
	"cfgsrv/listeners/listenertest"
)

var _ listeners.Listener = (*Server)(nil)

func TestLifecycle(t *testing.T) {
	listenertest.Run(t, func(t *testing.T) listenertest.Subject {
		o := newOffice(t, nil)
		o.stop() // the suite serves a listener of its own
		o.cfg.Record = nil
		s, err := New(o.cfg)
		if err != nil {
			t.Fatal(err)
		}
		p := o.caller()
		p.Server = s.Addr().String()
		return listenertest.Subject{Listener: s, Begin: func() (func() error, error) {
			conn, err := greeted(p)
			if err != nil {
				return nil, err
			}
			return func() error {
				defer conn.Close()
				v := visitor{Phone: p, peer: peer{conn: conn, limit: 10 * time.Second}}
				if err := v.obey(wire.Message{Command: wire.AuthRequest, Session: conn.session}); err != nil {
					return err
				}
				_, err := v.receive()
				return err
			}, nil
		}}
	})
}

// greetedConn is a connection on which AUTH_REQ has arrived.
type greetedConn struct {
	*tls.Conn
	session uint32
}

func greeted(p Phone) (*greetedConn, error) {
	conn, err := tls.Dial("tcp", p.Server, p.TLS)
	if err != nil {
		return nil, err
	}
	m, err := wire.Read(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &greetedConn{conn, m.Session}, nil
}

// Some clients say nothing: after connecting, after the handshake, or when they
// should make a key. Nobody waits for them.
func TestSilentClientsDelayNobody(t *testing.T) {
	o := newOffice(t, nil)
	var silent []io.Closer
	defer func() {
		for _, c := range silent {
			c.Close()
		}
	}()
	for range 20 {
		bare, err := net.Dial("tcp", o.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		shaken, err := greeted(o.caller())
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, bare, shaken)
	}
	o.order(phone, Order{Operation: Install})
	start := time.Now()
	o.enrol(o.caller())
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("an enrolment took %v beside silent clients", took)
	}
}

func TestSilenceEnds(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config, _ *Generation) { c.MessageLimit = 2 * time.Second })
	bare, err := net.Dial("tcp", o.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if r := o.last(1); r.Outcome != Aborted || r.TLS != nil {
		t.Errorf("without a handshake: %+v", r)
	}
	conn, err := greeted(o.caller())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{0x55, 2, 0}); err != nil { // a part of a header
		t.Fatal(err)
	}
	if r := o.last(2); r.Outcome != Aborted || !strings.Contains(r.Reason, "silent") || r.TLS.Cert != "CAPF" {
		t.Errorf("in a header: %+v", r)
	}
	if m, err := wire.Read(conn); err != nil || m.Command != wire.End {
		t.Errorf("the last word: %+v, %v", m, err)
	}
}

// An old phone may take its time to make an RSA key, and only for that.
func TestTimeForKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		order  KeyOrder
		limit  time.Duration
		ends   bool
		reason string
	}{
		"RSA":          {RSAOnly, time.Minute, false, ""},
		"RSA too long": {RSAOnly, 2500 * time.Millisecond, true, "silent for too long while making its key"},
		"EC":           {ECOnly, time.Minute, true, "silent for too long while making its key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const limit = 2 * time.Second
			o := newOffice(t, func(c *Config, _ *Generation) { c.MessageLimit, c.KeyLimit = limit, test.limit })
			o.order(phone, Order{Operation: Install, KeyOrder: test.order})
			p := o.caller()
			p.Key = certstest.Key(t, certstest.RSA2048)
			conn, err := greeted(p)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			v := visitor{Phone: p, peer: peer{conn: conn, limit: 10 * time.Second}}
			v.Version, v.have.Key = maxVersion, p.Key
			if err := v.obey(wire.Message{Command: wire.AuthRequest, Session: conn.session}); err != nil {
				t.Fatal(err)
			}
			asked, err := v.receive()
			if err != nil || asked.Command != wire.KeyRequest {
				t.Fatalf("asked for %+v, %v", asked, err)
			}
			if err := v.send(wire.RequestInProgress); err != nil {
				t.Fatal(err)
			}
			if test.ends {
				if r := o.last(1); !strings.Contains(r.Reason, test.reason) {
					t.Errorf("record: %+v", r)
				}
				return
			}
			<-time.After(limit + limit/2)
			if err := v.obey(asked); err != nil {
				t.Fatal(err)
			}
			if m, err := v.receive(); err != nil || m.Command != wire.StoreRequest {
				t.Errorf("after the key: %+v, %v", m, err)
			}
		})
	}
}

func TestEndlessProgressEnds(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	conn, err := greeted(o.caller())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	v := visitor{Phone: o.caller(), peer: peer{conn: conn, limit: 10 * time.Second}}
	v.Version = maxVersion
	if err := v.obey(wire.Message{Command: wire.AuthRequest, Session: conn.session}); err != nil {
		t.Fatal(err)
	}
	for range maxProgress + 1 {
		if v.send(wire.RequestInProgress) != nil {
			break
		}
	}
	if r := o.last(1); r.Outcome != Refused || !strings.Contains(r.Reason, "over and over") {
		t.Errorf("record: %+v", r)
	}
}

func TestLimits(t *testing.T) {
	for name, alter := range map[string]func(*Config, *Generation){
		"in all":      func(c *Config, _ *Generation) { c.MaxConnections = 2 },
		"per address": func(c *Config, _ *Generation) { c.MaxPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, alter)
			var held []*greetedConn
			for range 2 {
				conn, err := greeted(o.caller())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				held = append(held, conn)
			}
			if conn, err := greeted(o.caller()); err == nil {
				conn.Close()
				t.Fatal("a third connection was served")
			}
			if r := o.last(1); r.Outcome != Busy {
				t.Errorf("record: %+v", r)
			}
			held[0].Close()
			o.last(2)
			o.order(phone, Order{})
			o.enrol(o.caller())
		})
	}
}

func TestWhatIsNotCAPF(t *testing.T) {
	for name, test := range map[string]struct {
		sent   string
		reason string
	}{
		"another protocol":      {"GET / HTTP/1.0\r\n\r\n", "not a CAPF message"},
		"another command":       {"\x55\x04SESS\x00\x00", "belongs here"},
		"another session":       {"\x55\x02\xff\xff\xff\xff\x00\x00", "of this session"},
		"nothing but a header":  {"\x55\x02SESS\x00\x00", "no name of a device"},
		"no version":            {"\x55\x02SESS\x00\x13\x0d\x00\x10SEP001122334455\x00", "version 0"},
		"a NUL in the name":     {"\x55\x02SESS\x00\x08\x0d\x00\x05S\x00EP\x00", "holds a NUL"},
		"a broken certificate":  {"\x55\x02SESS\x00\x1b\x07\x00\x01\x03\x0d\x00\x10SEP001122334455\x00\x04\x00\x01\x01", "not a CAPF message"},
		"half a message, a FIN": {"\x55\x02SESS\x00\xff", "hung up"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, nil)
			conn, err := greeted(o.caller())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			session := binary.BigEndian.AppendUint32(nil, conn.session)
			sent := strings.Replace(test.sent, "SESS", string(session), 1)
			if _, err := conn.Write([]byte(sent)); err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "FIN") {
				conn.Close()
			}
			if r := o.last(1); !strings.Contains(r.Reason, test.reason) || r.Outcome == Served || r.Outcome == Failed {
				t.Errorf("record: %+v", r)
			}
		})
	}
}

// What went wrong with us is for the log; the phone hears one number.
func TestFaultOfOurs(t *testing.T) {
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = brokenAuthority{} })
	o.order(phone, Order{Operation: Install})
	if _, err := Enrol(t.Context(), o.caller()); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	r := o.last(1)
	if r.Outcome != Failed || !errors.Is(r.Err, errBroken) || strings.Contains(r.Reason, errBroken.Error()) {
		t.Errorf("record: %+v", r)
	}
	if e := o.entry(phone); !e.Last.Failed || e.Operation != Install {
		t.Errorf("entry: %+v", e)
	}
}

func TestPanicIsOneSession(t *testing.T) {
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = nil })
	o.order(phone, Order{Operation: Install})
	if _, err := Enrol(t.Context(), o.caller()); err == nil {
		t.Error("Enrol succeeded without an Authority")
	}
	if r := o.last(1); r.Outcome != Failed || r.Err == nil {
		t.Errorf("record: %+v", r)
	}
	o.order(phone, Order{})
	o.enrol(o.caller())
}

func TestFolderIsAway(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	away := string(o.lsc) + ".away"
	if err := os.Rename(string(o.lsc), away); err != nil {
		t.Fatal(err)
	}
	if _, err := Enrol(t.Context(), o.caller()); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	if r := o.last(1); r.Outcome != Failed || r.Issued {
		t.Errorf("record: %+v", r)
	}
	if err := os.Rename(away, string(o.lsc)); err != nil {
		t.Fatal(err)
	}
	o.enrol(o.caller())
}

var errBroken = errors.New("the key is on fire")

type brokenAuthority struct{}

func (brokenAuthority) Issue(device.Name, crypto.PublicKey, time.Time) (*x509.Certificate, error) {
	return nil, errBroken
}

// Every phone comes at once after a power failure.
func TestStorm(t *testing.T) {
	const phones = stormPhones
	o := newOffice(t, nil)
	names := make([]device.Name, phones)
	for i := range names {
		names[i] = device.Name(fmt.Sprintf("SEP%012X", i))
	}
	err := o.store.Change(t.Context(), names, func(_ device.Name, order *Order) error {
		*order = Order{Operation: Install, KeyOrder: ECOnly, ECKeySize: 256}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	config := o.caller().TLS
	turn := make(chan bool, 100)
	visits := make([]*Visit, phones)
	start := time.Now()
	var all sync.WaitGroup
	for i, n := range names {
		all.Go(func() {
			turn <- true
			defer func() { <-turn }()
			p := Phone{Server: o.Addr().String(), TLS: config, Device: n, Limit: 30 * time.Second}
			v, err := Enrol(t.Context(), p)
			if err != nil {
				t.Errorf("%s: %v", n, err)
				return
			}
			visits[i] = v
		})
	}
	all.Wait()
	t.Logf("%d enrolments in %v", phones, time.Since(start))
	serials := make(map[string]bool)
	for i, v := range visits {
		if v == nil || v.Certificate == nil {
			t.Fatalf("%s has no LSC", names[i])
		}
		if !v.Certificate.Equal(o.holds(names[i])) {
			t.Errorf("lsc/ holds another certificate for %s", names[i])
		}
		serials[v.Certificate.SerialNumber.String()] = true
	}
	if len(serials) != phones {
		t.Errorf("%d serials for %d LSCs", len(serials), phones)
	}
	if left, err := o.store.List(t.Context(), Filter{Pending: true}); len(left) > 0 || err != nil {
		t.Errorf("%d devices left, %v", len(left), err)
	}
}

// Two sessions of one device at once: the last one to be given a certificate
// has it, the other is told no.
func TestTwoSessionsOfOneDevice(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	p := o.caller()
	var stored [2]*x509.Certificate
	var all sync.WaitGroup
	for i := range stored {
		all.Go(func() {
			if v, err := Enrol(t.Context(), p); err == nil {
				stored[i] = v.Certificate
			}
		})
	}
	all.Wait()
	held := o.holds(phone)
	good := 0
	for _, c := range stored {
		if c != nil && c.Equal(held) && !o.store.Revoked(fingerprint(c)) {
			good++
		} else if c != nil && !o.store.Revoked(fingerprint(c)) {
			t.Error("two certificates are good")
		}
	}
	if good != 1 {
		t.Errorf("%d sessions hold the certificate in lsc/", good)
	}
}
