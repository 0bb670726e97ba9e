// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"cfgsrv/capf/internal/transcript"
	"cfgsrv/capf/internal/wire"
	"cfgsrv/device"
)

// The sessions between the reference daemon and the reference client. Both of
// our sides must send the very bytes that theirs sent.

// recordedAt is when the sessions were recorded: certificates in them have an end.
var recordedAt = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// recordings are the orders that the sessions belong to, by the start of their
// titles.
var recordings = []struct {
	title string
	order *Order // nil: none was ever given
	phone Phone
	err   error // of the client
}{
	{"1 ", &Order{Operation: Install, KeyOrder: RSAOnly}, Phone{}, nil},
	{"2 ", &Order{Operation: Install, KeyOrder: ECOnly, ECKeySize: 256}, Phone{}, nil},
	{"3 ", &Order{Operation: Install, KeyOrder: ECOnly, ECKeySize: 384}, Phone{}, nil},
	{"4 ", &Order{Operation: Install, KeyOrder: ECOnly, ECKeySize: 521}, Phone{}, nil},
	{"5 ", &Order{Operation: Install, KeyOrder: RSAOnly, RSAKeySize: 3072}, Phone{}, nil},
	{"6 ", &Order{Operation: Install, KeyOrder: RSAOnly, Auth: ByAuthString, AuthString: "123456"}, Phone{AuthString: "123456"}, nil},
	{"7 ", &Order{Operation: Install, Auth: ByAuthString, AuthString: "123456"}, Phone{AuthString: "999999"}, ErrDeclined},
	{"8 ", &Order{Operation: Install, Auth: ByAuthString, AuthString: "123456"}, Phone{}, ErrDeclined},
	{"9 ", &Order{Operation: Install, KeyOrder: RSAOnly, Auth: ByLSC}, Phone{Auth: ByLSC, Own: pair("lsc-rsa2048.pem"), SUDI: pair("lsc-rsa2048.pem")}, nil},
	{"10 ", &Order{Operation: Install, KeyOrder: RSAOnly, Auth: ByLSC}, Phone{Auth: ByLSC, Own: pair("lsc-ec384.pem"), SUDI: pair("lsc-rsa2048.pem")}, nil},
	{"11 ", &Order{Operation: Install, Auth: ByLSC}, Phone{Auth: ByLSC, Own: pair("callmanager-rsa2048.pem"), SUDI: pair("callmanager-rsa2048.pem")}, ErrDeclined},
	{"12 ", &Order{Operation: Install, Auth: ByLSC}, Phone{}, ErrDeclined},
	{"13 ", &Order{Operation: Fetch}, Phone{Own: pair("lsc-rsa2048.pem")}, nil},
	{"14 ", &Order{Operation: Fetch}, Phone{}, nil},
	{"15 ", &Order{Operation: Delete}, Phone{Own: pair("lsc-rsa2048.pem")}, nil},
	{"16 ", &Order{Operation: Delete}, Phone{}, nil},
	{"17 ", &Order{}, Phone{}, nil},
	{"18 ", nil, Phone{Device: "SEP00AABBCCDDEE"}, ErrUnknownDevice},
}

// pair reads a certificate and its key; a fault shows when they are used.
func pair(file string) *tls.Certificate {
	path := "testdata/" + file
	c, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		panic(err)
	}
	return &c
}

func loadTranscript(t *testing.T) map[string]transcript.Session {
	t.Helper()
	all, err := transcript.Load("testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(recordings) {
		t.Fatalf("%d recorded sessions, want %d", len(all), len(recordings))
	}
	sessions := make(map[string]transcript.Session)
	for i, s := range all {
		if !strings.HasPrefix(s.Title, recordings[i].title) {
			t.Fatalf("session %q where %q is expected", s.Title, recordings[i].title)
		}
		sessions[recordings[i].title] = s
	}
	return sessions
}

// play is one side of a recorded session: it writes what that side sent, and
// reads what the other side sends, each message in one go.
func play(conn net.Conn, s transcript.Session, asServer bool, compare func(got, want []byte)) error {
	for _, m := range s.Messages {
		if m.FromServer == asServer {
			if _, err := conn.Write(m.Bytes); err != nil {
				return err
			}
			continue
		}
		got := make([]byte, 1<<16)
		n, err := conn.Read(got)
		if err != nil {
			return err
		}
		compare(got[:n], m.Bytes)
	}
	return nil
}

func TestServerReplaysTranscript(t *testing.T) {
	sessions := loadTranscript(t)
	for _, r := range recordings {
		s := sessions[r.title]
		t.Run(s.Title, func(t *testing.T) {
			o := newOffice(t, nil)
			if r.order != nil {
				o.order(phone, *r.order)
			}
			client, server := net.Pipe()
			defer client.Close()
			o.now = func() time.Time { return recordedAt }
			o.sessionID = func() uint32 { return sessionOf(t, s) }
			gen := Generation{
				Trusted:   pool(pair("capf-rsa2048.pem").Leaf),
				Authority: recordedAuthority(t, s),
			}
			told := make(chan Record, 1)
			go func() {
				var r Record
				o.converse(server, gen, &r)
				server.Close()
				told <- r
			}()
			err := play(client, s, false, func(got, want []byte) {
				if !bytes.Equal(got, want) {
					t.Errorf("the server sent %x, want %x", got, want)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after the last message: %d bytes more, %v", n, err)
			}
			if r := <-told; r.Reason == "" || r.Outcome == Failed {
				t.Errorf("record: %+v", r)
			}
		})
	}
}

func TestClientReplaysTranscript(t *testing.T) {
	sessions := loadTranscript(t)
	for _, r := range recordings {
		s := sessions[r.title]
		t.Run(s.Title, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			p := r.phone
			if p.Device == "" {
				p.Device = phone
			}
			if key := recordedKey(t, s); key != nil {
				p.Key = publicOnly{key}
			}
			done := make(chan error, 1)
			go func() {
				_, err := p.visit(client)
				client.Close()
				done <- err
			}()
			err := play(server, s, true, func(got, want []byte) { compareClient(t, got, want) })
			if err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, r.err) {
				t.Errorf("the client's visit: %v, want %v", err, r.err)
			}
		})
	}
}

// compareClient compares what a client sent. The two signatures of an EC key
// differ each time; they must be right instead.
func compareClient(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := parse(t, got), parse(t, want)
	if der, err := w.CertificateDER(); err == nil && der != nil && w.Command == wire.AuthResponse {
		own, err := parseIdentity(g, string(phone))
		if err != nil {
			t.Errorf("what the client proves: %v", err)
			return
		}
		if own.PublicKeyAlgorithm == x509.ECDSA {
			got, want = withoutSignatures(t, g), withoutSignatures(t, w)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the client sent %x, want %x", got, want)
	}
}

func withoutSignatures(t *testing.T, m wire.Message) []byte {
	t.Helper()
	for i, e := range m.Elements {
		if e.Tag == wire.SignedData || e.Tag == wire.SignedDataSHA2 {
			m.Elements[i].Value = nil
		}
	}
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The recorded EC signatures of session 10 are verified here, as nobody can
// repeat them.
func TestRecordedProofs(t *testing.T) {
	sessions := loadTranscript(t)
	for _, title := range []string{"9 ", "10 ", "11 "} {
		m := parse(t, sessions[title].Messages[1].Bytes)
		if own, err := parseIdentity(m, string(phone)); own == nil || err != nil {
			t.Errorf("session %s: parseIdentity = %v, %v", title, own, err)
		}
		if sudi, err := parseSUDI(m); sudi == nil || err != nil {
			t.Errorf("session %s: parseSUDI = %v, %v", title, sudi, err)
		}
		if _, err := parseIdentity(m, "SEP000000000000"); err == nil {
			t.Errorf("session %s proves another device, too", title)
		}
		m.Session++
		if _, err := parseSUDI(m); err == nil {
			t.Errorf("session %s proves another session, too", title)
		}
	}
}

func parse(t testing.TB, b []byte) wire.Message {
	t.Helper()
	m, err := wire.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sessionOf(t testing.TB, s transcript.Session) uint32 {
	t.Helper()
	return parse(t, s.Messages[0].Bytes).Session
}

// recordedKey is the key that was enrolled in a session, nil without one.
func recordedKey(t testing.TB, s transcript.Session) crypto.PublicKey {
	t.Helper()
	for _, m := range s.Messages {
		if der := parse(t, m.Bytes).Value(wire.PublicKey); der != nil {
			key, err := x509.ParsePKIXPublicKey(der)
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
	}
	return nil
}

// publicOnly is a key that is only ever shown.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, os.ErrPermission
}

// issued is the Authority that made the recorded LSC.
type issued struct{ lsc *x509.Certificate }

func recordedAuthority(t testing.TB, s transcript.Session) issued {
	t.Helper()
	for _, m := range s.Messages {
		p := parse(t, m.Bytes)
		if p.Command != wire.StoreRequest {
			continue
		}
		der, err := p.CertificateDER()
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return issued{c}
	}
	return issued{}
}

func (i issued) Issue(device.Name, crypto.PublicKey, time.Time) (*x509.Certificate, error) {
	if i.lsc == nil {
		return nil, errors.New("no certificate was recorded")
	}
	return i.lsc, nil
}
