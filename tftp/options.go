// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The limits of the options, in the RFC of each.
const (
	leastBlockSize = 8     // RFC 2348
	mostBlockSize  = 65464 // RFC 2348
	mostTimeout    = 255   // seconds, RFC 2349
	mostWindow     = 65535 // RFC 7440
)

// What this server grants of a window. Its blocks are kept until they are
// acknowledged, and leave as one message that the kernel cuts into datagrams.
const (
	maxWindow      = 64    // blocks; more the kernel does not cut a message into
	maxWindowBytes = 65507 // with headers: one UDP message over IPv4
)

// options are those of RFC 2348, 2349 and 7440 that a request names, or that a
// server grants. Zero is none.
type options struct {
	blksize    int
	timeout    int // seconds
	windowsize int
	tsize      bool
}

// optionError refuses a request for the value of an option.
type optionError struct{ name string }

func (e *optionError) Error() string {
	return fmt.Sprintf("the value of option %s is not allowed", e.name)
}

// parseOptions reads names and values in turn. Names are in any case, and of one
// that comes twice the first counts (RFC 2347). One that is unknown or has no
// value is passed over, as RFC 2347 wants it of a server.
func parseOptions(s string) (o options, err error) {
	for s != "" {
		name, rest, _ := strings.Cut(s, "\x00")
		value, rest, whole := strings.Cut(rest, "\x00")
		if name == "" || !whole {
			return o, nil
		}
		if err := o.set(name, value); err != nil {
			return options{}, err
		}
		s = rest
	}
	return o, nil
}

func (o *options) set(name, value string) error {
	switch {
	case strings.EqualFold(name, "blksize"):
		return setNumber(&o.blksize, "blksize", value, leastBlockSize, 1<<31-1) // a larger one than allowed is granted as less
	case strings.EqualFold(name, "timeout"):
		return setNumber(&o.timeout, "timeout", value, 1, mostTimeout)
	case strings.EqualFold(name, "windowsize"):
		return setNumber(&o.windowsize, "windowsize", value, 1, mostWindow)
	case strings.EqualFold(name, "tsize"):
		o.tsize = true // the value of a read request means nothing, RFC 2349
	}
	return nil
}

func setNumber(to *int, name, value string, least, most int64) error {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least || n > most {
		return &optionError{name}
	}
	if *to == 0 {
		*to = int(n)
	}
	return nil
}

// grant is what of o a server grants whose blocks may have blockSize bytes.
func (o options) grant(blockSize int) options {
	o.blksize = min(o.blksize, blockSize)
	if o.windowsize > 0 {
		o.windowsize = min(o.windowsize, maxWindow, max(1, maxWindowBytes/(headerSize+o.blockSize())))
	}
	return o
}

func (o options) any() bool { return o != options{} }

// blockSize and window are what holds without the option, too.
func (o options) blockSize() int { return orDefault(o.blksize, plainBlockSize) }
func (o options) window() int    { return orDefault(o.windowsize, 1) }

// interval is the time between two sendings, or zero if it is the server's to
// say.
func (o options) interval() time.Duration { return time.Duration(o.timeout) * time.Second }

// oack is the packet that grants o for a file of size bytes (RFC 2347).
func (o options) oack(size int64) []byte {
	p := make([]byte, 2, 64)
	p[1] = opOACK
	number := func(name string, n int64) {
		p = append(append(p, name...), 0)
		p = append(strconv.AppendInt(p, n, 10), 0)
	}
	if o.blksize > 0 {
		number("blksize", int64(o.blksize))
	}
	if o.timeout > 0 {
		number("timeout", int64(o.timeout))
	}
	if o.tsize {
		number("tsize", size)
	}
	if o.windowsize > 0 {
		number("windowsize", int64(o.windowsize))
	}
	return p
}
