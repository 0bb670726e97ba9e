// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cfgsrv/configfiles"
)

// client is a TFTP client of other people.
type client struct {
	name string
	// get is the command that fetches a file of host and port to local.
	get func(host, port, file, local string) []string
	// netascii is its mode; decodes says that it turns it back into the file.
	netascii, decodes bool
	// refused is what it prints on error code 1; of curl it is the exit code.
	refused string
}

var clients = []client{
	{name: "curl", refused: "(68)", get: func(host, port, file, local string) []string {
		return []string{"curl", "-sS", "-o", local, "tftp://" + net.JoinHostPort(host, port) + "/" + file}
	}},
	{name: "curl with blocks of 1428", refused: "(68)", get: func(host, port, file, local string) []string {
		return []string{"curl", "-sS", "--tftp-blksize", "1428", "-o", local, "tftp://" + net.JoinHostPort(host, port) + "/" + file}
	}},
	{name: "curl without options", refused: "(68)", get: func(host, port, file, local string) []string {
		return []string{"curl", "-sS", "--tftp-no-options", "-o", local, "tftp://" + net.JoinHostPort(host, port) + "/" + file}
	}},
	{name: "curl in netascii", netascii: true, refused: "(68)", get: func(host, port, file, local string) []string {
		return []string{"curl", "-sS", "-o", local, "tftp://" + net.JoinHostPort(host, port) + "/" + file + ";mode=netascii"}
	}},
	{name: "tftp-hpa", refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"tftp", "-m", "octet", host, port, "-c", "get", file, local}
	}},
	{name: "tftp-hpa in netascii", netascii: true, decodes: true, refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"tftp", "-m", "netascii", host, port, "-c", "get", file, local}
	}},
	{name: "atftp", refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"atftp", "--get", "-r", file, "-l", local, host, port}
	}},
	{name: "atftp with options", refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"atftp", "--option", "blksize 1428", "--option", "tsize 0", "--get", "-r", file, "-l", local, host, port}
	}},
	{name: "atftp in netascii", netascii: true, decodes: true, refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"atftp", "--option", "mode netascii", "--get", "-r", file, "-l", local, host, port}
	}},
	{name: "busybox", refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"busybox", "tftp", "-g", "-r", file, "-l", local, host, port}
	}},
	{name: "busybox with blocks of 1428", refused: "File not found", get: func(host, port, file, local string) []string {
		return []string{"busybox", "tftp", "-b", "1428", "-g", "-r", file, "-l", local, host, port}
	}},
}

func TestClientsOfOthers(t *testing.T) {
	// No lone CR: tftp-hpa does not bring it back from netascii.
	content := files{"file": strings.Repeat("one line\nand another\r\n\x00", 3000), "blocks": strings.Repeat("x", 1428*512)}
	v4 := startLocal(t, content)
	var v6 *server
	if conn, err := net.ListenPacket("udp", "[::1]:0"); err == nil {
		conn.Close()
		v6 = start(t, "[::1]:0", Generation{Files: content})
	}
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath(c.get("", "", "", "")[0]); err != nil {
				t.Skip("not installed")
			}
			for file, want := range content {
				c.checkGet(t, v4, file, want)
			}
			c.checkRefusal(t, v4)
			if v6 != nil {
				c.checkGet(t, v6, "file", content["file"])
			}
		})
	}
}

// run returns what the client wrote to the local file, and what it printed.
func (c client) run(t *testing.T, s *server, file string) (got, printed string) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	local := filepath.Join(t.TempDir(), "local")
	command := c.get(host, port, file, local)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	output, _ := cmd.CombinedOutput() // tftp-hpa ends with 0 in any case
	b, _ := os.ReadFile(local)
	return string(b), string(output)
}

func (c client) checkGet(t *testing.T, s *server, file, want string) {
	t.Helper()
	sent := want
	if c.netascii {
		sent = strings.NewReplacer("\r", "\r\x00", "\n", "\r\n").Replace(want)
		if !c.decodes {
			want = sent
		}
	}
	got, printed := c.run(t, s, file)
	if got != want {
		t.Errorf("%s from %s: got %d bytes, want %d; %s", file, s.addr, len(got), len(want), printed)
	}
	if r := s.record(t); r.Outcome != configfiles.Served || r.Bytes != int64(len(sent)) {
		t.Errorf("%s from %s: record %+v", file, s.addr, r)
	}
}

func (c client) checkRefusal(t *testing.T, s *server) {
	t.Helper()
	if _, printed := c.run(t, s, "missing"); !strings.Contains(printed, c.refused) {
		t.Errorf("it printed %q, want %q", printed, c.refused)
	}
	if r := s.record(t); r.Outcome != configfiles.NotFound {
		t.Errorf("record %+v", r)
	}
}
