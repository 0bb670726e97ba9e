// SPDX-License-Identifier: Apache-2.0

// Package certs loads, makes and checks the units' certificates and keys; one
// immutable snapshot.
//
// [Load] reads the whole folder and either returns a [Snapshot] that never
// changes, or one error that names every fault of every unit. [Replace] puts a
// new pair into the folder such that a reader, and a kill at any moment, finds
// either the old pair or the new one. [Maker] makes what is missing.
package certs

import "slices"

// Unit is one use of a certificate, by the name that administrators know from
// Cisco's system. Its files are UNIT.pem (leaf first, then the chain) and
// UNIT.key.
type Unit string

// The units.
const (
	CallManager      Unit = "CallManager"
	CallManagerECDSA Unit = "CallManager-ECDSA"
	Tomcat           Unit = "tomcat"
	TomcatECDSA      Unit = "tomcat-ECDSA"
	CAPF             Unit = "CAPF"
	TVS              Unit = "TVS"
	ITLRecovery      Unit = "ITLRecovery"
)

// Units returns all units, in the order in which they are checked and listed.
func Units() []Unit {
	return []Unit{CallManager, CallManagerECDSA, Tomcat, TomcatECDSA, CAPF, TVS, ITLRecovery}
}

// Known says whether there is a unit of this name.
func (u Unit) Known() bool { return slices.Contains(Units(), u) }

// EC says whether the unit's key is one of an elliptic curve; all others are
// RSA.
func (u Unit) EC() bool { return u == CallManagerECDSA || u == TomcatECDSA }

// signsLists says whether phones verify with this unit's key: their trust
// lists have codes for some key sizes only.
func (u Unit) signsLists() bool { return u == CallManager || u == ITLRecovery }

// mayBeOffline says whether the key may be kept elsewhere.
func (u Unit) mayBeOffline() bool { return u == ITLRecovery }

// mayBeAbsent says whether a listener does without the unit if there is none.
func (u Unit) mayBeAbsent() bool { return u == TomcatECDSA }

func (u Unit) pemFile() string { return string(u) + ".pem" }
func (u Unit) keyFile() string { return string(u) + ".key" }

// commitFile holds certificates and key of a pair that is being put into
// place. While it is there, it is what counts.
func (u Unit) commitFile() string { return "." + string(u) + ".commit" }
