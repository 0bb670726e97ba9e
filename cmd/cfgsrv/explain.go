// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

// maxRecorded is how large a recorded ClientHello may be, as hex digits too.
const maxRecorded = 256 << 10

// explainView is what one client would get of a listener. What is empty was not
// settled: there would be no connection.
type explainView struct {
	Listener string `json:"listener"`
	Client   struct {
		Versions   []string `json:"versions"`
		Suites     []string `json:"suites"`
		Groups     []string `json:"groups"`
		Signatures []string `json:"signatures"`
	} `json:"client"`
	Version     string   `json:"version,omitempty"`
	Suite       string   `json:"suite,omitempty"`
	Group       string   `json:"group,omitempty"`
	Certificate string   `json:"certificate,omitempty"`
	Why         []string `json:"why"`
}

// explainHello explains what a listener would answer to a recorded ClientHello.
func explainHello(s *settings, snapshot *certs.Snapshot, listener string, recorded []byte) (*explainView, error) {
	t, err := s.tlsListener(listener)
	if err != nil {
		return nil, err
	}
	e, err := snapshot.Explain(recorded, t.profile, t.units...)
	if err != nil {
		return nil, err
	}
	v := &explainView{Listener: t.name, Certificate: string(e.Unit), Why: e.Why}
	v.Client.Versions = texts(e.Client.Versions, tls.VersionName)
	v.Client.Suites = texts(e.Client.Suites, tls.CipherSuiteName)
	v.Client.Groups = texts(e.Client.Groups, certs.GroupName)
	v.Client.Signatures = texts(e.Client.Signatures, signatureName)
	if e.Unit != "" {
		v.Version, v.Suite = tls.VersionName(e.Version), tls.CipherSuiteName(e.Suite)
	}
	if e.Group != 0 {
		v.Group = certs.GroupName(e.Group)
	}
	return v, nil
}

// signatureName is the name that crypto/tls has for it, else the number as it
// has it for suites.
func signatureName(s tls.SignatureScheme) string {
	if n := s.String(); !strings.HasPrefix(n, "SignatureScheme(") {
		return n
	}
	return fmt.Sprintf("0x%04X", uint16(s))
}

// tlsListener is the listener of that name in any case.
func (s *settings) tlsListener(name string) (tlsListener, error) {
	all := s.tlsListeners()
	i := slices.IndexFunc(all, func(t tlsListener) bool { return strings.EqualFold(t.name, name) })
	if i < 0 {
		names := texts(all, func(t tlsListener) string { return t.name })
		return tlsListener{}, usagef("there is no TLS listener %q; choose one of %s", name, quoteAll(names))
	}
	return all[i], nil
}

func (p *program) explainCommand() *cobra.Command {
	var client, listener string
	cmd := p.listing(&cobra.Command{
		Use:   "explain --client FILE",
		Short: "Say which certificate and suite a client would get, and why",
		Long: "explain takes the first bytes that a client sent, its ClientHello, as a packet recorder shows them:\n" +
			"raw or as hex digits, with or without the record header. It says what a listener would answer.",
		Example: "  cfgsrv show tls explain --listener jabber --client hello.bin",
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string) (any, func(io.Writer), error) {
		if client == "" {
			return nil, nil, usagef("explain needs --client FILE, a recorded ClientHello")
		}
		v, err := p.explainClient(cmd, listener, client)
		if err != nil {
			return nil, nil, err
		}
		return v, v.print, nil
	})
	cmd.Flags().StringVar(&client, "client", "", "file with the client's ClientHello; - is the standard input")
	cmd.Flags().StringVar(&listener, "listener", "phones", "phones, jabber, capf or tvs")
	return cmd
}

// explainClient asks the running server, or explains what one would answer.
func (p *program) explainClient(cmd *cobra.Command, listener, file string) (*explainView, error) {
	if _, err := new(settings).tlsListener(listener); err != nil {
		return nil, err
	}
	recorded, err := p.readGiven(file)
	if err != nil {
		return nil, err
	}
	if len(recorded) > maxRecorded {
		return nil, fmt.Errorf("%s is larger than any recorded ClientHello", file)
	}
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	v := new(explainView)
	err = askServer(cmd.Context(), l.data, "POST", "/tls/"+escapePath(listener)+"/explain", recorded, v)
	if !errors.Is(err, errNoServer) {
		return v, err
	}
	s, snapshot, err := l.settingsAndCertificates()
	if err != nil {
		return nil, err
	}
	return explainHello(s, snapshot, listener, recorded)
}

func (v *explainView) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "listener\t%s\n", v.Listener)
	for _, line := range []struct{ title, text string }{
		{"version", v.Version}, {"certificate", v.Certificate}, {"suite", v.Suite}, {"group", v.Group},
	} {
		if line.text != "" {
			fmt.Fprintf(w, "%s\t%s\n", line.title, line.text)
		}
	}
	w.Flush()
	for _, sentence := range v.Why {
		fmt.Fprintln(out, sentence)
	}
	fmt.Fprintf(w, "client offers\t%s\n", strings.Join(v.Client.Versions, ", "))
	printColumn(w, "  suites", v.Client.Suites)
	fmt.Fprintf(w, "  groups\t%s\n", strings.Join(v.Client.Groups, ", "))
	fmt.Fprintf(w, "  signatures\t%s\n", strings.Join(v.Client.Signatures, ", "))
	w.Flush()
}
