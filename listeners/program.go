// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// unconnected are the states of a socket that has a port to itself, as the
// tables of proc(5) have them: listening for TCP, unconnected for UDP.
var unconnected = map[string]string{"tcp": "0A", "udp": "07"}

// programAt names the program that has the port at an address, such as
// "in.tftpd (process 812)". It is empty where that cannot be known: only root
// sees the sockets of other users' programs.
func programAt(network, addr string) string {
	for _, table := range []string{network, network + "6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			continue
		}
		for _, inode := range socketsAt(string(text), unconnected[network], addr) {
			if name := programWith("socket:[" + inode + "]"); name != "" {
				return name
			}
		}
	}
	return ""
}

// socketsAt are the inodes of the sockets of a table of proc(5) that are in the
// way of addr.
func socketsAt(table, state, addr string) []string {
	const ( // the columns
		localAt = 1
		stateAt = 3
		inodeAt = 9
	)
	var inodes []string
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) <= inodeAt || columns[stateAt] != state {
			continue
		}
		if local, ok := parseLocal(columns[localAt]); ok && inTheWay(local, addr) {
			inodes = append(inodes, columns[inodeAt])
		}
	}
	return inodes
}

// parseLocal reads "0100007F:1B3A": words of the address in the byte order of
// this host, and the port.
func parseLocal(column string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(column, ":")
	words, err := hex.DecodeString(host)
	if err != nil || len(words)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(words); i += 4 {
		binary.NativeEndian.PutUint32(words[i:], binary.BigEndian.Uint32(words[i:]))
	}
	ip, ok := netip.AddrFromSlice(words)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok && err == nil
}

// inTheWay says whether a socket at local keeps another from addr, which may
// have the name of a host: then its port decides.
func inTheWay(local netip.AddrPort, addr string) bool {
	if strconv.Itoa(int(local.Port())) != portOf(addr) {
		return false
	}
	wanted, err := netip.ParseAddrPort(addr)
	return err != nil || wanted.Addr().IsUnspecified() || local.Addr().IsUnspecified() || wanted.Addr().Unmap() == local.Addr()
}

// programWith names the process that has an open file.
func programWith(file string) string {
	open, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range open {
		if target, err := os.Readlink(fd); err != nil || target != file {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		name, err := os.ReadFile(process + "/comm")
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%s (process %s)", bytes.TrimSpace(name), filepath.Base(process))
	}
	return ""
}
