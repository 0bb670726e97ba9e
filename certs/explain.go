// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// Explanation is what one client would get of a listener, and why.
type Explanation struct {
	// Client is what the client offers.
	Client struct {
		Versions   []uint16 // as it ranks them
		Suites     []uint16
		Groups     []tls.CurveID
		Signatures []tls.SignatureScheme
	}
	// What it would get; zero if there would be no connection, and then also
	// what was not settled by that point.
	Version uint16
	Suite   uint16
	Group   tls.CurveID
	Unit    Unit
	// Why has a sentence for each of these, or at the end for why there would
	// be no connection.
	Why []string
}

// Explain says what a client would get of [Snapshot.ServerConfig] by its
// recorded ClientHello: the bytes of its records, the message alone, or the hex
// digits of either. An error is one of the recording, or ServerConfig's.
//
// It asks crypto/tls by answering the very hello, so it cannot be of another
// opinion than the listener. Sessions do not resume here: it says what a full
// handshake would give.
func (s *Snapshot) Explain(recorded []byte, p Profile, units ...Unit) (*Explanation, error) {
	message, err := readHello(recorded)
	if err != nil {
		return nil, fmt.Errorf("reading the recorded ClientHello: %w", err)
	}
	presenter, err := s.presenter(p, units)
	if err != nil {
		return nil, err
	}
	var hello *tls.ClientHelloInfo
	config := p.config(presenter) // for this one connection, so it may be modified
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		return nil, nil
	}
	conn := tls.Server(&recording{said: bytes.NewReader(records(message))}, config)
	ended := conn.Handshake()
	if hello == nil {
		return nil, fmt.Errorf("reading the recorded ClientHello: %s", strings.TrimPrefix(ended.Error(), "tls: "))
	}
	e := new(Explanation)
	e.readClient(hello)
	e.tell(p, presenter, hello, conn.ConnectionState(), ended)
	return e, nil
}

// recording is a client that says what was recorded and then hangs up.
type recording struct {
	net.Conn // nil: a handshake only reads and writes
	said     io.Reader
}

func (r *recording) Read(b []byte) (int, error)  { return r.said.Read(b) }
func (r *recording) Write(b []byte) (int, error) { return len(b), nil }

func (e *Explanation) readClient(hello *tls.ClientHelloInfo) {
	e.Client.Versions = withoutGREASE(hello.SupportedVersions)
	e.Client.Suites = withoutGREASE(hello.CipherSuites)
	e.Client.Groups = withoutGREASE(hello.SupportedCurves)
	e.Client.Signatures = withoutGREASE(hello.SignatureSchemes)
}

// withoutGREASE leaves out the values that clients invent to keep servers
// tolerant (RFC 8701).
func withoutGREASE[T ~uint16](all []T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff })
}

// tell puts into words what came of the handshake, which ended at the latest
// when the client had to answer.
func (e *Explanation) tell(p Profile, presenter *presenter, hello *tls.ClientHelloInfo, state tls.ConnectionState, ended error) {
	if state.Version == 0 {
		e.say("No connection: the client offers %s, and this listener begins at %s.",
			names(e.Client.Versions, tls.VersionName), tls.VersionName(p.minVersion()))
		return
	}
	e.Version = state.Version
	e.say("%s: the highest version that both offer.", tls.VersionName(e.Version))
	c, err := presenter.choose(hello)
	if !errors.Is(ended, io.EOF) && err == nil {
		reason, _, _ := strings.Cut(strings.TrimPrefix(ended.Error(), "tls: "), ";")
		err = errors.New(reason)
	}
	if err != nil {
		e.say("No connection: %s.", err)
		return
	}
	e.tellUnit(c)
	e.tellKeyExchange(p, state)
}

func (e *Explanation) tellUnit(c choice) {
	for _, n := range c.passed {
		e.say("Not %s: %s.", n.unit, n.why)
	}
	e.Unit = c.unit
	e.say("%s: %s.", c.unit, c.why)
}

func (e *Explanation) tellKeyExchange(p Profile, state tls.ConnectionState) {
	e.Suite, e.Group = state.CipherSuite, state.CurveID
	why := "the first in the order of preference that the client offers too"
	if e.Version < tls.VersionTLS13 {
		why += " and that goes with " + string(e.Unit)
	}
	e.say("%s: %s.", tls.CipherSuiteName(e.Suite), why)
	if e.Group != 0 {
		e.say("%s: the key exchange.", GroupName(e.Group))
		return
	}
	// In TLS 1.3 the server asks for another share first, and with that ends
	// here: it takes the first group that both have.
	i := slices.IndexFunc(p.groups(), func(g tls.CurveID) bool { return slices.Contains(e.Client.Groups, g) })
	if e.Version == tls.VersionTLS13 && i >= 0 {
		e.Group = p.groups()[i]
		e.say("%s: the first key exchange that both have; the client sent no share for it and is asked for one, which costs a round trip.", GroupName(e.Group))
	}
}

func (e *Explanation) say(format string, a ...any) { e.Why = append(e.Why, fmt.Sprintf(format, a...)) }

func names[T any](all []T, name func(T) string) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = name(v)
	}
	return strings.Join(words, ", ")
}
