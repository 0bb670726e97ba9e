// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"io/fs"

	"cfgsrv/configfiles"
)

var (
	errRepeated = errors.New("the request was repeated while its transfer ran")
	errBusy     = errors.New("busy, try again")
	errReadOnly = errors.New("files cannot be stored here")
	errMode     = errors.New("only the modes octet and netascii are served")
	// errMalformed is what is no packet of TFTP.
	errMalformed = errors.New("this is no TFTP request")
)

// abortedError ends a transfer that had begun. Its client gets no ERROR any
// more, or has got it.
type abortedError struct {
	reason string // one plain sentence
	err    error  // what the client, the network or the library said, may be nil
}

func (e *abortedError) Unwrap() error { return e.err }
func (e *abortedError) Error() string { return e.reason }

// reply is how a request ends: for the record, and for the ERROR of RFC 1350.
type reply struct {
	outcome configfiles.Outcome
	code    uint16
	reason  string // what the client gets to read
	err     error  // the cause, for the log alone
}

// told is what the record says: of a file that is not there it knows more than
// the client hears, such as two files that bear the name.
func (r reply) told() (reason string, err error) {
	var missing *configfiles.NotFoundError
	if errors.As(r.err, &missing) {
		return missing.Error(), nil
	}
	return r.reason, r.err
}

// replyTo is the one table from errors to what the client and the log are told.
func replyTo(err error) reply {
	var aborted *abortedError
	var denied *configfiles.DeniedError
	var missing *configfiles.NotFoundError
	var option *optionError
	switch {
	case err == nil:
		return reply{outcome: configfiles.Served}
	case errors.As(err, &aborted):
		return reply{outcome: configfiles.Aborted, reason: aborted.reason, err: aborted.err}
	case errors.Is(err, errBusy):
		return reply{configfiles.Busy, codeUndefined, errBusy.Error(), nil}
	case errors.Is(err, errReadOnly):
		return reply{configfiles.Refused, codeAccess, errReadOnly.Error(), nil}
	case errors.Is(err, errMode):
		return reply{configfiles.Refused, codeIllegal, errMode.Error(), nil}
	case errors.Is(err, errMalformed):
		return reply{configfiles.Refused, codeIllegal, errMalformed.Error(), nil}
	case errors.As(err, &option):
		return reply{configfiles.Refused, codeOption, option.Error(), nil}
	case errors.As(err, &denied):
		return reply{configfiles.Refused, codeAccess, denied.Reason, nil}
	case errors.Is(err, configfiles.ErrDenied):
		return reply{configfiles.Refused, codeAccess, "this file is not for you", err}
	case errors.As(err, &missing):
		return reply{configfiles.NotFound, codeNotFound, "File not found", missing}
	case errors.Is(err, fs.ErrNotExist):
		return reply{configfiles.NotFound, codeNotFound, "File not found", nil}
	}
	return reply{configfiles.Failed, codeUndefined, "internal error", err}
}
