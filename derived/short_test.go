// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"strings"
	"testing"
)

func TestShortFormTakesFromTheMaster(t *testing.T) {
	const head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n  <fullConfig>false</fullConfig>\n"
	const tail = "  <certHash></certHash>\n  <encrConfig>true</encrConfig>\n</device>\n"
	for name, test := range map[string]struct{ master, want string }{
		"in its order": {
			"<device><loadInformation>sip &amp; more</loadInformation><sshPassword>s3cret</sshPassword><ipAddressMode>2</ipAddressMode>" +
				"<capfAuthMode> 3 </capfAuthMode><capfList><capf priority=\"0\"><phonePort>3804</phonePort></capf></capfList><encrConfig>true</encrConfig></device>",
			head + "  <loadInformation>sip &amp; more</loadInformation>\n  <ipAddressMode>2</ipAddressMode>\n  <capfAuthMode>3</capfAuthMode>\n" +
				"  <capfList>\n    <capf priority=\"0\">\n      <phonePort>3804</phonePort>\n    </capf>\n  </capfList>\n" + tail,
		},
		"no such elements":       {"<device><encrConfig>true</encrConfig></device>", head + "  <capfAuthMode>0</capfAuthMode>\n" + tail},
		"mode that is no number": {"<device><capfAuthMode>s3cret</capfAuthMode><encrConfig>true</encrConfig></device>", head + "  <capfAuthMode>0</capfAuthMode>\n" + tail},
		"mode out of range":      {"<device><capfAuthMode>5</capfAuthMode><encrConfig>true</encrConfig></device>", head + "  <capfAuthMode>0</capfAuthMode>\n" + tail},
		"unreadable half way": {
			"<device><loadInformation>sip</loadInformation><sshPassword>s3cret</device>",
			head + "  <loadInformation>sip</loadInformation>\n  <capfAuthMode>0</capfAuthMode>\n" + tail,
		},
		"comments and entities": {
			"<device><loadInformation><!-- s3cret -->a&lt;b</loadInformation><encrConfig>true</encrConfig></device>",
			head + "  <loadInformation>a&lt;b</loadInformation>\n  <capfAuthMode>0</capfAuthMode>\n" + tail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, map[string]string{bare.Master(): test.master}, nil)
			if got := s.ask(bare.Master()+".sgn", overTFTP); got != "signed "+test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if got := s.ask(bare.Master()+".sgn", overTLS); got != test.want || strings.Contains(got, "s3cret") {
				t.Errorf("over TLS: got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// While an enrolment is pending the phone is told where to go, by its own file
// or else by us.
func TestShortFormOfAPendingEnrolment(t *testing.T) {
	own := "<device><loadInformation>sip88xx.14-2</loadInformation><capfList><capf><processNodeName>elsewhere</processNodeName></capf></capfList>" +
		"<encrConfig>true</encrConfig></device>"
	s := newSite(t, map[string]string{enrolling.Master(): own}, nil)
	want := "signed " + strings.Replace(shortForm(2, "  <capfList>\n    <capf>\n      <processNodeName>elsewhere</processNodeName>\n    </capf>\n  </capfList>\n", ""), "\n\n", "\n", 1)
	if got := s.ask(enrolling.Master()+".sgn", overTFTP); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Where MD5 is not allowed there is no certHash, and the phone enrols again.
func TestShortFormWithoutMD5(t *testing.T) {
	s := newSite(t, map[string]string{keyed.Master(): master(keyed, true)}, func(c *Config) { c.NoCertHash = true })
	if got, want := s.ask(keyed.Master()+".sgn", overTFTP), "signed "+shortForm(0, "", ""); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestShortFormOfAMissingMaster(t *testing.T) {
	s := newSite(t, map[string]string{"old/" + keyed.Master() + ".bak": "<device/>", keyed.Master(): master(keyed, true)}, nil)
	if got := s.ask(keyed.Master()+".bak.sgn", overTFTP); got != "signed "+shortForm(0, "", hashOf(t, keyed)) {
		t.Errorf("a back-up's short form is the master's: got %q", got)
	}
}
