// SPDX-License-Identifier: Apache-2.0

package tftp

import "strings"

// request is a read or write request (RFC 1350 section 5, RFC 2347).
type request struct {
	raw  string // the datagram; one that is repeated is equal
	op   uint16
	name string
	mode string // as it was written
	want options
}

// parseRequest takes a datagram apart, which has not been cut on its way here.
// The error is errMalformed or an *optionError; with the latter everything but
// the options is known.
func parseRequest(datagram []byte) (request, error) {
	if len(datagram) < headerSize || len(datagram) > maxRequest {
		return request{}, errMalformed
	}
	r := request{raw: string(datagram), op: opcode(datagram)}
	rest := r.raw[2:]
	var named, moded bool
	r.name, rest, named = strings.Cut(rest, "\x00")
	r.mode, rest, moded = strings.Cut(rest, "\x00")
	if !named || !moded {
		return request{op: r.op}, errMalformed
	}
	var err error
	r.want, err = parseOptions(rest)
	return r, err
}

// RFC 1350 section 5: the mode is in any case.
func (r *request) isOctet() bool    { return strings.EqualFold(r.mode, "octet") }
func (r *request) isNetascii() bool { return strings.EqualFold(r.mode, "netascii") }
