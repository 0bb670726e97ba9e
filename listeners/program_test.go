// SPDX-License-Identifier: Apache-2.0

package listeners

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// line is one of the tables of proc(5), as this host would write it.
func line(addr, state, inode string) string {
	at := netip.MustParseAddrPort(addr)
	words := at.Addr().AsSlice()
	for i := 0; i < len(words); i += 4 {
		binary.BigEndian.PutUint32(words[i:], binary.NativeEndian.Uint32(words[i:]))
	}
	return fmt.Sprintf("  1: %s:%04X 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %s 2 0000\n",
		strings.ToUpper(hex.EncodeToString(words)), at.Port(), state, inode)
}

func TestOnlySocketsInTheWayAreNamed(t *testing.T) {
	table := "  sl  local_address rem_address   st\n" +
		line("192.0.2.1:69", "07", "11") + line("[2001:db8::1]:69", "07", "12") +
		line("[::ffff:192.0.2.2]:69", "07", "13") + line("192.0.2.1:6969", "07", "14") + line("192.0.2.1:69", "01", "15")
	for _, tt := range []struct{ addr, want string }{
		{":69", "[11 12 13]"},
		{"0.0.0.0:69", "[11 12 13]"},
		{"192.0.2.1:69", "[11]"},
		{"192.0.2.2:69", "[13]"},
		{"[2001:db8::1]:69", "[12]"},
		{"pbx:69", "[11 12 13]"},
		{"192.0.2.3:69", "[]"},
		{":70", "[]"},
	} {
		if got := fmt.Sprint(socketsAt(table, "07", tt.addr)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.want)
		}
	}
	if got := fmt.Sprint(socketsAt(line("0.0.0.0:69", "0A", "16")+"broken\n", "0A", "192.0.2.1:69")); got != "[16]" {
		t.Errorf("all addresses are not in the way of one: %s", got)
	}
}
