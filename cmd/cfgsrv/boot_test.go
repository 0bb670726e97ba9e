// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cfgsrv/certs"
	"cfgsrv/certs/certstest"
	"cfgsrv/trustlist"
)

// Phones of the boot tests; all but open want encryption.
const (
	keyedPhone = "SEP0011223344AA" // RSA certificate
	barePhone  = "SEP0011223344BB" // no certificate
	stalePhone = "SEP0011223344CC" // RSA certificate, and a ready-made .enc.sgn for another key
	newPhone   = "SEP0011223344DD" // no configuration
	foreign    = "SEP0011223344EE" // its .sgn was signed by another cluster
	shattered  = "SEP0011223344EF" // its configuration is no XML
)

func bootConfiguration(encrypted bool) string {
	return fmt.Sprintf("<device><fullConfig>true</fullConfig><deviceProtocol>SIP</deviceProtocol><loadInformation>sip88xx.14-2</loadInformation>"+
		"<sipProfile><dialTemplate>dialplan.xml</dialTemplate><softKeyFile>SoftKeys.xml</softKeyFile></sipProfile>"+
		"<userLocale><name>New_Zealand</name></userLocale><networkLocaleInfo><name>New_Zealand</name></networkLocaleInfo>"+
		"<featurePolicyFile>FeaturePolicy.xml</featurePolicyFile><capfAuthMode>0</capfAuthMode>"+
		"<capfList><capf><phonePort>3804</phonePort><processNodeName>ucm1</processNodeName></capf></capfList><encrConfig>%t</encrConfig></device>\n", encrypted)
}

// bootSite is an instance with phones, and the files of their certificates.
type bootSite struct {
	*instance
	identities map[string][]string // the flags for each phone
}

func newBootSite(t *testing.T) *bootSite {
	t.Helper()
	s := &bootSite{instance: newInstance(t), identities: map[string][]string{}}
	for name, content := range map[string]string{
		openPhone + ".cnf.xml": bootConfiguration(false), keyedPhone + ".cnf.xml": bootConfiguration(true),
		barePhone + ".cnf.xml": bootConfiguration(true), stalePhone + ".cnf.xml": bootConfiguration(true),
		protectedPhone + ".cnf.xml": bootConfiguration(true), foreign + ".cnf.xml": bootConfiguration(false),
		shattered + ".cnf.xml":          "<device><fullConfig>true</device>\n",
		stalePhone + ".cnf.xml.enc.sgn": encryptedBy(t, certstest.Pair(t, certs.CallManager), stalePhone+".cnf.xml.enc.sgn", "<device/>"),
		foreign + ".cnf.xml.sgn":        signedBy(t, certstest.Other(t, certs.CallManager), foreign+".cnf.xml.sgn", "<device/>"),
		"sip88xx.14-2.loads":            firmware("sip88xx.14-2.loads") + "\x00kern88xx.14-2.sbn\x00rootfs88xx.14-2.sbn\x00kern88xx.14-2.sbn\x00",
		"fw/kern88xx.14-2.sbn":          strings.Repeat("kernel", 100_000),
		"New_Zealand/sl-be-sip.jar":     "jar",
		"New_Zealand/g4-tones.xml":      "<tones/>",
		"dialplan.xml":                  "<DIALTEMPLATE/>",
		"FeaturePolicy.xml":             "<policy/>",
		"FeaturePolicy.xml.sgn":         signedBy(t, certstest.Other(t, certs.CallManager), "FeaturePolicy.xml.sgn", "<policy/>"),
		"Ringlist-wb.xml":               "<CiscoIPPhoneRingList/>",
	} {
		write(t, filepath.Join(s.files, name), content)
	}
	for name, kind := range map[string]certstest.KeyKind{
		keyedPhone: certstest.RSA2048, stalePhone: certstest.RSA2048, protectedPhone: certstest.P384,
	} {
		s.identify(name, kind)
		write(t, filepath.Join(s.data, "lsc", name+".pem"), readText(t, s.identities[name][1]))
	}
	s.identify("SEP0011223344A2", certstest.RSA2048) // known to nobody
	s.start()
	return s
}

// identify makes a certificate for a phone.
func (s *bootSite) identify(name string, kind certstest.KeyKind) {
	s.t.Helper()
	lsc := certstest.CAPF(s.t).Issue(s.t, certstest.Device{CN: name, Key: kind})
	dir := s.t.TempDir()
	cert, key := filepath.Join(dir, "lsc.pem"), filepath.Join(dir, "lsc.key")
	writeBytes(s.t, cert, certstest.CertPEM(lsc.Cert()))
	writeBytes(s.t, key, certstest.KeyPEM(s.t, lsc.Key))
	s.identities[name] = []string{"--cert", cert, "--key", key}
}

// boot plays a phone over one transport, and gives the lines of the table as
// "file: result: verdict".
func (s *bootSite) boot(transport, name string, args ...string) (code int, steps []string) {
	s.t.Helper()
	code, stdout, stderr := cfgsrvRun(s.t, append([]string{"get", "--boot", "--json", "--timeout", "15s",
		"--transport", transport, "--server", s.addr(transport), "--device", name}, args...)...)
	return code, s.steps(stdout, stderr)
}

func (s *bootSite) steps(stdout, stderr string) []string {
	s.t.Helper()
	var r bootReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		s.t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	var steps []string
	for _, step := range r.Steps {
		steps = append(steps, fmt.Sprintf("%s: %s: %s", step.File, step.Result, step.Verdict))
	}
	return steps
}

func TestBoot(t *testing.T) {
	s := newBootSite(t)
	for _, test := range []struct {
		name, transport, phone string
		args                   []string
		up                     bool
		says                   []string // each in one step, in this order
	}{
		{"open phone", "http", openPhone, nil, true, []string{
			"CTL" + openPhone + ".tlv: normal: the cluster is not in mixed mode",
			"ITL" + openPhone + ".tlv: ok: verified, signed by CN=ITLRECOVERY_ucm1.example.org;OU=phones;O=cfgsrv; signer version 1.1: HTTPS first",
			openPhone + ".cnf.xml.sgn: ok: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv",
			"sip88xx.14-2.loads: ok: names 2 files",
			"kern88xx.14-2.sbn: ok: complete",
			"rootfs88xx.14-2.sbn: normal: File not found; the phone keeps the load that it runs",
			"New_Zealand/sl-be-sip.jar.sgn: ok: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv; its name depends on the model",
			"New_Zealand/g4-tones.xml.sgn: ok: verified",
			"dialplan.xml.sgn: ok: verified",
			"SoftKeys.xml.sgn: normal: missing: the phone uses what is built in",
			"FeaturePolicy.xml.sgn: normal: it is signed by CN=ucm1.example.org;OU=phones;O=cfgsrv",
			"Ringlist-wb.xml.sgn: ok: verified",
		}},
		{"open phone over TFTP", "tftp", openPhone, nil, true, []string{
			openPhone + ".cnf.xml.sgn: ok: verified", "SoftKeys.xml.sgn: normal: missing", "Ringlist-wb.xml.sgn: ok: verified",
		}},
		{"open phone over HTTPS", "phones", openPhone, nil, true, []string{
			openPhone + ".cnf.xml.sgn: ok: plain, as phones want it over HTTPS", "dialplan.xml.sgn: ok: plain, as phones want it over HTTPS",
		}},
		{"phone with an RSA LSC", "http", keyedPhone, s.identities[keyedPhone], true, []string{
			keyedPhone + ".cnf.xml.sgn: ok: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv; short form for this certificate",
			keyedPhone + ".cnf.xml.enc.sgn: ok: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv, decrypted", "dialplan.xml.sgn: ok",
		}},
		{"the same over HTTPS", "phones", keyedPhone, s.identities[keyedPhone], true, []string{
			keyedPhone + ".cnf.xml.sgn: ok: plain, as phones want it over HTTPS", "dialplan.xml.sgn: ok",
		}},
		{"without its LSC", "http", keyedPhone, nil, false, []string{
			keyedPhone + ".cnf.xml.sgn: failed: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv; short form: the phone has no certificate (--cert); it enrols at ucm1:3804 by CAPF and starts over",
		}},
		{"with another LSC", "http", keyedPhone, s.identities["SEP0011223344A2"], false, []string{
			"short form: it is for another certificate than the phone's; it enrols at ucm1:3804 by CAPF",
		}},
		{"never enrolled", "http", barePhone, s.identities["SEP0011223344A2"], false, []string{"short form: it is for no certificate; it enrols at ucm1:3804 by CAPF"}},
		{"encrypted for another key", "http", stalePhone, s.identities[stalePhone], false, []string{
			stalePhone + ".cnf.xml.enc.sgn: failed: the phone cannot decrypt it and enrols by CAPF: this key does not decrypt the file",
		}},
		{"phone with an ECDSA LSC", "phones", protectedPhone, s.identities[protectedPhone], true, []string{
			protectedPhone + ".cnf.xml.sgn: ok: plain, as phones want it over HTTPS", "dialplan.xml.sgn: ok",
		}},
		{"the same over HTTP", "http", protectedPhone, s.identities[protectedPhone], false, []string{
			protectedPhone + ".cnf.xml.sgn: failed: this device must present its LSC over HTTPS",
		}},
		{"no configuration", "http", newPhone, nil, false, []string{
			newPhone + ".cnf.xml.sgn: normal: missing: the phone asks for the default", "XMLDefault.cnf.xml.sgn: failed: File not found",
		}},
		{"signed by another cluster", "http", foreign, nil, false, []string{
			foreign + ".cnf.xml.sgn: failed: it is signed by CN=ucm1.example.org;OU=phones;O=cfgsrv",
		}},
		{"counts as protected", "http", shattered, nil, false, []string{"short form: the phone has no certificate (--cert), and it names no CAPF server to enrol at"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, steps := s.boot(test.transport, test.phone, test.args...)
			if want := map[bool]int{true: 0, false: 1}[test.up]; code != want {
				t.Errorf("exit status %d, want %d", code, want)
			}
			wantSteps(t, steps, test.says)
		})
	}
}

// wantSteps wants each of says in a step, in this order.
func wantSteps(t *testing.T, steps, says []string) {
	t.Helper()
	rest := steps
	for _, want := range says {
		i := slices.IndexFunc(rest, func(s string) bool { return strings.Contains(s, want) })
		if i < 0 {
			t.Errorf("no step says %q in its place:\n%s", want, strings.Join(steps, "\n"))
			return
		}
		rest = rest[i+1:]
	}
}

// What the lists say changes what the phone asks for.
func TestBootFollowsTheLists(t *testing.T) {
	s := newBootSite(t)
	write(t, filepath.Join(s.files, "XMLDefault.cnf.xml"), "<Default/>\n")
	override := filepath.Join(s.files, "ITL"+openPhone+".tlv")
	for _, step := range []struct {
		name    string
		command string // empty: none
		list    string // the phone's own ITL from then on; empty: ours
		phone   string
		up      bool
		says    []string
	}{
		{"default", "", "", newPhone, true, []string{"XMLDefault.cnf.xml.sgn: ok: verified, signed by CN=ucm1.example.org;OU=phones;O=cfgsrv; the default"}},
		{"mixed mode", "utils ctl set-cluster mixed-mode", "", openPhone, true, []string{"CTL" + openPhone + ".tlv: ok: verified", "ITL" + openPhone + ".tlv: ok: verified"}},
		{"an ITL that the CTL does not know", "", listOf(t, trustlist.ITL, certstest.Other(t, certs.CallManager)), openPhone, false, []string{
			"ITL" + openPhone + ".tlv: failed: the phone takes no such list: it is signed by CN=ITLRECOVERY_ucm1.example.org;OU=phones;O=cfgsrv",
		}},
		{"not mixed any more", "utils ctl set-cluster non-secure-mode", listOf(t, trustlist.ITL, certstest.Other(t, certs.CallManager)), openPhone, false, []string{
			"ITL" + openPhone + ".tlv: ok: verified", openPhone + ".cnf.xml.sgn: failed: it is signed by", "whom no list names with the role TFTP",
		}},
		{"damaged ITL", "", flipLast(listOf(t, trustlist.ITL, certstest.Pair(t, certs.CallManager))), openPhone, false, []string{
			"ITL" + openPhone + ".tlv: failed: the phone takes no such list: ", "the signature does not verify",
		}},
		{"wrong list", "", listOf(t, trustlist.CTL, certstest.Pair(t, certs.CallManager)), openPhone, false, []string{`it calls itself "CTLFile.tlv", not "ITLFile.tlv"`}},
		{"ITL without servers", "utils itl prepare-migration on", "", openPhone, true, []string{
			"ITL" + openPhone + ".tlv: ok: verified, signed by", "it names no server: the phone takes unsigned files", openPhone + ".cnf.xml: ok: taken as it is", "dialplan.xml: ok",
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.command != "" {
				gen := s.generation()
				if err := s.cfgsrv(append(strings.Fields(step.command), "--yes")...); err != nil {
					t.Fatal(err)
				}
				s.waitFor("the next generation", func() bool { return s.generation() > gen })
			}
			if step.list != "" {
				write(t, override, step.list)
			} else if err := removeIfThere(override); err != nil {
				t.Fatal(err)
			}
			code, steps := s.boot("http", step.phone)
			if want := map[bool]int{true: 0, false: 1}[step.up]; code != want {
				t.Errorf("exit status %d, want %d", code, want)
			}
			for _, want := range step.says {
				wantSteps(t, steps, []string{want})
			}
		})
	}
}

// On Cisco's ports a phone tries HTTPS for its configuration, HTTP for the rest,
// and TFTP where these fail.
func TestBootTriesOneTransportAfterTheOther(t *testing.T) {
	s := newBootSite(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	for _, test := range []struct {
		name string
		addr map[string]string
		says []string
		by   string // of the configuration
	}{
		{"all there", nil, []string{openPhone + ".cnf.xml.sgn: ok: plain, as phones want it over HTTPS", "dialplan.xml.sgn: ok: verified"}, "phones"},
		{"no HTTPS", map[string]string{"phones": dead.Addr().String()}, []string{
			openPhone + ".cnf.xml.sgn: normal: connection refused: nothing listens there; the phone goes on with http", "the phone goes on with http", openPhone + ".cnf.xml.sgn: ok: verified",
		}, "http"},
		{"the certificate of another listener", map[string]string{"phones": s.addr("jabber")}, []string{
			openPhone + ".cnf.xml.sgn: normal: the phone refuses the server: its certificate CN=ucm1-EC", "the phone goes on with http", openPhone + ".cnf.xml.sgn: ok: verified",
		}, "http"},
		{"TFTP alone", map[string]string{"phones": dead.Addr().String(), "http": dead.Addr().String()}, []string{
			"ITL" + openPhone + ".tlv: ok: verified", openPhone + ".cnf.xml.sgn: ok: verified", "dialplan.xml.sgn: ok: verified",
		}, "tftp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := getOptions{device: openPhone, server: "127.0.0.1", transport: "tftp", timeout: 15 * time.Second}
			b, err := newBoot(o)
			if err != nil {
				t.Fatal(err)
			}
			defer b.close()
			o.verify = b.judgeServer
			for _, transport := range []string{"phones", "http", "tftp"} {
				o.transport, o.server = transport, s.addr(transport)
				if addr := test.addr[transport]; addr != "" {
					o.server = addr
				}
				if b.fetchers[transport], err = newFetcher(o); err != nil {
					t.Fatal(err)
				}
			}
			b.run(t.Context())
			var steps []string
			for _, step := range b.report.Steps {
				steps = append(steps, fmt.Sprintf("%s: %s: %s", step.File, step.Result, step.Verdict))
				if step.File == openPhone+".cnf.xml.sgn" && step.Result == bootOK && step.By != test.by {
					t.Errorf("the configuration came by %s, want %s", step.By, test.by)
				}
			}
			if !b.report.Up {
				t.Error("the phone does not come up")
			}
			for _, want := range test.says {
				wantSteps(t, steps, []string{want})
			}
		})
	}
}

func TestBootPrintsATable(t *testing.T) {
	s := newBootSite(t)
	for phone, want := range map[string]string{openPhone: openPhone + " comes up.\n", barePhone: barePhone + " does not come up.\n"} {
		_, stdout, _ := cfgsrvRun(t, "get", "--boot", "--transport", "http", "--server", s.addr("http"), "--device", phone)
		if !strings.HasSuffix(stdout, want) || !lineWith(stdout, "ITL"+phone+".tlv ", " http  ") || strings.Contains(stdout, "s3cret") {
			t.Errorf("%s:\n%s", phone, stdout)
		}
	}
}

func TestBootWithoutAServer(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	code, stdout, _ := cfgsrvRun(t, "get", "--boot", "--transport", "http", "--server", dead.Addr().String(), "--device", openPhone)
	if code != 1 || !lineWith(stdout, "CTL"+openPhone+".tlv", "connection refused") || strings.Count(stdout, "\n") != 2 {
		t.Errorf("exit status %d\n%s", code, stdout)
	}
}

func TestBootUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--boot"}, 2, "--boot needs --device"},
		{[]string{"--boot", "--device", "CSFalice"}, 2, "--boot needs --device"},
		{[]string{"--boot", "--device", openPhone, "x.xml"}, 2, "give no NAME"},
		{[]string{"--json", "x.xml"}, 2, "--json goes with --boot"},
		{[]string{"--boot", "--device", openPhone, "--cert", "x.pem"}, 2, "--cert and --key go together"},
		{[]string{"--boot", "--device", openPhone, "--cert", "/nowhere.pem", "--key", "/nowhere.key"}, 1, "no such file"},
		{[]string{"--boot", "--device", openPhone, "--transport", "capf"}, 2, "is not one of"},
	} {
		if code, _, stderr := cfgsrvRun(t, append([]string{"get"}, test.args...)...); code != test.code || !strings.Contains(stderr, test.says) {
			t.Errorf("%q: exit status %d, want %d: %s", test.args, code, test.code, stderr)
		}
	}
}

func TestConfigurationsInEveryEncoding(t *testing.T) {
	utf16 := func(s string) string {
		b := []byte{0xff, 0xfe}
		for _, c := range s {
			b = append(b, byte(c), byte(c>>8))
		}
		return string(b)
	}
	const body = "<device><networkLocale>Zo\u00eb</networkLocale></device>"
	for name, content := range map[string]string{
		"UTF-8":           body,
		"byte order mark": "\ufeff" + body,
		"ISO-8859-1":      "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>" + strings.ReplaceAll(body, "\u00eb", "\xeb"),
		"UTF-16":          utf16("<?xml version=\"1.0\" encoding=\"UTF-16\"?>" + body),
	} {
		if c, err := parsePhoneConfig([]byte(content)); err != nil || c.locale() != "Zo\u00eb" {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if _, err := parsePhoneConfig([]byte("<device>\n<s3cret></device>")); err == nil || err.Error() != "it is not well-formed XML: line 2" {
		t.Errorf("no XML: %v", err)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
