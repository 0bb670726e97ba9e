// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
)

func TestInstall(t *testing.T) {
	small := func(_ *Config, g *Generation) { g.Settings.AllowSmallKeys = true }
	for name, test := range map[string]struct {
		order   Order
		alter   func(*Config, *Generation)
		version uint8
		want    keySpec
	}{
		"defaults":                  {Order{}, nil, 3, keySpec{true, 384}},
		"EC 256":                    {Order{KeyOrder: ECOnly, ECKeySize: 256}, nil, 3, keySpec{true, 256}},
		"EC 521":                    {Order{KeyOrder: ECOnly, ECKeySize: 521}, nil, 3, keySpec{true, 521}},
		"RSA 2048":                  {Order{KeyOrder: RSAOnly}, nil, 3, keySpec{false, 2048}},
		"RSA 1024":                  {Order{KeyOrder: RSAOnly, RSAKeySize: 1024}, small, 3, keySpec{false, 1024}},
		"version 2 is asked RSA":    {Order{}, nil, 2, keySpec{false, 2048}},
		"version 1 is asked RSA":    {Order{}, nil, 1, keySpec{false, 2048}},
		"settings say RSA":          {Order{}, func(_ *Config, g *Generation) { g.Settings.KeyOrder = RSAOnly }, 3, keySpec{false, 2048}},
		"settings say EC of 256":    {Order{}, func(_ *Config, g *Generation) { g.Settings.ECKeySize = 256 }, 3, keySpec{true, 256}},
		"the order before settings": {Order{ECKeySize: 521}, func(_ *Config, g *Generation) { g.Settings.ECKeySize = 256 }, 3, keySpec{true, 521}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, test.alter)
			test.order.Operation = Install
			o.order(phone, test.order)
			p := o.caller()
			p.Version = test.version
			if test.want == (keySpec{false, 2048}) {
				p.Key = certstest.Key(t, certstest.RSA2048) // one less to be made
			}
			v := o.enrol(p)
			if v.Operation != Install || v.Certificate == nil {
				t.Fatalf("after the visit: %+v", v)
			}
			if got := specOf(v.Key.Public()); got != test.want {
				t.Errorf("asked for %v, want %v", got, test.want)
			}
			if !equalKeys(v.Certificate.PublicKey, v.Key.Public()) {
				t.Error("the LSC is for another key")
			}
			if !v.Certificate.Equal(o.holds(phone)) {
				t.Error("lsc/ holds another certificate")
			}
			r := o.last(1)
			if r.Outcome != Served || !r.Issued || r.Device != phone || r.Operation != Install || r.Gen != 7 {
				t.Errorf("record: %+v", r)
			}
			if tooSmall := strings.Contains(r.Reason, "too small"); tooSmall != test.want.small() {
				t.Errorf("reason: %s", r.Reason)
			}
			e := o.entry(phone)
			if e.Operation != None || e.Enrolment != nil || e.Last.Failed || !e.NotAfter.Equal(v.Certificate.NotAfter) {
				t.Errorf("entry: %+v", e)
			}
			if o.enrol(o.caller()).Operation != None {
				t.Error("the second visit found something to do")
			}
		})
	}
}

func TestInstallRefused(t *testing.T) {
	for name, test := range map[string]struct {
		order   Order
		version uint8
		err     error
		outcome Outcome
		reason  string
	}{
		"EC Only for version 2":  {Order{Operation: Install, KeyOrder: ECOnly}, 2, ErrDeclined, Refused, "EC Only"},
		"a small key":            {Order{Operation: Install, KeyOrder: RSAOnly, RSAKeySize: 1024}, 3, ErrDeclined, Refused, "allow_small_keys"},
		"small for version 2":    {Order{Operation: Install, RSAKeySize: 512}, 2, ErrDeclined, Refused, "allow_small_keys"},
		"version 4":              {Order{Operation: Install}, 4, ErrDeclined, Refused, "version 4"},
		"the order has run out":  {Order{Operation: Install, Until: time.Now().Add(-time.Second)}, 3, nil, Served, "nothing"},
		"nothing to do":          {Order{}, 3, nil, Served, "nothing"},
		"a string but none sent": {Order{Operation: Install, Auth: ByAuthString, AuthString: "12345"}, 3, ErrDeclined, Refused, "no authentication string"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, nil)
			o.order(phone, test.order)
			p := o.caller()
			p.Version = test.version
			if _, err := Enrol(t.Context(), p); !errors.Is(err, test.err) {
				t.Errorf("Enrol = %v, want %v", err, test.err)
			}
			r := o.last(1)
			if r.Outcome != test.outcome || !strings.Contains(r.Reason, test.reason) {
				t.Errorf("record: %+v", r)
			}
			if o.holds(phone) != nil {
				t.Error("lsc/ holds a certificate")
			}
			if e := o.entry(phone); e.Last.Failed != (e.Pending(time.Now()) && test.outcome != Served && test.version <= 3) {
				t.Errorf("entry: %+v", e)
			}
		})
	}
}

func TestUnknownDevice(t *testing.T) {
	o := newOffice(t, nil)
	if _, err := Enrol(t.Context(), o.caller()); !errors.Is(err, ErrUnknownDevice) {
		t.Errorf("Enrol = %v, want ErrUnknownDevice", err)
	}
	if r := o.last(1); r.Outcome != NotFound || r.Device != phone {
		t.Errorf("record: %+v", r)
	}
	p := o.caller()
	p.Device = "../../etc/passwd"
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrUnknownDevice) {
		t.Errorf("Enrol by another name = %v, want ErrUnknownDevice", err)
	}
	if r := o.last(2); r.Outcome != NotFound || r.Device != "" {
		t.Errorf("record: %+v", r)
	}
}

func TestNameInLowerCase(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	p := o.caller()
	p.Device = "sep001122334455"
	if v := o.enrol(p); v.Certificate.Subject.CommonName != string(phone) {
		t.Errorf("issued to %s", v.Certificate.Subject)
	}
}

// A phone of version 3 need not know EC keys.
func TestRSABackup(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install, KeyOrder: ECPreferred})
	p := o.caller()
	p.Key = certstest.Key(t, certstest.RSA2048)
	if v := o.enrol(p); v.Certificate == nil || !equalKeys(v.Certificate.PublicKey, p.Key.Public()) {
		t.Errorf("after the visit: %+v", v)
	}
}

func TestNoKeyMade(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install, KeyOrder: ECOnly})
	p := o.caller()
	p.Key = certstest.Key(t, certstest.RSA2048)
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	if r := o.last(1); r.Outcome != Aborted || !strings.Contains(r.Reason, "did not make") {
		t.Errorf("record: %+v", r)
	}
}

func TestDelete(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	first := o.enrol(o.caller())
	o.order(phone, Order{Operation: Delete})
	p := o.caller()
	p.Own = first.identity()
	if v := o.enrol(p); v.Operation != Delete {
		t.Errorf("after the visit: %+v", v)
	}
	if o.holds(phone) != nil {
		t.Error("lsc/ still holds the certificate")
	}
	if !o.store.Revoked(fingerprint(first.Certificate)) {
		t.Error("the deleted certificate is not refused")
	}
	if e := o.entry(phone); e.Operation != None || !e.NotAfter.IsZero() {
		t.Errorf("entry: %+v", e)
	}
}

func TestDeleteRefusedByPhone(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	o.enrol(o.caller())
	o.order(phone, Order{Operation: Delete})
	o.enrol(o.caller()) // it says that it has none
	o.enrol(o.caller()) // and again
	if r := o.last(2); r.Outcome != Aborted || !strings.Contains(r.Reason, "did not delete") {
		t.Errorf("record: %+v", r)
	}
	if o.holds(phone) == nil {
		t.Error("lsc/ lost the certificate that the phone kept")
	}
	if e := o.entry(phone); e.Operation != Delete || !e.Last.Failed || e.Deleting {
		t.Errorf("entry: %+v", e)
	}
}

func TestDeleteNothing(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Delete})
	o.enrol(o.caller())
	if e := o.entry(phone); e.Operation != None || e.Last.Failed {
		t.Errorf("entry: %+v", e)
	}
}

func TestFetch(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Fetch})
	o.enrol(o.caller())
	if r := o.last(1); r.Outcome != Aborted {
		t.Errorf("a phone without a certificate: %+v", r)
	}
	own := certstest.NewCA(t, "another").Issue(t, certstest.Device{CN: string(phone)})
	p, cert := o.caller(), own.TLS()
	p.Own = &cert
	o.enrol(p)
	e := o.entry(phone)
	if e.Operation != None || string(e.Fetched) != string(own.Cert().Raw) {
		t.Errorf("entry: %+v", e)
	}
	if o.holds(phone) != nil {
		t.Error("a certificate that nobody vouched for came into lsc/")
	}
}
