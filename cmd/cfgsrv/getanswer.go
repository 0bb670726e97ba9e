// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"cfgsrv/tftp"
)

// tftpNotFound is RFC 1350's error code for a file that is not there.
const tftpNotFound = 1

// maxWords bounds what is repeated of a server's words, in bytes.
const maxWords = 4096

// answerError is an answer that is no file, in the server's own words.
type answerError struct {
	missing bool // there is no such file
	words   string
}

func (e *answerError) Error() string { return e.words }

// httpAnswer is an answer with another status than 200. Its words are those of
// the body; a page made for browsers says no more than the status.
func httpAnswer(res *http.Response) error {
	words := ""
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxWords)) // what has come will do
		words = strings.Join(strings.Fields(string(body)), " ")
	}
	return &answerError{
		missing: res.StatusCode == http.StatusNotFound,
		words:   cmp.Or(words, res.Status),
	}
}

// tftpAnswer is what an error of tftp.Get says besides the file and the server,
// which the caller names.
func tftpAnswer(err error) error {
	if remote := (*tftp.RemoteError)(nil); errors.As(err, &remote) {
		return &answerError{missing: remote.Code == tftpNotFound, words: remote.Error()}
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return err
}

// fetchFault says plainly why there is no answer, without the addresses that
// the system's errors repeat.
func (f *fetcher) fetchFault(ctx context.Context, err error) error {
	unknown := (*net.DNSError)(nil)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not done within %s; see --timeout", f.timeout)
	case errors.As(err, &unknown):
		return fmt.Errorf("the host %s cannot be found: %s", unknown.Name, unknown.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused: nothing listens there")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer")
	}
	return err
}
