// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
)

// answer is what an external issuer makes of a request.
func answer(t testing.TB, ca certstest.Identity, cn string, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
	}, ca.Cert(), key, ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExternalIssuer(t *testing.T) {
	ca := certstest.NewCA(t, "Offline CA")
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = Offline{} })
	o.order(phone, Order{Operation: Install})
	p := o.caller()
	first := o.enrol(p)
	if first.Certificate != nil {
		t.Fatal("it got a certificate from nowhere")
	}
	p.Key = first.Key
	if again := o.enrol(p); again.Operation != None {
		t.Error("it was asked for another key while the first waits")
	}
	requests, err := o.store.Requests(t.Context())
	if err != nil || len(requests) != 1 {
		t.Fatalf("Requests = %v, %v", requests, err)
	}
	block, _ := pem.Decode(requests[0].PEM())
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !equalKeys(key, first.Key.Public()) || requests[0].Device != phone || time.Since(requests[0].Since) > time.Minute {
		t.Errorf("request: %+v, %v", requests[0], err)
	}
	if o.holds(phone) != nil {
		t.Error("lsc/ holds something before the answer is there")
	}
	lsc := answer(t, ca, string(phone), key)
	if n, err := o.store.Answer(t.Context(), lsc, pool(ca.Cert())); n != phone || err != nil {
		t.Fatalf("Answer = %s, %v", n, err)
	}
	if requests, err := o.store.Requests(t.Context()); len(requests) > 0 || err != nil {
		t.Errorf("Requests = %v, %v", requests, err)
	}
	v := o.enrol(p)
	if !lsc.Equal(v.Certificate) || !lsc.Equal(o.holds(phone)) {
		t.Errorf("the phone stored %v", v.Certificate)
	}
	if e := o.entry(phone); e.Operation != None || e.Enrolment != nil || !e.NotAfter.Equal(lsc.NotAfter) {
		t.Errorf("entry: %+v", e)
	}
}

// A phone that no longer has the key is asked for a new one.
func TestExternalAnswerNotTaken(t *testing.T) {
	ca := certstest.NewCA(t, "Offline CA")
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = Offline{} })
	o.order(phone, Order{Operation: Install})
	first := o.enrol(o.caller())
	lsc := answer(t, ca, string(phone), first.Key.Public())
	if _, err := o.store.Answer(t.Context(), lsc, pool(ca.Cert())); err != nil {
		t.Fatal(err)
	}
	if _, err := Enrol(t.Context(), o.caller()); !errors.Is(err, ErrDeclined) { // with another key
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	if r := o.last(2); r.Outcome != Aborted || !strings.Contains(r.Reason, "did not store") {
		t.Errorf("record: %+v", r)
	}
	third := o.enrol(o.caller())
	requests, err := o.store.Requests(t.Context())
	if err != nil || len(requests) != 1 {
		t.Fatalf("Requests = %v, %v", requests, err)
	}
	der, err := x509.MarshalPKIXPublicKey(third.Key.Public())
	if err != nil || !bytes.Equal(der, requests[0].PublicKey) {
		t.Error("another key waits than the last one")
	}
}

func TestAnswerRefuses(t *testing.T) {
	ca := certstest.NewCA(t, "Offline CA")
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = Offline{} })
	o.order(phone, Order{Operation: Install})
	key := o.enrol(o.caller()).Key.Public()
	for name, test := range map[string]struct {
		c    *x509.Certificate
		want error
		text string
	}{
		"another key":    {answer(t, ca, string(phone), certstest.Key(t, certstest.P256).Public()), ErrNoRequest, ""},
		"another device": {answer(t, ca, "SEP000000000001", key), ErrNoRequest, ""},
		"no device":      {answer(t, ca, "ucm1", key), nil, "names no device"},
		"another CA":     {answer(t, certstest.NewCA(t, "Other"), string(phone), key), nil, "does not chain"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := o.store.Answer(t.Context(), test.c, pool(ca.Cert()))
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("Answer = %v", err)
			}
		})
	}
}

func TestAnswerRemovedByHand(t *testing.T) {
	ca := certstest.NewCA(t, "Offline CA")
	o := newOffice(t, func(_ *Config, g *Generation) { g.Authority = Offline{} })
	o.order(phone, Order{Operation: Install})
	p := o.caller()
	p.Key = certstest.Key(t, certstest.P384)
	o.enrol(p)
	lsc := answer(t, ca, string(phone), p.Key.Public())
	if _, err := o.store.Answer(t.Context(), lsc, pool(ca.Cert())); err != nil {
		t.Fatal(err)
	}
	o.enrolUntil(p, 5) // it is in lsc/, but the phone has not stored it
	o.observe()
	if err := o.lsc.Remove(phone); err != nil {
		t.Fatal(err)
	}
	o.observe()
	if _, err := Enrol(t.Context(), p); !errors.Is(err, ErrDeclined) {
		t.Errorf("Enrol = %v, want ErrDeclined", err)
	}
	o.enrol(p)
	if requests, err := o.store.Requests(t.Context()); err != nil || len(requests) != 1 {
		t.Errorf("Requests = %v, %v; want a new one", requests, err)
	}
}
