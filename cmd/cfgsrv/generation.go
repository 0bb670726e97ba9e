// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"

	"cfgsrv/capf"
	"cfgsrv/certs"
	"cfgsrv/configfiles"
	"cfgsrv/derived"
	"cfgsrv/device"
	"cfgsrv/https"
	"cfgsrv/tftp"
	"cfgsrv/tvs"
)

// generation is all that follows from one state of the disk, checked whole. It
// is never modified.
type generation struct {
	number   uint64
	loaded   time.Time
	settings settings
	certs    *certs.Snapshot
	devices  *device.Certificates
	// directory is files/; it lives as long as the setting names it.
	directory *configfiles.Directory
	derived   *derived.Source
	capf      capf.Generation
	tvs       tvs.Generation
	listed    []tvs.Listed // what the trust lists hold
	files     configfiles.Source
	tls       map[string]*tls.Config   // by listener
	judges    map[string]*device.Judge // by listener
}

// live is the running generation, the only thing in the program that changes
// while it serves.
type live struct{ p atomic.Pointer[generation] }

func (l *live) current() *generation { return l.p.Load() }

func (l *live) store(g *generation) { l.p.Store(g) }

func (g *generation) forTFTP() tftp.Generation {
	return tftp.Generation{
		Number:        g.number,
		Files:         g.files,
		MaxTransfers:  g.settings.TFTP.MaxTransfers,
		MaxPerAddress: g.settings.TFTP.MaxPerAddress,
		BlockSize:     g.settings.TFTP.BlockSize,
		SinglePort:    g.settings.TFTP.SinglePort,
	}
}

// forHTTPS is what the listener of that name serves: http, phones or jabber.
func (g *generation) forHTTPS(listener string) https.Generation {
	return https.Generation{
		Number:         g.number,
		Files:          g.files,
		TLS:            g.tls[listener],
		Identify:       g.identify(listener),
		MaxConnections: g.settings.HTTPS.MaxConnections,
		MaxPerAddress:  g.settings.HTTPS.MaxPerAddress,
	}
}

// identify says which device a client certificate proves on that listener.
func (g *generation) identify(listener string) func([]*x509.Certificate) configfiles.Requester {
	judge := g.judges[listener]
	if judge == nil {
		return nil
	}
	return func(chain []*x509.Certificate) configfiles.Requester {
		name, err := judge.Prove(chain, time.Now())
		if err != nil {
			return configfiles.Requester{Chain: chain, Unproved: err.Error()}
		}
		return configfiles.Requester{Chain: chain, Device: name}
	}
}
