// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"crypto/x509"
	"net/netip"

	"cfgsrv/device"
)

// Transport is how a request came in. Over HTTPS nothing is signed, because
// the phone expects plain XML there even when it asks for a .sgn name
// (FORMATS 1.1).
type Transport uint8

// The transports of DESIGN 4.
const (
	TFTP Transport = iota
	HTTP
	HTTPS
)

// Requester is what the transport could prove about who asks. The zero value
// proves nothing.
type Requester struct {
	Transport Transport
	Addr      netip.AddrPort
	// Device is set only from a client certificate that was verified.
	Device device.Name
	// Chain is what the client presented, leaf first; empty without a client
	// certificate.
	Chain []*x509.Certificate
	// Unproved says in one plain clause why Chain proves nothing; empty if the
	// client presented nothing or proved to be Device.
	Unproved string
}

// Form is one of the shapes in which a file goes out.
type Form uint8

// The forms of DESIGN 4. Signed and Encrypted are also what a name asks for.
const (
	Plain     Form = iota // the bytes of files/, also a ready-made .sgn, .enc.sgn or .tlv
	Signed                // .sgn, FORMATS 3
	Encrypted             // .enc.sgn, FORMATS 4
	Short                 // the short configuration, FORMATS 4.3; signed on TFTP and HTTP
	TrustList             // .tlv, FORMATS 2
)

var formNames = [...]string{"plain", "signed", "encrypted", "short", "trustlist"}

// String is the word for the log key "as" (DESIGN 6).
func (f Form) String() string { return formNames[f] }

// Request is one question for one file.
type Request struct {
	Name Name
	From Requester
	// As is the form that the guard decided on. What a client asks for is
	// Name.Form; sources behind the guard look only at As.
	As Form
	// Path is where the bytes lie below files/, for a derived form those of the
	// file it is made from; empty for a trust list. The guard sets it, and
	// Name.Device where the place of the file tells whose it is.
	Path string
	// Base is the file at Path as it was judged, if all of it is in memory: the
	// form is made of these bytes, and the file not opened again. It is the
	// receiver's, and needs no closing.
	Base *File
}
