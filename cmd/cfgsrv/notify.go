// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// supervisor tells the service manager what the server is doing, as
// Type=notify-reload wants it (sd_notify(3)). Without one it does nothing.
type supervisor struct{ log *slog.Logger }

func (s supervisor) ready(status string) { s.say("READY=1\nSTATUS=" + status) }

func (s supervisor) stopping() { s.say("STOPPING=1\nSTATUS=finishing what is under way") }

func (s supervisor) reloading() {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		s.log.Warn("reading the monotonic clock", "err", err)
		return
	}
	s.say(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", t.Nano()/1000))
}

func (s supervisor) say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("notifying the service manager", "err", err)
	}
}
