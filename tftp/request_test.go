// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"strconv"
	"testing"
)

func TestParseRequest(t *testing.T) {
	tests := []struct {
		name     string
		datagram []byte
		want     options
		err      error
	}{
		{"plain", requestPacket("f"), options{}, nil},
		{"all options", requestPacket("f", "tsize", "0", "BLKSIZE", "8", "timeout", "1", "WindowSize", "65535"),
			options{blksize: 8, timeout: 1, windowsize: 65535, tsize: true}, nil},
		{"an unknown option", requestPacket("f", "multicast", "", "blksize", "9"), options{blksize: 9}, nil},
		{"the first of two counts", requestPacket("f", "blksize", "9", "blksize", "10"), options{blksize: 9}, nil},
		{"an option without a value", requestPacket("f", "blksize"), options{}, nil},
		{"NULs behind", append(requestPacket("f", "blksize", "9"), 0, 0, 0), options{blksize: 9}, nil},
		{"no NUL at the end", requestPacket("f")[:8], options{}, errMalformed},
		{"no mode", []byte("\x00\x01f\x00"), options{}, errMalformed},
		{"513 bytes", make([]byte, maxRequest+1), options{}, errMalformed},
		{"blksize below 8", requestPacket("f", "blksize", "7"), options{}, &optionError{"blksize"}},
		{"timeout above 255", requestPacket("f", "timeout", "256"), options{}, &optionError{"timeout"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(tt.datagram)
			var refused, want *optionError
			if errors.As(tt.err, &want) {
				if !errors.As(err, &refused) || *refused != *want || r.name != "f" {
					t.Errorf("got %+v, %v", r, err)
				}
				return
			}
			if !errors.Is(err, tt.err) || r.want != tt.want {
				t.Errorf("got %+v, %v", r, err)
			}
			if err == nil && (r.name != "f" || !r.isOctet() || r.raw != string(tt.datagram)) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// FuzzParseRequest checks that what parses is the same when it is written anew,
// and that what is granted is what the options allow.
func FuzzParseRequest(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.datagram)
	}
	f.Add(requestPacket("file", "blksize", "1428", "tsize", "0", "windowsize", "16", "timeout", "3"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		r, err := parseRequest(datagram)
		if err != nil {
			return
		}
		var fields []string
		for _, o := range []struct {
			name string
			n    int
		}{{"blksize", r.want.blksize}, {"timeout", r.want.timeout}, {"windowsize", r.want.windowsize}} {
			if o.n != 0 {
				fields = append(fields, o.name, strconv.Itoa(o.n))
			}
		}
		if r.want.tsize {
			fields = append(fields, "tsize", "0")
		}
		anew := requestIn(r.mode, r.name, fields...)
		if len(anew) > maxRequest {
			t.Skip("written longer than it was")
		}
		if again, err := parseRequest(anew); err != nil || again.name != r.name || again.mode != r.mode || again.want != r.want {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
		g := r.want.grant(defaultBlockSize)
		if g.blockSize() > defaultBlockSize || g.window() > maxWindow || g.window() > 1 && g.window()*(headerSize+g.blockSize()) > maxWindowBytes {
			t.Errorf("granted %+v", g)
		}
	})
}
