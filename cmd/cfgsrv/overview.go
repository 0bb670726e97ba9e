// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/fips140"
	"crypto/rand"
	"os"
	"strings"
	"sync"

	"cfgsrv/certs"
	"cfgsrv/status"
)

// faultText is why the last change on disk was not taken; empty if it was.
type faultText struct {
	mu   sync.Mutex
	text string
}

func (f *faultText) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = ""
	if err != nil {
		f.text = err.Error()
	}
}

func (f *faultText) get() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text
}

// overview is what people see of the running server.
func (s *server) overview() status.Overview {
	g := s.live.current()
	o := status.Overview{
		Version: programVersion(), Started: s.started, Generation: g.number, Loaded: g.loaded,
		Fault: s.fault.get(), FIPS: fips140.Enabled(), Entropy: string(s.random.current().Report().State),
	}
	for _, l := range g.settings.Listen.all() {
		addr := ""
		if a, ok := s.set.Addr(l.name); ok {
			addr = a.String()
		}
		o.Listeners = append(o.Listeners, status.Listener{Name: l.name, Addr: addr})
	}
	for _, u := range certs.Units() {
		if pair, ok := g.certs.Pair(u); ok {
			leaf := pair.Leaf()
			o.Certificates = append(o.Certificates, status.Certificate{
				Unit: string(u), Subject: leaf.Subject.String(), Ends: leaf.NotAfter,
			})
		}
	}
	return o
}

// statusToken is the token of the status page, read anew each time so that it
// may be changed; empty if none is set.
func (s *server) statusToken() string {
	path := s.live.current().settings.Status.TokenFile
	if path == "" {
		return ""
	}
	b, err := os.ReadFile(s.loader.data.under(path, ""))
	if err != nil {
		s.log.Error("reading the status token", "err", err)
		return rand.Text() // nobody can know it
	}
	return strings.TrimSpace(string(b))
}
