// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestASmallReceiveBufferIsToldOnce(t *testing.T) {
	const size = 1 << 30 // more than any system grants by itself
	var log syncBuffer
	done := make(chan error)
	go func() {
		// A thread without capabilities, which ends with this goroutine.
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			done <- err
			return
		}
		conn, _, err := listen("127.0.0.1:0", size, slog.New(slog.NewTextHandler(&log, nil)))
		if err == nil {
			conn.close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "net.core.rmem_max to 1073741824") {
		t.Errorf("logged %q", got)
	}
}

func TestReceiveBuffer(t *testing.T) {
	var log syncBuffer
	const size = 100_000 // less than every system grants
	conn, _, err := listen("127.0.0.1:0", size, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	granted, err := unix.GetsockoptInt(conn.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		t.Fatal(err)
	}
	if granted < size || log.String() != "" {
		t.Errorf("granted %d, logged %q", granted, log.String())
	}
}
