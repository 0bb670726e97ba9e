// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto"
	"crypto/rsa"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/internal/tlv/tlvtest"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// signedBy is a signed file of that content.
func signedBy(t *testing.T, p certs.Pair, name, content string) string {
	t.Helper()
	s, err := signedfile.NewSigner(p.Leaf(), p.Key, crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	header, err := s.Sign(name, time.Unix(1_800_000_000, 0), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return string(header) + content
}

// encryptedBy is an encrypted file of that content.
func encryptedBy(t *testing.T, p certs.Pair, name, content string) string {
	t.Helper()
	s, err := signedfile.NewSigner(p.Leaf(), p.Key, crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	to := signedfile.Recipient{Key: certstest.Key(t, certstest.RSA2048).Public().(*rsa.PublicKey), Name: name, Time: time.Unix(1_800_000_000, 0)}
	b, err := s.Encrypt(to, []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listOf is a list of another cluster: its own ITLRecovery and this CallManager.
func listOf(t *testing.T, k trustlist.Kind, callManager certs.Pair) string {
	t.Helper()
	recovery := certstest.Other(t, certs.ITLRecovery)
	b, err := trustlist.Build(trustlist.Spec{Kind: k, Time: time.Unix(1_800_000_000, 0), Entries: []trustlist.Entry{
		{Certificate: recovery.Leaf(), Role: trustlist.SAST}, {Certificate: callManager.Leaf(), Role: trustlist.TFTP},
	}}, recovery.Leaf(), recovery.Key)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// firmware is what Cisco's own files begin with.
func firmware(name string) string {
	return string(tlvtest.Header("\x01\x01", tlvtest.Serial, tlvtest.SHA1, tlvtest.Signature(256), "\x0e\x00"+string(rune(len(name)+1))+name+"\x00")) + "code"
}

func flipLast(s string) string {
	b := []byte(s)
	b[len(b)-1] ^= 1
	return string(b)
}

func TestCheckNamesReadyMadeFilesThatPhonesRefuse(t *testing.T) {
	ours, theirs := certstest.Pair(t, certs.CallManager), certstest.Other(t, certs.CallManager)
	const phone = "SEP001122334455"
	n := newInstance(t)
	for _, f := range []struct{ name, content string }{
		{"good.xml.sgn", signedBy(t, ours, "good.xml.sgn", "<a/>")},
		{"New_Zealand/tones.xml.sgn", signedBy(t, ours, "New_Zealand/tones.xml.sgn", "<a/>")},
		{"Folder/base.xml.sgn", signedBy(t, ours, "base.xml.sgn", "<a/>")},
		{"case.XML.sgn", signedBy(t, ours, "Case.xml.sgn", "<a/>")},
		{phone + ".cnf.xml.enc.sgn", encryptedBy(t, ours, phone+".cnf.xml.enc.sgn", "<device/>")},
		{"rootfs88xx.14-2.sgn", firmware("rootfs88xx.14-2.sgn")},
		{"sip88xx.14-2.loads", firmware("sip88xx.14-2.loads")},
		{"plain.xml", "<a/>"},
		{"Lists/ITLFile.tlv", "nobody is given this as a list"},
	} {
		write(t, filepath.Join(n.files, f.name), f.content)
	}
	stdout, _, err := n.output("check")
	if err != nil || strings.Contains(stdout, "ready-made") {
		t.Errorf("good files: %v\n%s", err, stdout)
	}

	bad := map[string]struct{ content, says string }{
		"theirs.xml.sgn":          {signedBy(t, theirs, "theirs.xml.sgn", "<a/>"), "whose certificate is not among those tried"},
		"changed.xml.sgn":         {flipLast(signedBy(t, ours, "changed.xml.sgn", "<a/>")), "the signature does not verify"},
		"named.xml.sgn":           {signedBy(t, ours, "other.xml.sgn", "<a/>"), `it calls itself "other.xml.sgn"`},
		"x.cnf.xml.enc.sgn":       {encryptedBy(t, theirs, "x.cnf.xml.enc.sgn", "<device/>"), "whose certificate is not among those tried"},
		"unsigned.xml.sgn":        {"<a/>", "byte 4: the file ends before its header's length is told"},
		"ITL" + phone + ".tlv":    {"<a/>", "byte 4: the file ends"},
		"ITLSEP001122334466.tlv":  {flipLast(listOf(t, trustlist.ITL, theirs)), "the signature does not verify"},
		"CTL" + phone + ".tlv":    {listOf(t, trustlist.ITL, ours), `it calls itself "ITLFile.tlv", not "CTLFile.tlv"`},
		"Deep/er/theirs2.xml.sgn": {signedBy(t, theirs, "theirs2.xml.sgn", "<a/>"), "whose certificate is not among those tried"},
	}
	for name, f := range bad {
		write(t, filepath.Join(n.files, name), f.content)
	}
	stdout, _, err = n.output("check")
	if err != nil {
		t.Errorf("what is only a warning ends with %v", err)
	}
	if got := strings.Count(stdout, "ready-made"); got != len(bad) {
		t.Errorf("%d files are named, want %d\n%s", got, len(bad), stdout)
	}
	for name, f := range bad {
		if want := "warning: " + name + " is ready-made, and phones will not take it: "; !lineWith(stdout, want, f.says) {
			t.Errorf("no line says %q … %q\n%s", want, f.says, stdout)
		}
	}

	// With a list that names its signer, a phone takes the other cluster's file.
	write(t, filepath.Join(n.files, "ITLFile.tlv"), listOf(t, trustlist.ITL, theirs))
	stdout, _, err = n.output("check")
	if err != nil || strings.Contains(stdout, "theirs") || !strings.Contains(stdout, "changed.xml.sgn") {
		t.Errorf("with the other cluster's list: %v\n%s", err, stdout)
	}
}

func lineWith(text, start, says string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) && strings.Contains(line, says) {
			return true
		}
	}
	return false
}

// A fault elsewhere does not hide what is wrong in files/.
func TestCheckLooksThroughFilesInSpiteOfFaults(t *testing.T) {
	n := newInstance(t)
	write(t, filepath.Join(n.certs, "tomcat.pem"), "broken")
	write(t, filepath.Join(n.files, openPhone+".cnf.xml"), "<device>")
	stdout, _, err := n.output("check")
	for _, want := range []string{"tomcat.pem", openPhone + ".cnf.xml"} {
		if err == nil || !strings.Contains(stdout, want) {
			t.Errorf("%v: %s is not named\n%s", err, want, stdout)
		}
	}
}

// What serve would make is no fault, however much of it is missing.
func TestCheckBeforeTheFirstStart(t *testing.T) {
	for name, units := range map[string][]certs.Unit{
		"nothing": nil, "one unit": {certs.CallManager}, "another": {certs.Tomcat}, "two units": {certs.CallManager, certs.ITLRecovery},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			args := []string{"check", "--data", data}
			if len(units) > 0 {
				args = append(args, "--certs", certstest.Dir(t, units...))
			}
			for _, files := range []bool{false, true} {
				if files {
					write(t, filepath.Join(data, "files", "Ringlist.xml"), "<rings/>")
				}
				code, stdout, stderr := cfgsrvRun(t, args...)
				if code != 0 || !strings.Contains(stdout, "serve will make") || !strings.Contains(stdout, "no faults") {
					t.Errorf("files %t: exit status %d\n%s%s", files, code, stdout, stderr)
				}
			}
		})
	}
}
