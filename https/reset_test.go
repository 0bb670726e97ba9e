// SPDX-License-Identifier: Apache-2.0

package https

import (
	"crypto/tls"
	"net"
	"testing"

	"cfgsrv/configfiles"
)

// TestClientThatResetsIsNotMalformed ends connections in ways that are no
// request, after which nothing may be told but what was asked.
func TestClientThatResetsIsNotMalformed(t *testing.T) {
	reset := func(phone *phone) {
		c := phone.Conn
		if secure, ok := c.(*tls.Conn); ok {
			c = secure.NetConn()
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for _, mode := range []string{"http", "https"} {
		var config *tls.Config
		gen := Generation{Files: served, MaxPerAddress: 1}
		if mode == "https" {
			gen.TLS, config = serverTLS(t, 1), clientTLS()
		}
		for name, end := range map[string]func(*site, *phone){
			"before a request": func(_ *site, p *phone) { reset(p) },
			"between requests": func(_ *site, p *phone) {
				p.get("/ringlist.xml")
				reset(p)
			},
			"between requests of net/http": func(_ *site, p *phone) {
				p.get("/ringlist.xml", "X-Other: 1")
				reset(p)
			},
			"to make room for another": func(s *site, p *phone) {
				p.get("/ringlist.xml")
				waitFor(t, "the connection is idle", func() bool { return s.conns.count(idle) == 1 })
				s.dial(config).get("/ringlist.xml")
			},
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				s := start(t, gen)
				end(s, s.dial(config))
				s.shutdown()
				for len(s.records) > 0 {
					if r := s.record(); r.Outcome != configfiles.Served {
						t.Errorf("record %+v", r)
					}
				}
			})
		}
	}
}
