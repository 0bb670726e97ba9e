// SPDX-License-Identifier: Apache-2.0

// Package listeners keeps the running servers equal to the wanted ones, and
// restarts them.
package listeners

import (
	"context"
	"net"
)

// Listener is a server on one socket. Constructed means bound: the constructor
// has opened the socket, and Shutdown closes it even if Serve was never called.
// All methods but Serve may be called at any time and by several goroutines.
// The package listenertest checks what is promised here.
type Listener interface {
	// Addr is the address of the socket, also after it was closed.
	Addr() net.Addr
	// Serve runs until Shutdown, then returns nil, at once if Shutdown came
	// first; it is called at most once. Any other return is a fault of the
	// socket.
	Serve() error
	// Restart begins the next generation on the same socket: what is under way
	// finishes, idle connections are closed, what is new comes from the new one.
	// It does not block.
	Restart()
	// Shutdown stops accepting, waits for what is under way until ctx ends,
	// then cuts it and returns an error that wraps ctx.Err(). It returns nil if
	// nothing was cut. After it returns no goroutine of the listener is left,
	// Serve's caller excepted. A second call is harmless.
	Shutdown(ctx context.Context) error
}
