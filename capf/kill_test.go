// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
	"cfgsrv/device"
)

// countingIssuer counts what it issues.
type countingIssuer struct {
	*Issuer
	issued atomic.Int32
}

func (c *countingIssuer) Issue(n device.Name, key crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	c.issued.Add(1)
	return c.Issuer.Issue(n, key, now)
}

var errCut = errors.New("cut")

// cutConn breaks after so many reads and writes.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) use() error {
	if c.left == 0 {
		c.Close()
		return errCut
	}
	c.left--
	return nil
}

func (c *cutConn) Read(b []byte) (int, error) {
	if err := c.use(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *cutConn) Write(b []byte) (int, error) {
	if err := c.use(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// enrolUntil visits the office as p, and is cut after so many reads and writes.
// It returns what the phone has then, and whether it came to the end.
func (o *office) enrolUntil(p Phone, uses int) (*Visit, bool) {
	o.t.Helper()
	conn, err := tls.Dial("tcp", p.Server, p.TLS)
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close()
	v := visitor{Phone: p, peer: peer{conn: &cutConn{conn, uses}, limit: p.Limit}}
	v.Version, v.have.Key = maxVersion, p.Key
	for {
		m, err := v.receive()
		if err == nil && m.Command == 15 {
			return &v.have, true
		}
		if err == nil {
			err = v.obey(m)
		}
		if errors.Is(err, errCut) {
			return &v.have, false
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// A phone that is cut off anywhere, and a server that is killed then, enrol at
// the next connection: once for a key, and such that what is in lsc/ is what
// the phone holds.
func TestCutAnywhere(t *testing.T) {
	for name, sameKey := range map[string]bool{"same key": true, "new key": false} {
		t.Run(name, func(t *testing.T) {
			for uses := 0; ; uses++ {
				if cutOnce(t, uses, sameKey) {
					if uses < 8 {
						t.Errorf("an enrolment took only %d reads and writes", uses)
					}
					return
				}
			}
		})
	}
}

// cutOnce tells whether the phone came to the end before it was cut.
func cutOnce(t *testing.T, uses int, sameKey bool) (ended bool) {
	ca := &countingIssuer{Issuer: newIssuer(t)}
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = ca })
	held := ownLSC(t, certstest.Device{CN: string(phone)})
	if err := o.lsc.Write(phone, held.Cert()); err != nil {
		t.Fatal(err)
	}
	o.observe()
	issuedBefore := ca.issued.Load()
	o.order(phone, Order{Operation: Install, Auth: ByLSC})

	p := o.caller()
	p.Auth, p.Own, p.Key = ByLSC, ptr(held.TLS()), certstest.Key(t, certstest.P384)
	first, ended := o.enrolUntil(p, uses)
	o.restart()
	interim := o.holds(phone)
	if e := o.entry(phone); e.Operation == Install && e.Enrolment == nil {
		issuedBefore = ca.issued.Load() // what was signed then went nowhere
	}
	if first.Certificate != nil { // the phone has stored it, whatever we know of that
		p.Own = first.identity()
	}
	p.Server = o.Addr().String()
	if !sameKey {
		p.Key = certstest.Key(t, certstest.P384)
	}
	second := o.enrol(p)

	now := second.Certificate
	if second.Operation == None { // we know that it has stored it
		now = first.Certificate
	}
	if now == nil || !now.Equal(o.holds(phone)) {
		t.Fatalf("cut after %d: the phone holds %v, lsc/ holds %v", uses, now, o.holds(phone))
	}
	if o.store.Revoked(fingerprint(now)) {
		t.Errorf("cut after %d: what the phone holds is refused", uses)
	}
	if !o.store.Revoked(fingerprint(held.Cert())) {
		t.Errorf("cut after %d: the replaced certificate is not refused", uses)
	}
	if !interim.Equal(now) && !o.store.Revoked(fingerprint(interim)) {
		t.Errorf("cut after %d: the certificate in between is not refused", uses)
	}
	if n := ca.issued.Load() - issuedBefore; sameKey && n != 1 {
		t.Errorf("cut after %d: %d certificates were issued for one key", uses, n)
	}
	if e := o.entry(phone); e.Operation != None || e.Enrolment != nil {
		t.Errorf("cut after %d: entry %+v", uses, e)
	}
	return ended
}

// The server is killed between the steps that it takes on the disk alone.
func TestKilledBetweenSteps(t *testing.T) {
	ctx := context.Background()
	old := ownLSC(t, certstest.Device{CN: string(phone)})
	key := certstest.Key(t, certstest.P384)
	begun, err := newIssuer(t).Issue(phone, key.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	begin := func(r *registrar) error { return r.begin(ctx, phone, begun, ptr(fingerprint(old.Cert()))) }
	write := func(r *registrar) error { return r.folder.Write(phone, begun) }
	hand := func(r *registrar) error { return r.handOut(ctx, phone, begun) }
	for name, test := range map[string]struct {
		steps []func(*registrar) error
		begun bool // that certificate is under way
	}{
		"nothing done":        {nil, false},
		"recorded":            {[]func(*registrar) error{begin}, true},
		"recorded, in lsc/":   {[]func(*registrar) error{begin, write}, true},
		"and the old revoked": {[]func(*registrar) error{hand}, true},
		"twice":               {[]func(*registrar) error{hand, begin, write}, true},
	} {
		for _, sameKey := range []bool{true, false} {
			for _, observed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, same key %t, observed %t", name, sameKey, observed), func(t *testing.T) {
					o := newOffice(t, nil)
					if err := o.lsc.Write(phone, old.Cert()); err != nil {
						t.Fatal(err)
					}
					o.observe()
					o.order(phone, Order{Operation: Install, Auth: ByLSC})
					for _, step := range test.steps {
						if err := step(o.registrar); err != nil {
							t.Fatal(err)
						}
					}
					o.restart()
					if observed {
						o.observe()
					}
					p := o.caller()
					p.Auth, p.Own, p.Key = ByLSC, ptr(old.TLS()), key
					if !sameKey {
						p.Key = certstest.Key(t, certstest.P384)
					}
					v := o.enrol(p)
					o.observe()
					if !v.Certificate.Equal(o.holds(phone)) || o.store.Revoked(fingerprint(v.Certificate)) {
						t.Error("what the phone holds is not good")
					}
					if !o.store.Revoked(fingerprint(old.Cert())) {
						t.Error("the replaced certificate is not refused")
					}
					if again := v.Certificate.Equal(begun); again != (sameKey && test.begun) {
						t.Errorf("the same certificate again: %t", again)
					}
					if !v.Certificate.Equal(begun) && test.begun && !o.store.Revoked(fingerprint(begun)) {
						t.Error("the certificate under way before is not refused")
					}
				})
			}
		}
	}
}

// observe does what is done for each generation.
func (o *office) observe() {
	o.t.Helper()
	if err := o.store.Observe(o.t.Context(), o.lsc, o.snapshot()); err != nil {
		o.t.Fatal(err)
	}
}

// snapshot is lsc/ as a generation loads it.
func (o *office) snapshot() func(func(device.Name, [32]byte) bool) {
	c := o.holds(phone)
	return func(yield func(device.Name, [32]byte) bool) {
		if c != nil {
			yield(phone, fingerprint(c))
		}
	}
}

// A deletion that was cut off is done at the next connection.
func TestDeletionCutAnywhere(t *testing.T) {
	for uses := 0; ; uses++ {
		o := newOffice(t, nil)
		o.order(phone, Order{Operation: Install})
		held := o.enrol(o.caller())
		o.order(phone, Order{Operation: Delete})
		p := o.caller()
		p.Own = held.identity()
		first, ended := o.enrolUntil(p, uses)
		o.restart()
		if first.Operation == Delete {
			p.Own = nil // the phone has deleted it, whatever we know of that
		}
		p.Server = o.Addr().String()
		o.enrol(p)
		if o.holds(phone) != nil {
			t.Errorf("cut after %d: lsc/ still holds the certificate", uses)
		}
		if !o.store.Revoked(fingerprint(held.Certificate)) {
			t.Errorf("cut after %d: the deleted certificate is not refused", uses)
		}
		if e := o.entry(phone); e.Operation != None || e.Last.Failed {
			t.Errorf("cut after %d: entry %+v", uses, e)
		}
		if ended {
			return
		}
	}
}

func TestDeletionKilledBetweenSteps(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	held := o.enrol(o.caller())
	o.order(phone, Order{Operation: Delete})
	if err := o.lsc.Remove(phone); err != nil {
		t.Fatal(err)
	}
	o.restart()
	o.enrol(o.caller()) // the phone has none any more
	if e := o.entry(phone); e.Operation != None || e.Last.Failed {
		t.Errorf("entry: %+v", e)
	}
	if !o.store.Revoked(fingerprint(held.Certificate)) {
		t.Error("the deleted certificate is not refused")
	}
}

// A deletion that comes to its end after the device was given another
// certificate takes nothing away.
func TestDeletionOvertaken(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	v := o.enrol(o.caller())
	if err := o.registrar.remove(t.Context(), phone, "late"); !errors.Is(err, errChanged) {
		t.Errorf("remove = %v, want errChanged", err)
	}
	if !v.Certificate.Equal(o.holds(phone)) || o.store.Revoked(fingerprint(v.Certificate)) {
		t.Error("the new certificate is gone")
	}
}

// A certificate that was removed by hand while it was under way is not handed
// out again.
func TestRemovedByHandUnderWay(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	p := o.caller()
	p.Key = certstest.Key(t, certstest.P384)
	o.enrolUntil(p, 8)
	first := o.holds(phone)
	if first == nil {
		t.Fatal("no certificate is under way")
	}
	if err := o.lsc.Remove(phone); err != nil {
		t.Fatal(err)
	}
	o.observe()
	v := o.enrol(p)
	if v.Certificate.Equal(first) || o.store.Revoked(fingerprint(v.Certificate)) {
		t.Error("the phone was given a certificate that is refused")
	}
}
