// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"time"

	"cfgsrv/device"
)

// Entry is everything that the record holds about one device. Its JSON form is
// how it is stored, the authentication string included.
type Entry struct {
	Device device.Name `json:"-"`
	Order
	// Enrolment is an installation that has begun and that the phone has not
	// confirmed yet; nil without one.
	Enrolment *Enrolment `json:"enrolment,omitempty"`
	// Deleting is set while the device was told to delete its LSC and has not
	// answered.
	Deleting bool `json:"deleting,omitempty"`
	// NotAfter is the end of the LSC that the phone has confirmed last; zero
	// without one.
	NotAfter time.Time `json:"notAfter,omitzero"`
	// Fetched is the certificate that the phone sent last when it was asked for
	// one, DER; nil without one. Nothing has been checked about it.
	Fetched []byte `json:"fetched,omitempty"`
	Last    Result `json:"last,omitzero"`
}

// Result is how a device's last session ended that had something to do.
type Result struct {
	Failed bool      `json:"failed,omitempty"`
	Reason string    `json:"reason"` // one plain sentence
	At     time.Time `json:"at"`
}

// done ends an order. The authentication string was good for once.
func (e *Entry) done(reason string) {
	e.Operation, e.AuthString, e.Until = None, "", time.Time{}
	e.Enrolment, e.Deleting = nil, false
	e.Last = Result{Reason: reason, At: time.Now()}
}
