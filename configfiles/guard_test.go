// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/configfiles/configfilestest"
	"cfgsrv/device"
)

// writeFiles puts files below a new folder.
func writeFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	return dir
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openDirectory(t testing.TB, path string, log *slog.Logger) *configfiles.Directory {
	t.Helper()
	d, err := configfiles.OpenDirectory(path, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// master is a configuration with this wish. The comment tells it from others.
func master(name, encrConfig string) string {
	return "<device><!-- " + name + " --><sshPassword>s3cret</sshPassword><encrConfig>" + encrConfig + "</encrConfig></device>"
}

// devices are known certificates and pending enrolments.
type devices struct {
	kinds   map[device.Name]device.Kind
	pending map[device.Name]bool
}

func (d devices) Certificate(n device.Name) (device.Certificate, bool) {
	kind, ok := d.kinds[n]
	return device.Certificate{Device: n, Kind: kind}, ok
}

func (d devices) Pending(n device.Name) bool { return d.pending[n] }

// makes is a source of derived forms: their word and what they are made from.
type makes struct{}

func (makes) Open(_ context.Context, req configfiles.Request) (*configfiles.File, error) {
	switch req.As {
	case configfiles.Plain:
		return nil, fs.ErrNotExist
	case configfiles.TrustList:
		return configfilestest.NewFile("trustlist "+req.Name.Asked, req.As), nil
	}
	return configfilestest.NewFile(req.As.String()+" "+req.Path+" for "+string(req.Name.Device), req.As), nil
}

// Requesters, by the columns of the table.
var (
	overTFTP = configfiles.Requester{Transport: configfiles.TFTP}
	overHTTP = configfiles.Requester{Transport: configfiles.HTTP}
	overTLS  = configfiles.Requester{Transport: configfiles.HTTPS}
)

func provedToBe(n device.Name) configfiles.Requester {
	return configfiles.Requester{Transport: configfiles.HTTPS, Device: n}
}

// ask returns what a requester gets in one line: the content, "refused: …",
// "not found", or a fault.
func ask(t testing.TB, s configfiles.Source, name string, from configfiles.Requester) string {
	t.Helper()
	n, err := configfiles.ParseName(name)
	if err != nil {
		t.Fatalf("ParseName(%q): %v", name, err)
	}
	f, err := s.Open(t.Context(), configfiles.Request{Name: n, From: from})
	switch {
	case errors.Is(err, configfiles.ErrDenied):
		return "refused: " + err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return "not found"
	case err != nil:
		return "fault: " + err.Error()
	}
	defer f.Content.Close()
	content, err := io.ReadAll(f.Content)
	if err != nil || int64(len(content)) != f.Size {
		t.Errorf("reading %s: %d bytes, %v, want Size %d", name, len(content), err, f.Size)
	}
	return string(content)
}

const (
	open      = device.Name("SEP000000000001") // encrConfig false
	keyed     = device.Name("SEP0000000000AA") // encrConfig true, RSA certificate
	bare      = device.Name("SEP0000000000BB") // encrConfig true, no certificate
	presenter = device.Name("SEP0000000000EC") // encrConfig true, ECDSA certificate
	enrolling = device.Name("SEP0000000000ED") // the same, enrolment pending
	damaged   = device.Name("SEP0000000000EE") // encrConfig true, certificate unreadable
	bareOpen  = device.Name("SEP000000000002") // encrConfig false, ECDSA certificate
)

var known = devices{
	kinds: map[device.Name]device.Kind{
		keyed: device.RSA, presenter: device.ECDSA, enrolling: device.ECDSA, damaged: device.Unreadable, bareOpen: device.ECDSA,
	},
	pending: map[device.Name]bool{enrolling: true},
}

// TestTable is the table of DESIGN 4, row by row.
func TestTable(t *testing.T) {
	files := map[string]string{"Ringlist.xml": "rings", "fw/part1.sgn": "firmware"}
	for _, n := range []device.Name{open, bareOpen} {
		files[n.Master()] = master(n.Master(), "false")
	}
	for _, n := range []device.Name{keyed, bare, presenter, enrolling, damaged} {
		files[n.Master()] = master(n.Master(), "true")
		files["old/"+n.Master()+".bak"] = "back-up of " + string(n)
	}
	dir := writeFiles(t, files)
	g := &configfiles.Guard{Directory: openDirectory(t, dir, nil), Devices: known, Next: makes{}}

	const (
		none = "not found"
		lsc  = "refused: this device must present its LSC"
		enc  = "refused: this device's files are not given out unencrypted"
	)
	lscTFTP := lsc + " over HTTPS"
	full := func(n device.Name) string { return files[n.Master()] }
	short := func(n device.Name) string { return "short " + n.Master() + " for " + string(n) }
	for _, row := range []struct {
		row, name                string
		owner                    device.Name
		clear, unproved, provedy string
	}{
		{"ordinary file", "Ringlist.xml", "", "rings", "rings", "rings"},
		{"ordinary .sgn", "Ringlist.xml.sgn", "", "signed Ringlist.xml for ", "rings", "rings"},
		{"ordinary .enc.sgn", "Ringlist.xml.enc.sgn", "", none, none, none},
		{"ordinary missing", "Nothing.xml", "", none, none, none},
		{"ordinary missing .sgn", "Nothing.xml.sgn", "", none, none, none},
		{"firmware part", "part1.sgn", "", "firmware", "firmware", "firmware"},

		{"not true: plain", open.Master(), open, full(open), full(open), full(open)},
		{"not true: .sgn", open.Master() + ".sgn", open, "signed " + open.Master() + " for " + string(open), full(open), full(open)},
		{"not true: .enc.sgn", open.Master() + ".enc.sgn", open, none, none, none},
		{"not true, ECDSA: plain", bareOpen.Master(), bareOpen, full(bareOpen), full(bareOpen), full(bareOpen)},
		{"not true, ECDSA: .enc.sgn", bareOpen.Master() + ".enc.sgn", bareOpen, none, none, none},

		{"RSA: .enc.sgn", keyed.Master() + ".enc.sgn", keyed, "encrypted " + keyed.Master() + " for " + string(keyed), "encrypted " + keyed.Master() + " for " + string(keyed), full(keyed)},
		{"RSA: .sgn", keyed.Master() + ".sgn", keyed, short(keyed), short(keyed), full(keyed)},
		{"RSA: plain", keyed.Master(), keyed, enc, enc, full(keyed)},
		{"RSA: plain in lower case", strings.ToLower(keyed.Master()), keyed, enc, enc, full(keyed)},
		{"RSA: missing", string(keyed) + ".txt", keyed, none, none, none},

		{"no certificate: .sgn", bare.Master() + ".sgn", bare, short(bare), short(bare), full(bare)},
		{"no certificate: plain", bare.Master(), bare, enc, enc, full(bare)},
		{"no certificate: .enc.sgn", bare.Master() + ".enc.sgn", bare, none, none, full(bare)},

		{"ECDSA: plain", presenter.Master(), presenter, lscTFTP, lsc, full(presenter)},
		{"ECDSA: .sgn", presenter.Master() + ".sgn", presenter, lscTFTP, lsc, full(presenter)},
		{"ECDSA: .enc.sgn", presenter.Master() + ".enc.sgn", presenter, lscTFTP, lsc, full(presenter)},
		{"ECDSA: missing", string(presenter) + ".txt", presenter, lscTFTP, lsc, none},

		{"unreadable: plain", damaged.Master(), damaged, lscTFTP, lsc, full(damaged)},
		{"unreadable: .sgn", damaged.Master() + ".sgn", damaged, lscTFTP, lsc, full(damaged)},
		{"unreadable: .enc.sgn", damaged.Master() + ".enc.sgn", damaged, lscTFTP, lsc, full(damaged)},

		{"enrolment pending: .sgn", enrolling.Master() + ".sgn", enrolling, short(enrolling), short(enrolling), full(enrolling)},
		{"enrolment pending: plain", enrolling.Master(), enrolling, lscTFTP, lsc, full(enrolling)},
		{"enrolment pending: .enc.sgn", enrolling.Master() + ".enc.sgn", enrolling, lscTFTP, lsc, full(enrolling)},

		{"RSA back-up: plain", keyed.Master() + ".bak", keyed, enc, enc, "back-up of " + string(keyed)},
		{"RSA back-up: .sgn is the master's short form", keyed.Master() + ".bak.sgn", keyed, short(keyed), short(keyed), "back-up of " + string(keyed)},
		{"RSA back-up: .enc.sgn", keyed.Master() + ".bak.enc.sgn", keyed,
			"encrypted old/" + keyed.Master() + ".bak for " + string(keyed), "encrypted old/" + keyed.Master() + ".bak for " + string(keyed), "back-up of " + string(keyed)},
		{"no certificate, back-up in its folder", "old/" + bare.Master() + ".bak", bare, enc, enc, "back-up of " + string(bare)},
		{"ECDSA back-up", "old/" + presenter.Master() + ".bak", presenter, lscTFTP, lsc, "back-up of " + string(presenter)},

		{"ITL of a device", "ITL" + string(open) + ".tlv", "", "trustlist ITL" + string(open) + ".tlv", "trustlist ITL" + string(open) + ".tlv", "trustlist ITL" + string(open) + ".tlv"},
		{"ITL of a protected device", "itl" + string(presenter) + ".tlv", "", "trustlist itl" + string(presenter) + ".tlv", "trustlist itl" + string(presenter) + ".tlv", "trustlist itl" + string(presenter) + ".tlv"},
		{"ITL", "ITLFile.tlv", "", "trustlist ITLFile.tlv", "trustlist ITLFile.tlv", "trustlist ITLFile.tlv"},
		{"CTL of a device", "CTL" + string(open) + ".tlv", "", "trustlist CTL" + string(open) + ".tlv", "trustlist CTL" + string(open) + ".tlv", "trustlist CTL" + string(open) + ".tlv"},
		{"CTL", "CTLFile.tlv", "", "trustlist CTLFile.tlv", "trustlist CTLFile.tlv", "trustlist CTLFile.tlv"},
		{"trust list .sgn", "ITLFile.tlv.sgn", "", none, none, none},
		{"trust list in a folder", "x/ITLFile.tlv", "", none, none, none},
	} {
		t.Run(row.row, func(t *testing.T) {
			someone := provedToBe("SEP0000000000FF")
			for _, c := range []struct {
				column string
				from   configfiles.Requester
				want   string
			}{
				{"tftp", overTFTP, row.clear},
				{"http", overHTTP, row.clear},
				{"tls, unproved", overTLS, row.unproved},
				{"tls, proved", provedToBe(row.owner), row.provedy},
			} {
				if got := ask(t, g, row.name, c.from); got != c.want {
					t.Errorf("%s: got %q, want %q", c.column, got, c.want)
				}
			}
			want := row.unproved
			if strings.HasPrefix(want, "refused") {
				want += "; the certificate presented is that of SEP0000000000FF"
			}
			if got := ask(t, g, row.name, someone); got != want {
				t.Errorf("tls, proved to be another: got %q, want %q", got, want)
			}
		})
	}
}

// TestReadyMade is what the sentences below the table say about files that the
// administrator made himself.
func TestReadyMade(t *testing.T) {
	files := map[string]string{
		"Ringlist.xml": "rings", "Ringlist.xml.sgn": "made rings", "Ringlist.xml.enc.sgn": "made enc rings",
		"alone/Alone.xml.sgn": "made alone", "Alone.xml.ENC.sgn": "made enc alone",
		"ITLFile.tlv": "made ITL", "CTLFile.tlv.sgn": "made CTL.sgn",
		"ctl" + string(open) + ".TLV": "made CTL", "backup/ITL" + string(open) + ".tlv": "old ITL",
	}
	for n, wish := range map[device.Name]string{open: "false", keyed: "true", bare: "true", presenter: "true", enrolling: "true"} {
		m := n.Master()
		files[m], files[m+".sgn"], files[m+".enc.sgn"] = master(m, wish), "made sgn of "+string(n), "made enc of "+string(n)
		files[string(n)+".old.sgn"], files[string(n)+".old.enc.sgn"] = "old sgn", "old enc"
	}
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil), Devices: known, Next: makes{}}
	const lsc = "refused: this device must present its LSC"
	for _, c := range []struct {
		name string
		from configfiles.Requester
		want string
	}{
		{"Ringlist.xml.sgn", overTFTP, "made rings"},
		{"Ringlist.xml.sgn", overTLS, "rings"},
		{"Ringlist.xml.enc.sgn", overTFTP, "made enc rings"},
		{"Ringlist.xml.enc.sgn", overTLS, "made enc rings"},
		{"Alone.xml.sgn", overHTTP, "made alone"},
		{"Alone.xml.sgn", overTLS, "made alone"},
		{"alone.xml.enc.sgn", overTLS, "made enc alone"},

		{open.Master() + ".sgn", overTFTP, "made sgn of " + string(open)},
		{open.Master() + ".sgn", overTLS, files[open.Master()]},
		{open.Master() + ".enc.sgn", overTFTP, "made enc of " + string(open)},
		{open.Master() + ".enc.sgn", overTLS, "made enc of " + string(open)},

		{keyed.Master() + ".sgn", overTFTP, "short " + keyed.Master() + " for " + string(keyed)},
		{keyed.Master() + ".sgn", overTLS, "short " + keyed.Master() + " for " + string(keyed)},
		{keyed.Master() + ".sgn", provedToBe(keyed), files[keyed.Master()]},
		{keyed.Master() + ".enc.sgn", overTFTP, "made enc of " + string(keyed)},
		{keyed.Master() + ".enc.sgn", overTLS, "made enc of " + string(keyed)},
		{keyed.Master() + ".enc.sgn", provedToBe(keyed), files[keyed.Master()]},

		{bare.Master() + ".sgn", overTFTP, "short " + bare.Master() + " for " + string(bare)},
		{bare.Master() + ".enc.sgn", overTFTP, "made enc of " + string(bare)},

		{presenter.Master() + ".sgn", overTFTP, lsc + " over HTTPS"},
		{presenter.Master() + ".enc.sgn", overTFTP, lsc + " over HTTPS"},
		{presenter.Master() + ".enc.sgn", overTLS, lsc},
		{presenter.Master() + ".enc.sgn", provedToBe(presenter), files[presenter.Master()]},
		{enrolling.Master() + ".sgn", overTLS, "short " + enrolling.Master() + " for " + string(enrolling)},
		{enrolling.Master() + ".enc.sgn", overTLS, lsc},

		// Without the unsigned file.
		{string(open) + ".old.sgn", overTLS, "old sgn"},
		{string(open) + ".old.sgn", provedToBe(open), "old sgn"},
		{string(keyed) + ".old.sgn", overTLS, "not found"},
		{string(keyed) + ".old.sgn", provedToBe(keyed), "not found"},
		{string(keyed) + ".old.enc.sgn", overTLS, "old enc"},
		{string(keyed) + ".old.enc.sgn", provedToBe(keyed), "old enc"},
		{string(bare) + ".old.sgn", provedToBe(bare), "not found"},
		{string(presenter) + ".old.sgn", provedToBe(presenter), "not found"},
		{string(enrolling) + ".old.sgn", provedToBe(enrolling), "not found"},
		{string(bare) + ".old.enc.sgn", overTFTP, "old enc"},
		{string(bare) + ".old.enc.sgn", provedToBe(bare), "old enc"},
		{string(presenter) + ".old.enc.sgn", overTLS, lsc},
		{string(presenter) + ".old.enc.sgn", provedToBe(presenter), "old enc"},
		{string(enrolling) + ".old.sgn", overTLS, "not found"},
		{string(enrolling) + ".old.enc.sgn", provedToBe(enrolling), "old enc"},

		// What stands behind a ready-made .sgn of a protected device is as protected.
		{keyed.Master() + ".sgn.sgn", overTFTP, "short " + keyed.Master() + " for " + string(keyed)},
		{presenter.Master() + ".enc.sgn.sgn", overTFTP, lsc + " over HTTPS"},

		{"ITLFile.tlv", overTFTP, "made ITL"},
		{"ITLFile.tlv", overTLS, "made ITL"},
		{"ITLFile.tlv.sgn", overTFTP, "not found"},
		{"CTLFile.tlv.sgn", overTFTP, "made CTL.sgn"},
		{"CTLFile.tlv.sgn", overTLS, "made CTL.sgn"},
		{"CTL" + string(open) + ".tlv", overHTTP, "made CTL"},
		{"ITL" + string(open) + ".tlv", overHTTP, "trustlist ITL" + string(open) + ".tlv"},
	} {
		if got := ask(t, g, c.name, c.from); got != c.want {
			t.Errorf("%s over %d by %q: got %q, want %q", c.name, c.from.Transport, c.from.Device, got, c.want)
		}
	}
}

func TestRefusalSaysWhyTheCertificateProvesNothing(t *testing.T) {
	files := map[string]string{presenter.Master(): master("", "true")}
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil), Devices: known}
	from := configfiles.Requester{Transport: configfiles.HTTPS, Unproved: "the certificate presented has expired"}
	want := "refused: this device must present its LSC; the certificate presented has expired"
	if got := ask(t, g, presenter.Master(), from); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A requester over plain HTTP proves nothing, whatever it says it is.
func TestProofNeedsTLS(t *testing.T) {
	files := map[string]string{presenter.Master(): master("", "true")}
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil), Devices: known}
	from := configfiles.Requester{Transport: configfiles.HTTP, Device: presenter}
	if got := ask(t, g, presenter.Master(), from); !strings.HasPrefix(got, "refused") {
		t.Errorf("got %q, want a refusal", got)
	}
}

func TestGuardWithoutOthers(t *testing.T) {
	files := map[string]string{keyed.Master(): master("", "true"), "Ringlist.xml": "rings"}
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil)}
	for name, want := range map[string]string{
		"Ringlist.xml":              "rings",
		"Ringlist.xml.sgn":          "not found",
		"ITLFile.tlv":               "not found",
		keyed.Master() + ".sgn":     "not found",
		keyed.Master() + ".enc.sgn": "not found",
	} {
		if got := ask(t, g, name, overTFTP); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestWhoseFile is about files that are a device's without being its master.
func TestWhoseFile(t *testing.T) {
	const enc = "refused: this device's files are not given out unencrypted"
	for _, c := range []struct {
		name  string
		files map[string]string
		ask   string
		want  string
	}{
		{"copy in another folder", map[string]string{
			"phones/" + bare.Master(): master("", "true"), "tmp/Copy of " + bare.Master(): "copy",
		}, "Copy of " + bare.Master(), enc},
		{"master in another case", map[string]string{
			"phones/" + strings.ToLower(bare.Master()): master("", "1"), bare.Master() + "~": "copy",
		}, bare.Master() + "~", enc},
		{"ordinary name in the device's folder", map[string]string{
			bare.Master(): master("", "true"), string(bare) + "/dump.xml": "dump",
		}, "dump.xml", enc},
		{"the same in full", map[string]string{
			bare.Master(): master("", "true"), string(bare) + "/dump.xml": "dump",
		}, string(bare) + "/dump.xml", enc},
		{"ready-made in the device's folder", map[string]string{
			bare.Master(): master("", "true"), string(bare) + "/dump.xml.sgn": "dump",
		}, "dump.xml.sgn", "not found"},
		{"signed in the device's folder", map[string]string{
			bare.Master(): master("", "true"), string(bare) + "/dump.xml": "dump",
		}, "dump.xml.sgn", "short " + bare.Master() + " for " + string(bare)},
		{"copy says true, master does not", map[string]string{
			bare.Master(): master("", "false"), bare.Master() + ".bak": master("", "true"),
		}, bare.Master() + ".bak", master("", "true")},
		{"copy without a master", map[string]string{bare.Master() + ".bak": "copy"}, bare.Master() + ".bak", "copy"},
		{"two masters, one says true", map[string]string{
			"a/" + bare.Master(): master("", "false"), "b/" + bare.Master(): master("", "true"),
		}, "a/" + bare.Master(), enc},
		{"two masters, one cannot be read", map[string]string{
			"a/" + bare.Master(): master("", "false"), "b/" + bare.Master(): "<device>",
		}, "a/" + bare.Master(), enc},
		{"two masters, neither says true", map[string]string{
			"a/" + bare.Master(): master("a", "false"), "b/" + bare.Master(): master("", "false"),
		}, "a/" + bare.Master(), master("a", "false")},
		{"two masters", map[string]string{
			"a/" + bare.Master(): master("", "false"), "b/" + bare.Master(): master("", "false"),
		}, bare.Master(), "not found"},
		{"two masters of a device that must present its LSC", map[string]string{
			"a/" + presenter.Master(): master("", "false"), "b/" + presenter.Master(): master("", "true"),
		}, presenter.Master(), "refused: this device must present its LSC over HTTPS"},
		{"twin in another case says true", map[string]string{
			bare.Master(): master("", "false"), strings.ToLower(bare.Master()): master("", "true"),
		}, strings.ToLower(bare.Master()), enc},
		{"twin in another case, the master says true", map[string]string{
			bare.Master(): master("", "true"), strings.ToLower(bare.Master()): master("", "false"),
		}, strings.ToLower(bare.Master()), enc},
		{"Jabber", map[string]string{"CSFalice.cnf.xml": master("", "true")}, "csfALICE.cnf.xml", enc},
		{"Jabber copy", map[string]string{
			"jabber/CSFalice.cnf.xml": master("", "true"), "CSFalice (2).cnf.xml": "copy",
		}, "CSFalice (2).cnf.xml", enc},
		{"Jabber user with a blank", map[string]string{"CSFalice b.cnf.xml": master("", "true")}, "CSFalice b.cnf.xml", enc},
		{"empty master", map[string]string{bare.Master(): ""}, bare.Master(), enc},
		{"master is no XML", map[string]string{bare.Master(): "encrConfig=false"}, bare.Master(), enc},
		{"decided before it breaks off", map[string]string{
			bare.Master(): "<device><encrConfig>true</encrConfig><a>", bare.Master() + ".bak": "copy",
		}, bare.Master() + ".bak", enc},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, c.files), nil), Devices: known, Next: makes{}}
			if got := ask(t, g, c.ask, overTFTP); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUnreadableMasterIsLoggedOncePerState(t *testing.T) {
	dir := writeFiles(t, map[string]string{bare.Master(): "<device>\n<a>\n</b>\n</device>"})
	// An old file: the state of a new one is not yet sure.
	waitUntilSettled(t, filepath.Join(dir, bare.Master()))
	var log bytes.Buffer
	d := openDirectory(t, dir, slog.New(slog.NewTextHandler(&log, nil)))
	g := &configfiles.Guard{Directory: d, Devices: known, Next: makes{}}
	for range 3 {
		ask(t, g, bare.Master(), overTFTP)
	}
	if got := strings.Count(log.String(), "\n"); got != 1 {
		t.Errorf("%d records, want 1:\n%s", got, log.String())
	}
	for _, want := range []string{"device=" + string(bare), bare.Master() + ": line 3: not well-formed XML"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log.String())
		}
	}
}

// A master that is replaced between the judgement and the signing must not go
// out signed.
func TestReplacedWhileJudged(t *testing.T) {
	dir := writeFiles(t, map[string]string{bare.Master(): master("old", "false")})
	d := openDirectory(t, dir, nil)
	replaces := sourceFunc(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
		if req.As == configfiles.Signed {
			writeFile(t, filepath.Join(dir, "new"), master("new", "true"))
			if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, bare.Master())); err != nil {
				t.Error(err)
			}
		}
		return makes{}.Open(ctx, req)
	})
	g := &configfiles.Guard{Directory: d, Devices: known, Next: replaces}
	want := "short " + bare.Master() + " for " + string(bare)
	if got := ask(t, g, bare.Master()+".sgn", overTFTP); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is made is made of the bytes that were judged.
func TestNextGetsWhatWasJudged(t *testing.T) {
	large := master("", "false") + strings.Repeat(" ", 64<<10)
	files := map[string]string{
		open.Master(): master("", "false"), bareOpen.Master(): large,
		keyed.Master(): master("", "true"), keyed.Master() + ".bak": "back-up",
	}
	var got *configfiles.File
	notes := sourceFunc(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
		got = req.Base
		return makes{}.Open(ctx, req)
	})
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil), Devices: known, Next: notes}
	for _, c := range []struct{ name, want string }{
		{open.Master() + ".sgn", files[open.Master()]},
		{keyed.Master() + ".enc.sgn", files[keyed.Master()]},
		{keyed.Master() + ".bak.enc.sgn", "back-up"},
		{keyed.Master() + ".bak.sgn", files[keyed.Master()]}, // the short form is that of the master
		{bareOpen.Master() + ".sgn", ""},                     // too large
		{"ITLFile.tlv", ""},
	} {
		got = nil
		ask(t, g, c.name, overTFTP)
		if (got != nil) != (c.want != "") || got != nil && string(got.Data) != c.want {
			t.Errorf("%s: got %v, want %.60q", c.name, got, c.want)
		}
	}
}

// A ready-made file is found however it is spelled, and at once.
func TestReadyMadeIsSeenAtOnce(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.xml": "a", "sub/x": ""})
	waitUntilSettled(t, dir)
	waitUntilSettled(t, filepath.Join(dir, "sub"))
	g := &configfiles.Guard{Directory: openDirectory(t, dir, nil), Devices: known, Next: makes{}}
	for _, name := range []string{"a.xml.sgn", "A.xml.SGN", "sub/a.xml.sgn", "sub/A.XML.sgn"} {
		for range 3 {
			if got := ask(t, g, "a.xml.sgn", overTFTP); got != "signed a.xml for " {
				t.Fatalf("before there is %s: %q", name, got)
			}
			writeFile(t, filepath.Join(dir, name), "made")
			if got := ask(t, g, "a.xml.sgn", overTFTP); got != "made" {
				t.Fatalf("%s: %q", name, got)
			}
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// While files are replaced, nothing that was written after the master said true
// and before it said false again may be read.
func TestNeverReadableWhileWished(t *testing.T) {
	dir := writeFiles(t, map[string]string{bare.Master(): master("", "false")})
	put := func(name, content string) {
		temporary := filepath.Join(dir, ".new")
		writeFile(t, temporary, content)
		if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	d := openDirectory(t, dir, nil)
	signs := sourceFunc(func(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
		if req.As == configfiles.Signed {
			req.As = configfiles.Plain
			return d.Open(ctx, req)
		}
		return makes{}.Open(ctx, req)
	})
	g := &configfiles.Guard{Directory: d, Devices: known, Next: signs}
	m := bare.Master()
	others := []string{m + ".bak", m + ".bak.sgn", string(bare) + ".txt.sgn"}
	done := make(chan struct{})
	var askers sync.WaitGroup
	for _, from := range []configfiles.Requester{overTFTP, overTLS} {
		askers.Go(func() {
			for !ended(done) {
				for _, name := range append(others, m, m+".sgn") {
					if got := ask(t, g, name, from); strings.Contains(got, "SECRET") {
						t.Errorf("%s over %d: %q", name, from.Transport, got)
					}
				}
			}
		})
	}
	for range 40 {
		put(m, master("SECRET", "true"))
		for _, name := range others {
			put(name, "SECRET")
		}
		for _, name := range others {
			put(name, "harmless")
		}
		put(m, master("", "false"))
	}
	close(done)
	askers.Wait()
}

// A master that is moved about is never taken for one that is not there.
func TestMovedMasterIsNotMissing(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a/" + bare.Master(): master("", "true"), bare.Master() + ".bak": "SECRET", "b/x": "",
	})
	g := &configfiles.Guard{Directory: openDirectory(t, dir, nil), Devices: known, Next: makes{}}
	done := make(chan struct{})
	var askers sync.WaitGroup
	askers.Go(func() {
		for !ended(done) {
			if got := ask(t, g, bare.Master()+".bak", overTFTP); strings.Contains(got, "SECRET") {
				t.Errorf("got %q", got)
			}
		}
	})
	for i := range 100 {
		from, to := filepath.Join(dir, "a", bare.Master()), filepath.Join(dir, "b", bare.Master())
		if i%2 == 1 {
			from, to = to, from
		}
		if err := os.Rename(from, to); err != nil {
			t.Error(err)
		}
		ask(t, g, "Ringlist.xml", overTFTP) // as much time as one request takes
	}
	close(done)
	askers.Wait()
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

type sourceFunc func(context.Context, configfiles.Request) (*configfiles.File, error)

func (f sourceFunc) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	return f(ctx, req)
}

func TestChain(t *testing.T) {
	broken := errors.New("broken")
	breaks := sourceFunc(func(context.Context, configfiles.Request) (*configfiles.File, error) { return nil, broken })
	first, second := configfilestest.Map{"a": "1"}, configfilestest.Map{"a": "2", "b": "2"}
	for _, c := range []struct {
		name  string
		chain configfiles.Chain
		ask   string
		want  string
	}{
		{"first has it", configfiles.Chain{first, second}, "a", "1"},
		{"second has it", configfiles.Chain{first, second}, "b", "2"},
		{"nobody has it", configfiles.Chain{first, second}, "c", "not found"},
		{"empty", nil, "a", "not found"},
		{"denied before", configfiles.Chain{configfilestest.Denied{"a": "no"}, first}, "a", "refused: no"},
		{"a fault ends it", configfiles.Chain{breaks, first}, "a", "fault: broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ask(t, c.chain, c.ask, overTFTP); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSources(t *testing.T) {
	files := map[string]string{"a": "alpha", "b/c": "gamma", "empty": ""}
	d := openDirectory(t, writeFiles(t, files), nil)
	for name, s := range map[string]configfiles.Source{
		"Map": configfilestest.Map(files), "Directory": d, "Guard": &configfiles.Guard{Directory: d}, "Chain": configfiles.Chain{d},
	} {
		t.Run(name, func(t *testing.T) {
			configfilestest.TestSource(t, s, configfilestest.Request("missing"),
				configfilestest.Want{Request: configfilestest.Request("a"), Content: "alpha"},
				configfilestest.Want{Request: configfilestest.Request("b/c"), Content: "gamma"},
				configfilestest.Want{Request: configfilestest.Request("empty")})
		})
	}
}

// TestSampleFolder asks for the files of a sample folder as devices would.
func TestSampleFolder(t *testing.T) {
	d := openDirectory(t, filepath.Join("testdata", "tftpboot"), nil)
	if faults := d.Faults(t.Context()); len(faults) > 0 {
		t.Errorf("faults = %v, want none", faults)
	}
	kinds := map[device.Name]device.Kind{"SEP0011223344AA": device.RSA, "SEP0011223344EC": device.ECDSA}
	g := &configfiles.Guard{Directory: d, Devices: devices{kinds: kinds}, Next: makes{}}
	content := func(name string) string {
		b, err := os.ReadFile(filepath.Join("testdata", "tftpboot", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		ask  string
		from configfiles.Requester
		want string
	}{
		{"SEP001122334455.cnf.xml", overTFTP, content("SEP001122334455.cnf.xml")},
		{"SEP001122334455.cnf.xml.sgn", overHTTP, "signed SEP001122334455.cnf.xml for SEP001122334455"},
		{"SEP0011223344AA.cnf.xml", overTFTP, "refused: this device's files are not given out unencrypted"},
		{"SEP0011223344AA.cnf.xml.enc.sgn", overTFTP, "encrypted SEP0011223344AA.cnf.xml for SEP0011223344AA"},
		{"SEP0011223344EC.cnf.xml", overTLS, "refused: this device must present its LSC"},
		{"SEP0011223344EC.cnf.xml.sgn", provedToBe("SEP0011223344EC"), content("SEP0011223344EC.cnf.xml")},
		{"csfAlice.cnf.xml", overTLS, content("CSFalice.cnf.xml")},
		{"SPDefault.cnf.xml", overHTTP, content("SPDefault.cnf.xml")},
		{"Harbour.png", overTLS, content("Desktops/800x480x24/Harbour.png")},
		{"desktops/800X480x24/list.xml.sgn", overTFTP, "signed Desktops/800x480x24/List.xml for "},
		{"New_Zealand/g3-tones.xml", overTLS, content("New_Zealand/g3-tones.xml")},
		{"g3-tones.xml", overTLS, "not found"},
		{"English_United_Kingdom/sl-be-sip.jar", overTFTP, "not found"},
	} {
		if got := ask(t, g, c.ask, c.from); got != c.want {
			t.Errorf("%s: got %.80q, want %.80q", c.ask, got, c.want)
		}
	}
	for _, from := range []configfiles.Requester{overTFTP, overHTTP, overTLS, provedToBe("SEP001122334455")} {
		for _, n := range []string{"SEP0011223344AA.cnf.xml", "SEP0011223344EC.cnf.xml"} {
			for _, suffix := range []string{"", ".sgn", ".enc.sgn"} {
				if got := ask(t, g, n+suffix, from); strings.Contains(got, "s3cret-") {
					t.Errorf("%s over %d is readable", n+suffix, from.Transport)
				}
			}
		}
	}
}
