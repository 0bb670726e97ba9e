// SPDX-License-Identifier: Apache-2.0

// Command cfgsrv serves Cisco IP phones and Jabber their configurations over
// TFTP, HTTP and HTTPS. It reads the command line, wires the rooms together,
// builds generations, and exits.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
