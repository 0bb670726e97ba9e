// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"errors"
	"net"
	"reflect"
)

var errUnknownShape = errors.New("github.com/pin/tftp is not the version that this was written for")

// innards takes from what the library hands to a handler the two things that it
// keeps to itself, and that a server on the open network needs: the transfer's
// own socket and the mode.
//
// With the socket a request can be dropped without a word, which is the only
// thing that a repeated one must get; refused with the right error code instead
// of always 1, which a phone reads as "there is no such file"; and cut at any
// moment. The library can do none of this (upstream #64, #65, #79, #80, #96),
// and its listening socket cannot be wrapped, for then it no longer answers
// from the address that was asked. That is worth reading two unexported fields
// of a version that go.mod pins; TestInnards tells when they move.
func innards(end any) (socket *net.UDPConn, mode string, err error) {
	v := reflect.Indirect(reflect.ValueOf(end)) // *sender or *receiver
	if v.Kind() != reflect.Struct {
		return nil, "", errUnknownShape
	}
	modeField, connection := v.FieldByName("mode"), v.FieldByName("conn")
	if modeField.Kind() != reflect.String || connection.Kind() != reflect.Interface {
		return nil, "", errUnknownShape
	}
	v = reflect.Indirect(connection.Elem()) // *connConnection
	if v.Kind() != reflect.Struct {
		return nil, "", errUnknownShape
	}
	conn := v.FieldByName("conn")
	if !conn.IsValid() || conn.Type() != reflect.TypeFor[*net.UDPConn]() {
		return nil, "", errUnknownShape
	}
	return (*net.UDPConn)(conn.UnsafePointer()), modeField.String(), nil
}
