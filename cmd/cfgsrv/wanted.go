// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cfgsrv/capf"
	"cfgsrv/https"
	"cfgsrv/listeners"
	"cfgsrv/status"
	"cfgsrv/tftp"
	"cfgsrv/tvs"
)

// wanted lists the listeners that a generation asks for.
func (s *server) wanted(g *generation) []listeners.Wanted {
	var all []listeners.Wanted
	for _, l := range g.settings.Listen.all() {
		if l.addr == off || !s.services.runs(l.name) {
			continue
		}
		all = append(all, listeners.Wanted{Name: l.name, Addr: l.addr, Listen: s.counted(l.name, s.listen(l.name, l.addr))})
	}
	return all
}

// counted lets the metrics count what the listener is answering.
func (s *server) counted(name string, listen func() (listeners.Listener, error)) func() (listeners.Listener, error) {
	return func() (listeners.Listener, error) {
		l, err := listen()
		if c, ok := l.(inProgress); ok && err == nil {
			s.working.Store(name, c)
		}
		return l, err
	}
}

// inProgress is a listener that counts the requests that it is answering.
type inProgress interface{ InProgress() int }

// inProgress is how many requests all listeners are answering.
func (s *server) inProgress() int {
	n := 0
	s.working.Range(func(_, c any) bool { n += c.(inProgress).InProgress(); return true })
	return n
}

// listen is how a listener comes to be.
func (s *server) listen(name, addr string) func() (listeners.Listener, error) {
	switch name {
	case "tftp":
		return func() (listeners.Listener, error) {
			return tftp.New(tftp.Config{
				Listener: name, Addr: addr, Log: s.log, Record: s.record,
				Generation: func() tftp.Generation { return s.live.current().forTFTP() },
			})
		}
	case "capf":
		return func() (listeners.Listener, error) {
			return capf.New(capf.Config{
				Listener: name, Addr: addr, Log: s.log, Record: s.recordEnrolment,
				Generation: func() capf.Generation { return s.live.current().capf },
				Store:      s.loader.enrolments, LSC: capf.Folder(s.loader.data.lsc()),
			})
		}
	case "tvs":
		return func() (listeners.Listener, error) {
			return tvs.New(tvs.Config{
				Listener: name, Addr: addr, Log: s.log, Record: s.recordTrust,
				Generation: func() tvs.Generation { return s.live.current().tvs },
			})
		}
	case "status":
		return func() (listeners.Listener, error) {
			return status.New(status.Config{
				Addr: addr, Overview: s.overview, Metrics: s.metrics, Book: s.book, Log: s.log, Token: s.statusToken,
			})
		}
	default:
		return func() (listeners.Listener, error) {
			return https.New(https.Config{
				Listener: name, Addr: addr, Log: s.log, Record: s.record,
				Generation: func() https.Generation { return s.live.current().forHTTPS(name) },
			})
		}
	}
}
