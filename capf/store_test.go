// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/certs/certstest"
	"cfgsrv/device"

	"github.com/google/go-cmp/cmp"
)

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "capf.db"))
}

func TestChangeSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capf.db")
	want := Order{
		Operation: Install, Auth: ByAuthString, AuthString: "0123456789", KeyOrder: ECOnly,
		RSAKeySize: 4096, ECKeySize: 521, Until: time.Now().Add(time.Hour).UTC(),
	}
	setOrder(t, openStore(t, path), phone, want)
	e, err := openStore(t, path).Entry(t.Context(), phone)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Entry{Device: phone, Order: want}, e); d != "" {
		t.Errorf("(-set +read):\n%s", d)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record, with its authentication strings, is %v, %v", info.Mode(), err)
	}
}

func TestChangeIsAllOrNothing(t *testing.T) {
	errStop := errors.New("stop")
	for name, change := range map[string]func(device.Name, *Order) error{
		"an error": func(n device.Name, o *Order) error {
			if n == "SEP000000000002" {
				return errStop
			}
			o.Operation = Delete
			return nil
		},
		"an order that cannot be": func(n device.Name, o *Order) error {
			o.Operation = Delete
			if n == "SEP000000000002" {
				o.RSAKeySize = 1000
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			err := s.Change(t.Context(), []device.Name{"SEP000000000001", "SEP000000000002"}, change)
			if err == nil || !strings.Contains(err.Error(), "SEP000000000002") {
				t.Errorf("Change = %v", err)
			}
			if _, err := s.Entry(t.Context(), "SEP000000000001"); !errors.Is(err, ErrUnknownDevice) {
				t.Errorf("the first device was changed: %v", err)
			}
			if _, ok := s.Pending("SEP000000000001"); ok {
				t.Error("an order that came to nothing is pending")
			}
		})
	}
}

func TestCancelForgetsEnrolment(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	o.enrolUntil(o.caller(), 8)
	if o.entry(phone).Enrolment == nil {
		t.Fatal("no enrolment is under way")
	}
	o.order(phone, Order{Operation: Install, Until: time.Now().Add(time.Hour)})
	if o.entry(phone).Enrolment == nil {
		t.Error("a changed order has forgotten the enrolment under way")
	}
	o.order(phone, Order{})
	if e := o.entry(phone); e.Enrolment != nil {
		t.Errorf("entry: %+v", e)
	}
}

func TestList(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	put := func(n device.Name, e Entry) {
		e.Device = n
		if err := s.update(t.Context(), func(t *transaction) error { return t.put(e) }); err != nil {
			t.Fatal(err)
		}
	}
	put("SEP00000000000A", Entry{Order: Order{Operation: Install}})
	put("SEP00000000000B", Entry{Order: Order{Operation: Install, Until: now.Add(-time.Minute)}})
	put("SEP00000000000C", Entry{NotAfter: now.Add(time.Hour)})
	put("SEP00000000000D", Entry{NotAfter: now.Add(48 * time.Hour), Last: Result{Failed: true}})
	put("CSFALICE", Entry{Order: Order{Operation: Delete}, Last: Result{Failed: true}})
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"all":                {Filter{}, "CSFALICE SEP00000000000A SEP00000000000B SEP00000000000C SEP00000000000D"},
		"pending":            {Filter{Pending: true}, "CSFALICE SEP00000000000A"},
		"failed":             {Filter{Failed: true}, "CSFALICE SEP00000000000D"},
		"pending and failed": {Filter{Pending: true, Failed: true}, "CSFALICE"},
		"expiring in a day":  {Filter{Expiring: now.AddDate(0, 0, 1)}, "SEP00000000000C"},
		"expiring, failed":   {Filter{Expiring: now.AddDate(0, 0, 9), Failed: true}, "SEP00000000000D"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := s.List(t.Context(), test.filter)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range all {
				names = append(names, string(e.Device))
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("List = %s, want %s", got, test.want)
			}
		})
	}
}

// Two Stores on one file are as apart as two processes.
func TestAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capf.db")
	server, command := openStore(t, path), openStore(t, path)
	if _, ok := server.Pending(phone); ok {
		t.Fatal("something is pending in an empty record")
	}
	start := time.Now()
	setOrder(t, command, phone, Order{Operation: Install, Auth: ByMIC})
	for {
		p, ok := server.Pending(phone)
		if ok {
			if p.Operation != Install || p.Auth.Mode() != 4 {
				t.Errorf("Pending = %+v", p)
			}
			break
		}
		if time.Since(start) > 5*time.Second {
			t.Fatal("the server does not see the command's change")
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the server saw the change only after %v", took)
	}
	setOrder(t, server, phone, Order{})
	if e, err := command.Entry(t.Context(), phone); err != nil || e.Operation != None {
		t.Errorf("the command sees %+v, %v", e, err)
	}
}

// A command that holds the record does not hold up who only looks.
func TestPendingDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capf.db")
	server, command := openStore(t, path), openStore(t, path)
	setOrder(t, server, phone, Order{Operation: Install})
	inside, leave, left := make(chan bool), make(chan bool), make(chan error)
	go func() {
		left <- command.view(context.Background(), func(*transaction) error {
			inside <- true
			<-leave
			return nil
		})
	}()
	<-inside
	server.looked.Store(0)
	if _, ok := server.Pending(phone); !ok {
		t.Error("the server forgot what it knows")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := server.Entry(ctx, phone); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Entry while another process holds the record = %v", err)
	}
	close(leave)
	if err := <-left; err != nil {
		t.Fatal(err)
	}
	if _, err := server.Entry(t.Context(), phone); err != nil {
		t.Error(err)
	}
}

// However busy the server is, a command gets its turn.
func TestCommandGetsItsTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capf.db")
	server, command := openStore(t, path), openStore(t, path)
	stop, storm := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for i := range 8 {
		busy.Go(func() {
			n := device.Name(fmt.Sprintf("SEP%012X", i))
			for stop.Err() == nil {
				setOrder(t, server, n, Order{Operation: Install})
			}
		})
	}
	defer busy.Wait()
	defer storm()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 3 {
		if _, err := command.List(ctx, Filter{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyDevices(t *testing.T) {
	s := newStore(t)
	names := make([]device.Name, manyDevices)
	for i := range names {
		names[i] = device.Name(fmt.Sprintf("SEP%012X", i))
	}
	start := time.Now()
	err := s.Change(t.Context(), names, func(_ device.Name, o *Order) error {
		*o = Order{Operation: Install, Auth: ByAuthString, AuthString: "0123456789"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("changed in %v", time.Since(start))
	start = time.Now()
	setOrder(t, s, names[7], Order{})
	if took := time.Since(start); took > time.Second {
		t.Errorf("one more change took %v", took)
	}
	start = time.Now()
	if _, ok := openStore(t, s.db.path).Pending(names[len(names)-1]); !ok {
		t.Error("the last device is not pending")
	}
	t.Logf("opened in %v", time.Since(start))
}

func TestObserve(t *testing.T) {
	ca := certstest.NewCA(t, "CA")
	make := func(n device.Name) [32]byte { return fingerprint(ca.Issue(t, certstest.Device{CN: string(n)}).Cert()) }
	lsc := Folder(t.TempDir())
	s := newStore(t)
	put := func(n device.Name) [32]byte {
		c := ca.Issue(t, certstest.Device{CN: string(n)}).Cert()
		if err := lsc.Write(n, c); err != nil {
			t.Fatal(err)
		}
		return fingerprint(c)
	}
	observe := func(holds map[device.Name][32]byte) {
		t.Helper()
		if err := s.Observe(t.Context(), lsc, maps.All(holds)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := device.Name("SEP00000000000A"), device.Name("SEP00000000000B")
	a1, b1 := put(a), put(b)
	observe(map[device.Name][32]byte{a: a1, b: b1})
	if s.Revoked(a1) || s.Revoked(b1) {
		t.Error("what was just found is refused")
	}
	a2 := put(a)
	observe(map[device.Name][32]byte{a: a1, b: b1}) // loaded before a was replaced
	if s.Revoked(a1) || s.Revoked(a2) {
		t.Error("a folder that was loaded too early changed something")
	}
	observe(map[device.Name][32]byte{a: a2, b: b1})
	if !s.Revoked(a1) || s.Revoked(a2) {
		t.Error("not the replaced certificate is refused")
	}
	observe(map[device.Name][32]byte{b: b1}) // a was not there for a moment
	if s.Revoked(a2) {
		t.Error("a certificate that is there is refused")
	}
	writeFile(t, lsc, string(b)+".pem", "half a file")
	observe(map[device.Name][32]byte{a: a2})
	if s.Revoked(b1) {
		t.Error("a file that cannot be read was taken for a removal")
	}
	if err := errors.Join(lsc.Remove(a), lsc.Remove(b)); err != nil {
		t.Fatal(err)
	}
	observe(nil)
	if !s.Revoked(a2) || !s.Revoked(b1) {
		t.Error("a removed certificate is not refused")
	}
	if s = openStore(t, s.db.path); !s.Revoked(a1) || !s.Revoked(a2) || s.Revoked(make(a)) {
		t.Error("it is not remembered")
	}
}

// A disk that is not mounted revokes nobody.
func TestObserveWithoutFolder(t *testing.T) {
	o := newOffice(t, nil)
	o.order(phone, Order{Operation: Install})
	v := o.enrol(o.caller())
	away := string(o.lsc) + ".away"
	if err := os.Rename(string(o.lsc), away); err != nil {
		t.Fatal(err)
	}
	err := o.store.Observe(t.Context(), o.lsc, maps.All(map[device.Name][32]byte{}))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Observe = %v, want fs.ErrNotExist", err)
	}
	if o.store.Revoked(fingerprint(v.Certificate)) {
		t.Error("the certificate is refused")
	}
}

func TestDamagedRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "capf.db")
	if err := os.WriteFile(path, bytes.Repeat([]byte("no bbolt"), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v", err)
	}
}

// Whatever is printed of an order, its string is not.
func TestAuthStringsStaySecret(t *testing.T) {
	const secret = "8675309"
	e := Entry{Device: phone, Order: Order{Operation: Install, Auth: ByAuthString, AuthString: secret}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "string", e.AuthString, "order", e.Order)
	for _, printed := range []string{
		fmt.Sprint(e), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e.AuthString), fmt.Sprintf("%x", e.AuthString), log.String(),
	} {
		if strings.Contains(printed, secret) || strings.Contains(printed, "38363735333039") {
			t.Errorf("%s", printed)
		}
	}
	b, err := json.Marshal(e)
	if err != nil || !bytes.Contains(b, []byte(secret)) {
		t.Errorf("it is not stored: %s, %v", b, err)
	}
}

func TestRandomAuthString(t *testing.T) {
	seen := make(map[AuthString]bool)
	for range 100 {
		s, err := RandomAuthString()
		if err != nil {
			t.Fatal(err)
		}
		if len(s) != 10 || !validAuthString(s) {
			t.Errorf("%q", string(s))
		}
		seen[s] = true
	}
	if len(seen) < 99 {
		t.Errorf("%d different ones of 100", len(seen))
	}
}

func TestOrderValidate(t *testing.T) {
	for name, test := range map[string]struct {
		order Order
		want  string
	}{
		"nothing":             {Order{}, ""},
		"all":                 {Order{Install, ByAuthString, "1234", ECPreferred, 512, 256, time.Now()}, ""},
		"string missing":      {Order{Operation: Install, Auth: ByAuthString}, "needs an authentication string"},
		"string not needed":   {Order{Auth: ByAuthString}, ""},
		"string too short":    {Order{AuthString: "123"}, "4 to 15 digits"},
		"string too long":     {Order{AuthString: "1234567890123456"}, "4 to 15 digits"},
		"string with letters": {Order{AuthString: "12a4"}, "4 to 15 digits"},
		"RSA size":            {Order{RSAKeySize: 2047}, "not 2047"},
		"EC size":             {Order{ECKeySize: 512}, "not 512"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.order.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Validate = %v, want %q", err, test.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	var k KeyOrder
	for word, want := range map[string]KeyOrder{
		"rsa-only": RSAOnly, "EC Only": ECOnly, "ec-preferred": ECPreferred, "ec preferred, rsa backup": ECPreferred, "": DefaultKeyOrder,
	} {
		if err := k.UnmarshalText([]byte(word)); err != nil || k != want {
			t.Errorf("%q is %v, %v; want %v", word, k, err, want)
		}
	}
	var op Operation
	if err := op.UnmarshalText([]byte("upgrade")); err == nil || !strings.Contains(err.Error(), "none, install, delete, fetch") {
		t.Errorf("UnmarshalText = %v", err)
	}
	var a Auth
	for i, word := range auths {
		if err := a.UnmarshalText([]byte(word)); err != nil || int(a) != i || a.String() != word {
			t.Errorf("%q is %v, %v", word, a, err)
		}
	}
	modes := []int{ByNullString.Mode(), ByAuthString.Mode(), ByLSC.Mode(), ByMIC.Mode()}
	if want := []int{2, 1, 3, 4}; !slices.Equal(modes, want) {
		t.Errorf("capfAuthMode %v, want %v (FORMATS 8)", modes, want)
	}
}
