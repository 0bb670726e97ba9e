// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"net"
	"syscall"
	"testing"

	"cfgsrv/capf/internal/wire"
)

func TestEnrolEndsWithItsContext(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0") // which says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	o := newOffice(t, nil)
	for name, server := range map[string]string{"no handshake": socket.Addr().String(), "a waiting server": o.Addr().String()} {
		ctx, cancel := context.WithCancel(t.Context())
		p := o.caller()
		p.Server = server
		if name == "a waiting server" {
			o.order(phone, Order{Operation: Install})
			p.Key = cancelKey{publicOnly{}, cancel}
		} else {
			cancel()
		}
		if _, err := Enrol(ctx, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
		cancel()
	}
}

// cancelKey ends the visit when the key is asked for.
type cancelKey struct {
	publicOnly
	cancel context.CancelFunc
}

func (k cancelKey) Public() crypto.PublicKey {
	k.cancel()
	return k.key
}

func TestEnrolNobodyListens(t *testing.T) {
	o := newOffice(t, nil)
	p := o.caller()
	o.stop()
	if _, err := Enrol(t.Context(), p); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Enrol = %v, want ECONNREFUSED", err)
	}
}

// What a server may say that no phone understands.
func TestPhoneRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		m    wire.Message
		want error
	}{
		"a phone's own command": {wire.Message{Command: wire.AuthResponse}, wire.ErrSyntax},
		"another reason":        {wire.Message{Command: wire.End, Elements: wire.Elements{wire.Byte(wire.ReasonTag, 42)}}, ErrDeclined},
		"no reason":             {wire.Message{Command: wire.End}, ErrDeclined},
		"a long reason":         {wire.Message{Command: wire.End, Elements: wire.Elements{wire.Uint16(wire.ReasonTag, 1)}}, wire.ErrSyntax},
		"another kind of key":   {wire.Message{Command: wire.KeyRequest, Elements: wire.Elements{wire.Byte(wire.KeyType, 7)}}, wire.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			b, err := test.m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				defer far.Close()
				_, _ = far.Write(b)
			}()
			if _, err := (Phone{Device: phone}).visit(near); !errors.Is(err, test.want) {
				t.Errorf("visit = %v, want %v", err, test.want)
			}
		})
	}
}

// A key that cannot be read ends a session, not the server.
func TestKeyThatCannotBeRead(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	conn, err := greeted(o.caller())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	v := visitor{Phone: o.caller(), peer: peer{conn: conn, limit: o.cfg.MessageLimit}}
	v.Version = maxVersion
	if err := v.obey(wire.Message{Command: wire.AuthRequest, Session: conn.session}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.receive(); err != nil {
		t.Fatal(err)
	}
	if err := v.send(wire.KeyResponse, wire.Element{Tag: wire.PublicKey, Value: bytes.Repeat([]byte{0x30}, 40)}); err != nil {
		t.Fatal(err)
	}
	if r := o.last(1); r.Outcome != Refused || r.Reason != "the key that it sent cannot be read" {
		t.Errorf("record: %+v", r)
	}
}

func TestAcceptGoesOn(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.ECONNABORTED: true, syscall.EBADF: false, net.ErrClosed: false,
	} {
		if got := passes(&net.OpError{Op: "accept", Err: err}); got != want {
			t.Errorf("after %v Serve goes on: %t, want %t", err, got, want)
		}
	}
}
