// SPDX-License-Identifier: Apache-2.0

package configfiles

// verdict is a cell of the table.
type verdict uint8

const (
	file       verdict = iota // the unsigned file
	fileOrMade                // the unsigned file, else what lies under the very name
	made                      // what lies under the very name
	signed                    // the same, else the file, signed
	encrypted                 // the same, else the file, encrypted
	shortForm                 // the short form of the device's master
	closed                    // refused, if there is such a file
	refused                   // refused, whether there is such a file or not
)

// protection is a row of the table.
type protection uint8

const (
	unprotected  protection = iota // an ordinary file, or encrConfig not true
	forKey                         // an RSA certificate is known
	forNobody                      // no certificate is known
	forPresenter                   // an ECDSA certificate is known, or one that cannot be read
	forEnrolment                   // the same, and an enrolment is pending
)

// column is who asks.
type column uint8

const (
	inTheClear column = iota // over tftp or http
	unproved                 // over TLS
	proved                   // over TLS, and the certificate is the device's
)

// table says what is answered to a name without suffix, with .sgn and with
// .enc.sgn, to each column.
var table = [...][3][3]verdict{
	unprotected: {
		Plain:     {file, file, file},
		Signed:    {signed, fileOrMade, fileOrMade},
		Encrypted: {made, made, made},
	},
	forKey: {
		Plain:     {closed, closed, file},
		Signed:    {shortForm, shortForm, file},
		Encrypted: {encrypted, encrypted, fileOrMade},
	},
	forNobody: {
		Plain:     {closed, closed, file},
		Signed:    {shortForm, shortForm, file},
		Encrypted: {made, made, fileOrMade},
	},
	forPresenter: {
		Plain:     {refused, refused, file},
		Signed:    {refused, refused, file},
		Encrypted: {refused, refused, fileOrMade},
	},
	forEnrolment: {
		Plain:     {refused, refused, file},
		Signed:    {shortForm, shortForm, file},
		Encrypted: {refused, refused, fileOrMade},
	},
}
