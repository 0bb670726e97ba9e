// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/certs/certstest"
	"cfgsrv/device"
)

func ptr[T any](v T) *T { return &v }

func ownLSC(t testing.TB, d certstest.Device) certstest.Identity {
	t.Helper()
	return ownCA().Issue(t, d)
}

func TestAuthentication(t *testing.T) {
	cisco := certstest.NewCA(t, "Manufacturing CA") // stands in CAPF-trust
	trust := func(_ *Config, g *Generation) {
		g.Trusted = pool(ownCA().Cert(), cisco.Cert())
	}
	lsc := ownLSC(t, certstest.Device{CN: string(phone)})
	lscRSA := ownLSC(t, certstest.Device{CN: string(phone), Key: certstest.RSA2048})
	mic := cisco.Issue(t, certstest.Device{CN: "CP-8861-" + string(phone), Key: certstest.RSA2048})
	old := cisco.Issue(t, certstest.Device{CN: "CP-8861-" + string(phone), NotBefore: time.Now().Add(-50 * time.Minute), NotAfter: time.Now().Add(-40 * time.Minute)})
	foreign := certstest.NewCA(t, "Another CA").Issue(t, certstest.Device{CN: string(phone)})
	other := ownLSC(t, certstest.Device{CN: "SEP000000000001"})
	nobody := ownLSC(t, certstest.Device{CN: "ucm1.example.org"})
	early := ownLSC(t, certstest.Device{CN: string(phone), NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)})
	// stolen is the phone's certificate in the hands of who has not its key.
	stolen := lsc.TLS()
	stolen.PrivateKey = certstest.Key(t, certstest.P256)
	stolenRSA := lscRSA.TLS()
	stolenRSA.PrivateKey = certstest.Key(t, certstest.RSA2048)
	stolenMIC := mic.TLS()
	stolenMIC.PrivateKey = certstest.Key(t, certstest.RSA2048)

	str := Order{Auth: ByAuthString, AuthString: "123456"}
	by := func(a Auth, own, sudi *tls.Certificate) Phone { return Phone{Auth: a, Own: own, SUDI: sudi} }
	for name, test := range map[string]struct {
		order  Order
		phone  Phone
		reason string // of the refusal; empty: it gets through
	}{
		"null string":                        {Order{Auth: ByNullString}, Phone{}, ""},
		"null string, one sent all the same": {Order{Auth: ByNullString}, Phone{AuthString: "1234"}, ""},
		"null string, stolen certificate":    {Order{Auth: ByNullString}, by(ByLSC, &stolen, nil), "does not hold the key"},
		"right string":                       {str, Phone{AuthString: "123456"}, ""},
		"wrong string":                       {str, Phone{AuthString: "123457"}, "wrong authentication string"},
		"part of the string":                 {str, Phone{AuthString: "12345"}, "wrong authentication string"},
		"no string":                          {str, Phone{}, "no authentication string"},
		"a certificate instead of a string":  {str, by(ByLSC, ptr(lsc.TLS()), nil), "no authentication string"},
		"LSC":                                {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), nil), ""},
		"LSC with an RSA key":                {Order{Auth: ByLSC}, by(ByLSC, ptr(lscRSA.TLS()), nil), ""},
		"LSC and MIC":                        {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), ptr(mic.TLS())), ""},
		"LSC and a MIC past its end":         {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), ptr(old.TLS())), ""},
		"no LSC but a MIC":                   {Order{Auth: ByLSC}, by(ByMIC, ptr(mic.TLS()), nil), ""},
		"MIC":                                {Order{Auth: ByMIC}, by(ByMIC, ptr(mic.TLS()), ptr(mic.TLS())), ""},
		"no MIC but an LSC":                  {Order{Auth: ByMIC}, by(ByLSC, ptr(lsc.TLS()), nil), ""},
		"no certificate":                     {Order{Auth: ByLSC}, Phone{}, "no certificate"},
		"a string instead of a certificate":  {Order{Auth: ByMIC}, Phone{AuthString: "123456"}, "no certificate"},
		"stolen LSC":                         {Order{Auth: ByLSC}, by(ByLSC, &stolen, nil), "does not hold the key"},
		"stolen LSC with an RSA key":         {Order{Auth: ByLSC}, by(ByLSC, &stolenRSA, nil), "does not hold the key"},
		"stolen MIC":                         {Order{Auth: ByMIC}, by(ByMIC, &stolenMIC, nil), "does not hold the key"},
		"LSC and a stolen MIC":               {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), &stolenMIC), "does not hold the key"},
		"LSC and a MIC of another CA":        {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), ptr(foreign.TLS())), "does not chain"},
		"LSC of another device":              {Order{Auth: ByLSC}, by(ByLSC, ptr(other.TLS()), nil), "that of SEP000000000001"},
		"LSC and the MIC of another device":  {Order{Auth: ByLSC}, by(ByLSC, ptr(lsc.TLS()), ptr(other.TLS())), "that of SEP000000000001"},
		"certificate of a server":            {Order{Auth: ByLSC}, by(ByLSC, ptr(nobody.TLS()), nil), "names no device"},
		"certificate of another CA":          {Order{Auth: ByLSC}, by(ByLSC, ptr(foreign.TLS()), nil), "does not chain"},
		"MIC past its end":                   {Order{Auth: ByMIC}, by(ByMIC, ptr(old.TLS()), nil), "has expired"},
		"LSC before its beginning":           {Order{Auth: ByLSC}, by(ByLSC, ptr(early.TLS()), nil), "not valid yet"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, trust)
			test.order.Operation = Install
			o.order(phone, test.order)
			p := o.caller()
			p.Auth, p.AuthString, p.Own, p.SUDI = test.phone.Auth, test.phone.AuthString, test.phone.Own, test.phone.SUDI
			v, err := Enrol(t.Context(), p)
			r := o.last(1)
			if test.reason == "" {
				if err != nil || v.Certificate == nil || r.Outcome != Served {
					t.Errorf("Enrol = %+v, %v; record: %+v", v, err, r)
				}
				return
			}
			if !errors.Is(err, ErrDeclined) || r.Outcome != Refused || !strings.Contains(r.Reason, test.reason) {
				t.Errorf("Enrol = %v; record: %+v", err, r)
			}
			if o.holds(phone) != nil || o.entry(phone).Enrolment != nil {
				t.Error("an enrolment has begun all the same")
			}
		})
	}
}

// The LSC that a newer one replaced, and the one that was deleted, open nothing.
func TestReplacedCertificateDoesNotAuthenticate(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	first := o.enrol(o.caller())
	o.order(phone, Order{Operation: Install, Auth: ByLSC})
	p := o.caller()
	p.Auth, p.Own = ByLSC, first.identity()
	second := o.enrol(p)
	if !o.store.Revoked(fingerprint(first.Certificate)) || o.store.Revoked(fingerprint(second.Certificate)) {
		t.Error("not the replaced certificate is refused")
	}
	o.order(phone, Order{Operation: Install, Auth: ByLSC})
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("with the replaced certificate: %v, want ErrDeclined", err)
	}
	p.Own = second.identity()
	o.enrol(p)
}

// Without our record of what was replaced, lsc/ says it.
func TestOlderCertificateThanInFolder(t *testing.T) {
	o := newOffice(t, nil)
	older := ownLSC(t, certstest.Device{CN: string(phone)}).TLS()
	newer := ownLSC(t, certstest.Device{CN: string(phone)})
	if err := o.lsc.Write(phone, newer.Cert()); err != nil {
		t.Fatal(err)
	}
	o.order(phone, Order{Operation: Install, Auth: ByLSC})
	p := o.caller()
	p.Auth, p.Own = ByLSC, &older
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	if r := o.last(1); !strings.Contains(r.Reason, "not the one known") {
		t.Errorf("record: %+v", r)
	}
	p.Own = ptr(newer.TLS())
	o.enrol(p)
}

func TestUnreadableFileClosesDevice(t *testing.T) {
	o := newOffice(t, nil)
	writeFile(t, o.lsc, "SEP001122334455.pem", "no certificate")
	own := ownLSC(t, certstest.Device{CN: string(phone)}).TLS()
	o.order(phone, Order{Operation: Install, Auth: ByLSC})
	p := o.caller()
	p.Auth, p.Own = ByLSC, &own
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	o.order(phone, Order{Operation: Install}) // which replaces it
	o.enrol(o.caller())
}

// An answer that takes seconds to check is not checked.
func TestHugeKey(t *testing.T) {
	key := certstest.Key(t, certstest.P256)
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 100_000, 1), E: 65537}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, ownCA().Cert(), huge, ownCA().Key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := wire.MakeCertificate(wire.LSC, der)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sign(key, crypto.SHA1, signedData(string(phone), der))
	if err != nil {
		t.Fatal(err)
	}
	m := wire.Message{Elements: wire.Elements{own, {Tag: wire.SignedData, Value: signature}}}
	if c, err := parseIdentity(m, string(phone)); err == nil || !strings.Contains(err.Error(), "100001 bits") {
		t.Errorf("parseIdentity = %v, %v", c, err)
	}
}

func TestGuessing(t *testing.T) {
	o := newOffice(t, nil)
	now := time.Now()
	o.now = func() time.Time { return now }
	o.order(phone, Order{Operation: Install, Auth: ByAuthString, AuthString: "123456"})
	p := o.caller()
	for i := range maxGuesses {
		p.AuthString = AuthString(fmt.Sprintf("%06d", i))
		if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	p.AuthString = "123456"
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("right after %d wrong ones: %v, want ErrDeclined", maxGuesses, err)
	}
	now = now.Add(guessesRest)
	o.enrol(p)
}

func TestGuessesAreCounted(t *testing.T) {
	var g guesses
	now := time.Now()
	take := func(n device.Name) (taken int) {
		for range 3 * maxGuesses {
			if g.take(n, now) {
				taken++
			}
		}
		return taken
	}
	if got := take("A"); got != maxGuesses {
		t.Errorf("%d guesses were compared, want %d", got, maxGuesses)
	}
	if got := take("B"); got != maxGuesses {
		t.Errorf("%d guesses for another device, want %d", got, maxGuesses)
	}
	g.right("A")
	if got := take("A"); got != maxGuesses {
		t.Errorf("%d guesses after a right one, want %d", got, maxGuesses)
	}
	now = now.Add(guessesRest)
	if got := take("B"); got != maxGuesses {
		t.Errorf("%d guesses after the rest, want %d", got, maxGuesses)
	}
}
