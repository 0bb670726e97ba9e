// SPDX-License-Identifier: Apache-2.0

package https

import (
	"bytes"
	"strings"
)

// plainRequest is a request that needs nothing of net/http: GET, HTTP/1.1, a
// path that means what it says, and headers that change nothing about the
// answer. So ask phones, Jabber and most tools.
type plainRequest struct {
	path  string
	close bool // the client wants the connection to end
}

var (
	requestStart = []byte("GET /")
	versionEnd   = []byte(" HTTP/1.1")
	lineEnd      = []byte("\r\n")
)

// parsePlain reads a whole request. It is false for everything else: part of
// one, more than one, and whatever is in the least unusual, valid or not. That
// is for net/http to judge.
func parsePlain(b []byte) (r plainRequest, ok bool) {
	if !bytes.HasPrefix(b, requestStart) || bytes.Index(b, endOfHead) != len(b)-len(endOfHead) {
		return r, false
	}
	line, rest, _ := bytes.Cut(b[:len(b)-len(lineEnd)], lineEnd)
	target, ok := bytes.CutSuffix(line[len("GET "):], versionEnd)
	if !ok || !isPlainPath(target) {
		return r, false
	}
	hosts := 0
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, lineEnd)
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return r, false
		}
		switch value = bytes.Trim(value, " "); plainHeader(name) {
		case ignored:
			ok = isPrintable(value)
		case host:
			hosts++
			ok = isPlainHost(value)
		case connection:
			ends := isToken(value, "close")
			r.close = r.close || ends
			ok = ends || isToken(value, "keep-alive")
		default:
			ok = false
		}
		if !ok {
			return r, false
		}
	}
	r.path = string(target)
	return r, hosts == 1
}

// header is what a header means to a plain request.
type header uint8

const (
	unusual header = iota
	ignored
	host
	connection
)

// plainHeader goes by the name, in any case.
func plainHeader(name []byte) header {
	switch {
	case isToken(name, "host"):
		return host
	case isToken(name, "connection"):
		return connection
	case isToken(name, "user-agent"), isToken(name, "accept"), isToken(name, "accept-encoding"), isToken(name, "accept-language"):
		return ignored
	}
	return unusual
}

// isToken compares without regard to case; lower is in lower case.
func isToken(b []byte, lower string) bool {
	return len(b) == len(lower) && strings.EqualFold(string(b), lower)
}

// isPlainPath is true for paths in which nothing is encoded, and which no rule
// of RFC 3986 takes apart.
func isPlainPath(p []byte) bool {
	for i, c := range p {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '@', c == '+':
		case c == '/' && (i == 0 || p[i-1] != '/'):
		default:
			return false
		}
	}
	return true
}

func isPlainHost(h []byte) bool {
	for _, c := range h {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return len(h) > 0
}

func isPrintable(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
