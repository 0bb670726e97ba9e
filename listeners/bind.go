// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/hashicorp/go-multierror"
)

// BindError tells why a listener could not be made, and what to do.
type BindError struct {
	Listener string
	Addr     string // as configured
	Err      error
	// Holder is the listener of this server that has the port; empty if it is
	// another program, or if the port is not what is wrong.
	Holder string
	// Program is the other program that has it, if that can be known.
	Program string
	// Leaving is set if Holder gives the port up, but only after the change.
	Leaving bool
}

// BindErrors takes the error of [Set.Prepare] apart. It is empty if that is not
// about listeners that could not be made.
func BindErrors(err error) []*BindError {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	var faults []*BindError
	for _, one := range all.Errors {
		if e, ok := errors.AsType[*BindError](one); ok {
			faults = append(faults, e)
		}
	}
	return faults
}

func (e *BindError) Unwrap() error { return e.Err }

func (e *BindError) Error() string { return e.Listener + ": " + e.cause() }

func (e *BindError) cause() string {
	another := "set another address with --" + e.Listener
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return e.taken(another)
	case errors.Is(e.Err, syscall.EACCES):
		return e.denied()
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is not an address of this host; %s", e.Addr, another)
	case errors.Is(e.Err, syscall.EAFNOSUPPORT):
		return fmt.Sprintf("this host has no network of the kind of %s; %s", e.Addr, another)
	case isMalformed(e.Err):
		return fmt.Sprintf("%q is not an address; set HOST:PORT, :PORT or off with --%s", e.Addr, e.Listener)
	}
	if unknown := (*net.DNSError)(nil); errors.As(e.Err, &unknown) {
		return fmt.Sprintf("%q cannot be resolved: %s; %s", e.Addr, unknown.Err, another)
	}
	return fmt.Sprintf("opening %s: %v", e.Addr, e.Err)
}

func (e *BindError) taken(another string) string {
	switch {
	case e.Program != "":
		return fmt.Sprintf("%s is in use by %s; stop it or %s", e.port(), e.Program, another)
	case e.Holder == "":
		return fmt.Sprintf("%s is in use by another program (as root, 'ss -lntup' names it); stop it or %s", e.port(), another)
	case e.Leaving:
		return fmt.Sprintf("%s stays open for the running listener %s until the change is done; restart the service to move it", e.port(), e.Holder)
	}
	return fmt.Sprintf("%s belongs to the listener %s; %s", e.port(), e.Holder, another)
}

func (e *BindError) denied() string {
	if n, err := strconv.Atoi(portOf(e.Addr)); err == nil && n > 1023 {
		return fmt.Sprintf("the system denies %s to this program; see what its security module (SELinux, AppArmor) logged", e.port())
	}
	return fmt.Sprintf("port %s needs the capability CAP_NET_BIND_SERVICE; start it by the systemd unit, "+
		"or setcap 'cap_net_bind_service=+ep' on the binary, or choose a port above 1023", portOf(e.Addr))
}

// port names the port as a person would: "UDP port 69".
func (e *BindError) port() string {
	return strings.TrimSpace(strings.ToUpper(e.network()) + " port " + portOf(e.Addr))
}

// heldBy says whether r has, or had, the port that is in use.
func (e *BindError) heldBy(r *server) bool {
	return family(r.Addr().Network()) == e.network() && portOf(r.Addr().String()) == portOf(e.Addr)
}

// network is tcp or udp, or empty if the error does not tell.
func (e *BindError) network() string {
	var op *net.OpError
	if !errors.As(e.Err, &op) {
		return ""
	}
	return family(op.Net)
}

// family is the name of a network without its version of IP.
func family(network string) string { return strings.TrimRight(network, "46") }

// portOf is the port of addr, or all of addr if it has none.
func portOf(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return port
}

func isMalformed(err error) bool {
	var addr *net.AddrError
	var number *net.ParseError
	return errors.As(err, &addr) || errors.As(err, &number)
}
