// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/tvs/internal/wire"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a TVS server, and what it told.
type office struct {
	*Server
	t   testing.TB
	cfg Config

	mu      sync.Mutex
	gen     Generation
	records []Record
}

func newOffice(t testing.TB, book *Book, alter func(*Config)) *office {
	t.Helper()
	o := &office{t: t, gen: Generation{
		Number: 7,
		TLS:    tlsConfig(t, certs.TVS),
		Book:   book,
	}}
	o.cfg = Config{
		Listener:   "tvs",
		Addr:       "127.0.0.1:0",
		Generation: o.generation,
		Record:     o.record,
	}
	if alter != nil {
		alter(&o.cfg)
	}
	var err error
	if o.Server, err = New(o.cfg); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- o.Serve() }()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = o.Shutdown(ended)
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return o
}

func tlsConfig(t testing.TB, u certs.Unit) *tls.Config {
	t.Helper()
	p := certstest.Pair(t, u)
	id := certstest.Identity{Chain: p.Chain, Key: p.Key}
	return &tls.Config{Certificates: []tls.Certificate{id.TLS()}}
}

func (o *office) generation() Generation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gen
}

func (o *office) change(f func(*Generation)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(&o.gen)
}

func (o *office) record(_ context.Context, r Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.records = append(o.records, r)
}

// last waits for the n-th record and returns it.
func (o *office) last(n int) Record {
	o.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		o.mu.Lock()
		if len(o.records) >= n {
			r := o.records[n-1]
			o.mu.Unlock()
			return r
		}
		o.mu.Unlock()
		select {
		case <-o.t.Context().Done():
		case <-time.After(time.Millisecond):
		}
	}
	o.t.Fatalf("no record %d", n)
	return Record{}
}

func (o *office) phone() Phone {
	roots := x509.NewCertPool()
	roots.AddCert(certstest.Pair(o.t, certs.TVS).Leaf())
	return Phone{
		Server: o.Addr().String(),
		TLS:    &tls.Config{RootCAs: roots, ServerName: certstest.Host},
		Device: "CP-8861-SEP001122334455",
	}
}

// dial is a client that is closed with the test.
func (o *office) dial() *Client {
	o.t.Helper()
	c, err := Dial(o.t.Context(), o.phone())
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { c.Close() })
	return c
}

func readCert(t testing.TB, file string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange is one recorded request and its answer.
type exchange struct {
	title           string
	request, answer []byte
}

// recorded reads what the reference client and daemon exchanged: "#### title",
// then "C->S" and "S->C" with lines of an offset and up to 16 bytes in hex.
func recorded(t testing.TB) []exchange {
	t.Helper()
	b, err := os.ReadFile("testdata/frames.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	var into *[]byte
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#### "):
			all = append(all, exchange{title: line[5:]})
		case strings.HasPrefix(line, "C->S"):
			into = &all[len(all)-1].request
		case strings.HasPrefix(line, "S->C"):
			into = &all[len(all)-1].answer
		case strings.HasPrefix(line, "    "):
			b, err := hex.DecodeString(strings.ReplaceAll(line[10:min(58, len(line))], " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			*into = append(*into, b...)
		}
	}
	if len(all) != 4 {
		t.Fatalf("%d recorded exchanges, want 4", len(all))
	}
	return all
}

// ask sends bytes on a connection of its own and reads one answer.
func (o *office) ask(b []byte) (wire.Message, error) {
	conn, err := tls.Dial("tcp", o.Addr().String(), o.phone().TLS)
	if err != nil {
		return wire.Message{}, err
	}
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		return wire.Message{}, err
	}
	return wire.Read(conn)
}

func mustMarshal(t testing.TB, m wire.Message) []byte {
	t.Helper()
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(fmt.Errorf("marshalling: %w", err))
	}
	return b
}
