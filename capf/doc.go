// SPDX-License-Identifier: Apache-2.0

// Package capf enrols devices: checks who asks, issues LSCs, keeps the record.
//
// # Parts
//
// A [Server] holds the sessions of FORMATS 6 on one socket. What is to happen to
// a device stands in the [Store], the record, as its [Order]; certificates come
// from an [Authority], and lie in a [Folder], which is lsc/. [Enrol] is the other
// side: it plays a phone.
//
// # The record and its users
//
// The record is one file for the server and the commands together. Each opens
// it only for the time of a transaction, so that a change of a command is there
// for the next session, and a command works with the server running or stopped.
// There is nothing to close. Store.Pending and Store.Revoked are for other
// listeners: they look in memory.
//
// # What a certificate is worth
//
// An LSC is in lsc/ before the phone gets it, and what it replaces is revoked
// for good from then on; only for the retry of a session that broke off, the
// phone may still show it here. A deletion removes the LSC from lsc/ once the
// phone has confirmed. Whoever builds generations calls Store.Observe with what
// lsc/ holds, which finds what was replaced or removed by hand.
package capf
