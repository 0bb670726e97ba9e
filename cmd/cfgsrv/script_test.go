// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs/certstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script, where each file is one matter of the
// command line. Besides testscript's own there are these commands:
//
//	exits N PROGRAM ARG…   runs a program that must end with that status
//	prints FILE            the last output is that of FILE, but for times, dates and the like
//	remember DIR           remembers all bytes and modes below a folder
//	unchanged              there is nothing new in what was remembered
//	units                  gives the data directory a pair of every unit
//	authority NAME         makes NAME.pem, a root, and NAME-middle.pem below it
//	issue NAME CSR OUT …   has NAME-middle answer a request; options: expired, root, cn=NAME
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CFGSRV_DATA", filepath.Join(env.WorkDir, "data"))
			env.Values[scriptKey{}] = &script{t: t, authorities: map[string][2]certstest.Identity{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"prints":    prints,
			"remember":  remember,
			"unchanged": unchanged,
			"units":     units,
			"authority": authority,
			"issue":     issue,
		},
		RequireExplicitExec: true,
	})
}

type scriptKey struct{}

// script is what one script file remembers.
type script struct {
	t           *testing.T
	authorities map[string][2]certstest.Identity // root and middle
	folder      string
	content     map[string]string
}

func scriptOf(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("ended with status %d, want %d", got, want)
	}
}

// vague are what differs from run to run, and the words for it.
var vague = []struct{ pattern, word string }{
	{`\d{8}T\d{6}\.\d{6}Z`, "STAMP"},
	{`\d{4}-\d\d-\d\d at \d\d:\d\d UTC`, "MOMENT"},
	{`\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d UTC|T\d\d:\d\d:\d\dZ)?`, "DATE"},
	{`([0-9A-F]{2}:){7,}[0-9A-F]{2}`, "HEX"},
	{`(ucm\d?)-[0-9a-f]{12}\b`, "$1-ID"},
	{`CAPF-[0-9a-f]{8}`, "CAPF-ID"},
	{`(?s)-----BEGIN ([A-Z ]+)-----.+?-----END ([A-Z ]+)-----`, "A $1"},
}

func prints(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: prints FILE")
	}
	got := ts.ReadFile("stdout")
	if errOut := ts.ReadFile("stderr"); errOut != "" {
		got += "stderr:\n" + errOut
	}
	got = strings.ReplaceAll(got, ts.Getenv("WORK"), "WORK")
	for _, v := range vague {
		got = regexp.MustCompile(v.pattern).ReplaceAllString(got, v.word)
	}
	if diff := cmp.Diff(ts.ReadFile(args[0]), got); diff != "" {
		ts.Fatalf("%s", diff)
	}
}

func remember(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: remember DIR")
	}
	s := scriptOf(ts)
	s.folder = ts.MkAbs(args[0])
	content, err := folderContent(s.folder)
	ts.Check(err)
	if len(content) == 0 {
		ts.Fatalf("there is nothing in %s", s.folder)
	}
	s.content = content
}

func unchanged(ts *testscript.TestScript, _ bool, _ []string) {
	s := scriptOf(ts)
	content, err := folderContent(s.folder)
	ts.Check(err)
	if diff := cmp.Diff(s.content, content); diff != "" {
		ts.Fatalf("%s has changed: %s", s.folder, diff)
	}
}

// folderContent is each file below a folder with its mode and its bytes.
func folderContent(dir string) (map[string]string, error) {
	content := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content[path] = info.Mode().String()
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			content[path] += " " + string(b)
			return err
		}
		return nil
	})
	return content, err
}

func units(ts *testscript.TestScript, _ bool, _ []string) {
	data := ts.Getenv("CFGSRV_DATA")
	ts.Check(os.MkdirAll(data, 0o700))
	ts.Check(os.Rename(certstest.Dir(scriptOf(ts).t), filepath.Join(data, "certs")))
}

func authority(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: authority NAME")
	}
	s := scriptOf(ts)
	root := certstest.NewCA(s.t, args[0])
	middle := root.Intermediate(s.t, args[0]+"-middle")
	s.authorities[args[0]] = [2]certstest.Identity{root, middle}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), certstest.CertPEM(root.Cert()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+"-middle.pem"), certstest.CertPEM(middle.Cert()), 0o600))
}

func issue(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: issue NAME CSR OUT OPTION…")
	}
	pair, ok := scriptOf(ts).authorities[args[0]]
	if !ok {
		ts.Fatalf("there is no authority %s", args[0])
	}
	block, _ := pem.Decode([]byte(ts.ReadFile(args[1])))
	if block == nil {
		ts.Fatalf("%s holds no PEM", args[1])
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	ts.Check(err)
	ca := pair[1]
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: csr.Subject, ExtraExtensions: csr.Extensions,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
	}
	for _, option := range args[3:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "expired":
			c.NotAfter = time.Now().Add(-time.Hour)
		case "root":
			ca = pair[0]
		case "cn":
			c.Subject.CommonName = value
		default:
			ts.Fatalf("unknown option %s", option)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Cert(), csr.PublicKey, ca.Key)
	ts.Check(err)
	var out bytes.Buffer
	ts.Check(pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), out.Bytes(), 0o600))
}

// TestScriptsAreThere sees that the scripts are found: without any TestScripts
// would pass.
func TestScriptsAreThere(t *testing.T) {
	found, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(found) < 8 {
		t.Errorf("%d scripts, %v", len(found), err)
	}
	for _, name := range found {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(b, []byte("# ")) {
			t.Errorf("%s does not say what it is about: %v", name, err)
		}
	}
}
