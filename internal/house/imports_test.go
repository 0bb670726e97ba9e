// SPDX-License-Identifier: Apache-2.0

package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "cfgsrv"

// mayImport is the table of the house: a package and those of ours that its
// code (not its tests) may import. Packages below a listed one belong to it.
var mayImport = map[string][]string{
	"cmd/cfgsrv":     nil, // all
	"derived":        {"certs", "configfiles", "trustlist", "signedfile", "device"},
	"tftp":           {"configfiles"},
	"https":          {"configfiles"},
	"capf":           {"certs", "device"},
	"tvs":            {"certs"},
	"status":         {},
	"configfiles":    {"device"},
	"listeners":      {},
	"reload":         {},
	"certs":          {},
	"trustlist":      {"internal/tlv"},
	"signedfile":     {"internal/tlv"},
	"device":         {},
	"entropy":        {},
	"internal/tlv":   {},
	"bench":          {},
	"internal/house": {},
}

// owners are the dependencies that one room alone may know.
var owners = map[string][]string{
	"github.com/pin/tftp/v3":              {"tftp"},
	"github.com/fsnotify/fsnotify":        {"reload"},
	"github.com/hashicorp/go-multierror":  {"certs", "listeners"},
	"github.com/spf13/cobra":              {"cmd/cfgsrv"},
	"github.com/lmittmann/tint":           {"cmd/cfgsrv"},
	"github.com/prometheus/client_golang": {"status"},
	"software.sslmate.com/src/go-pkcs12":  {"certs", "cmd/cfgsrv"},
	"go.etcd.io/bbolt":                    {"capf"},
	"modernc.org/sqlite":                  {"cmd/cfgsrv"},
	"github.com/landlock-lsm/go-landlock": {"cmd/cfgsrv"},
	"github.com/pelletier/go-toml/v2":     {"cmd/cfgsrv"},
	"github.com/coreos/go-systemd/v22":    {"cmd/cfgsrv"},
	"github.com/hashicorp/golang-lru/v2":  {"derived", "configfiles", "device"},
	"golang.org/x/net/html/charset":       {"configfiles"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Module     *struct{ Path string }
}

func TestImportsFollowTheTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		rel := strings.TrimPrefix(p.ImportPath, module+"/")
		room := roomOf(rel)
		if room == "" {
			t.Errorf("package %s is in no room of the table", rel)
			continue
		}
		seen[room] = true
		for _, imported := range p.Imports {
			checkOwner(t, room, imported)
			other, ours := strings.CutPrefix(imported, module+"/")
			if !ours || room == "cmd/cfgsrv" || testHelper(rel) {
				continue
			}
			if o := roomOf(other); o != room && !slices.Contains(mayImport[room], o) {
				t.Errorf("%s imports %s; %s may import only %v", rel, other, room, mayImport[room])
			}
		}
	}
	for room := range mayImport {
		if !seen[room] {
			t.Errorf("the table names %s, which is not there", room)
		}
	}
}

func checkOwner(t *testing.T, room, imported string) {
	t.Helper()
	for dep, rooms := range owners {
		if (imported == dep || strings.HasPrefix(imported, dep+"/")) && !slices.Contains(rooms, room) {
			t.Errorf("%s imports %s, which belongs to %v", room, imported, rooms)
		}
	}
}

// roomOf is the entry of the table that a package is of or below.
func roomOf(rel string) string {
	for ; rel != "." && rel != "/"; rel = path.Dir(rel) {
		if _, ok := mayImport[rel]; ok {
			return rel
		}
	}
	return ""
}

// testHelper says whether a package exists only for tests, beside what it
// helps: certs/certstest.
func testHelper(rel string) bool { return strings.HasSuffix(rel, "test") }

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Module", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v\n%s", err, stderr.Bytes())
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
