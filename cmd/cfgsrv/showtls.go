// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

// tlsView is what show tls prints.
type tlsView struct {
	Listeners []listenerTLSView `json:"listeners"`
	// TLSCiphers is for the SIP and CTI listeners to come.
	TLSCiphers struct {
		Value  string   `json:"value"`
		Suites []string `json:"suites"`
	} `json:"tls_ciphers"`
	CertificatePreference string `json:"tls13_certificate_preference"`
	FIPS                  bool   `json:"fips"`
}

// listenerTLSView is what one listener offers, each list in the order of
// preference. Fault is set if that cannot be said.
type listenerTLSView struct {
	Name               string   `json:"name"`
	Addr               string   `json:"addr"`
	Versions           []string `json:"versions,omitempty"`
	Certificates       []string `json:"certificates,omitempty"`
	Signatures         []string `json:"signatures,omitempty"`
	Suites             []string `json:"suites,omitempty"`
	Groups             []string `json:"groups,omitempty"`
	ClientCertificates bool     `json:"client_certificates"`
	Fault              string   `json:"fault,omitempty"`
}

func newTLSView(s *settings, snapshot *certs.Snapshot) (*tlsView, error) {
	v := &tlsView{CertificatePreference: s.TLS.TLS13CertificatePreference, FIPS: s.Security.FIPS}
	v.TLSCiphers.Value = s.TLS.TLSCiphers
	i := slices.IndexFunc(tlsCiphers, func(c tlsCipherChoice) bool { return c.name == s.TLS.TLSCiphers })
	if i < 0 {
		return nil, fmt.Errorf("the setting tls.tls_ciphers has no value %q", s.TLS.TLSCiphers)
	}
	v.TLSCiphers.Suites = tlsCiphers[i].offered(s.Security.FIPS)
	addrs := s.Listen.fields()
	for _, t := range s.tlsListeners() {
		v.Listeners = append(v.Listeners, newListenerTLSView(t, *addrs[t.name], snapshot))
	}
	return v, nil
}

func newListenerTLSView(t tlsListener, addr string, snapshot *certs.Snapshot) listenerTLSView {
	v := listenerTLSView{Name: t.name, Addr: addr, ClientCertificates: t.profile.ClientCertificates}
	o, err := snapshot.Offer(t.profile, t.units...)
	if err != nil {
		v.Fault = err.Error()
		return v
	}
	v.Versions = texts(o.Versions, tls.VersionName)
	v.Suites = texts(o.Suites, tls.CipherSuiteName)
	v.Groups = texts(o.Groups, certs.GroupName)
	for _, u := range o.Units {
		pair, _ := snapshot.Pair(u)
		v.Certificates = append(v.Certificates, fmt.Sprintf("%s (%s)", u, keyText(pair.Leaf().PublicKey)))
	}
	for _, sig := range o.Signatures {
		if name := sig.Scheme.String(); !slices.Contains(v.Signatures, name) {
			v.Signatures = append(v.Signatures, name)
		}
	}
	return v
}

func texts[T any](all []T, text func(T) string) []string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = text(v)
	}
	return words
}

func (p *program) showTLSCommand() *cobra.Command {
	cmd := p.listing(&cobra.Command{
		Use:   "tls [LISTENER]",
		Short: "Show which TLS versions, suites and certificates are offered",
		Args:  cobra.MaximumNArgs(1),
	}, func(cmd *cobra.Command, args []string) (any, func(io.Writer), error) {
		v, err := p.tlsView(cmd)
		if err != nil {
			return nil, nil, err
		}
		if len(args) == 1 {
			if v.Listeners, err = only(v.Listeners, args[0]); err != nil {
				return nil, nil, err
			}
			return v.Listeners[0], func(w io.Writer) { v.Listeners[0].print(w) }, nil
		}
		return v, v.print, nil
	})
	cmd.AddCommand(p.explainCommand())
	return cmd
}

func only(all []listenerTLSView, name string) ([]listenerTLSView, error) {
	var names []string
	for _, l := range all {
		if strings.EqualFold(l.Name, name) {
			return []listenerTLSView{l}, nil
		}
		names = append(names, l.Name)
	}
	return nil, usagef("there is no TLS listener %q; choose one of %s", name, quoteAll(names))
}

// tlsView is what the running server offers, or what one would offer.
func (p *program) tlsView(cmd *cobra.Command) (*tlsView, error) {
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	v := new(tlsView)
	err = askServer(cmd.Context(), l.data, "GET", "/tls", nil, v)
	if !errors.Is(err, errNoServer) {
		return v, err
	}
	s, snapshot, err := l.settingsAndCertificates()
	if err != nil {
		return nil, err
	}
	return newTLSView(s, snapshot)
}

// settingsAndCertificates is what a server would begin with.
func (l *loader) settingsAndCertificates() (*settings, *certs.Snapshot, error) {
	s, faults := l.settings()
	if len(faults) > 0 {
		return nil, nil, findings{faults: faults}.asError()
	}
	snapshot, err := certs.Load(os.DirFS(s.Certs))
	if err != nil {
		return nil, nil, findings{faults: separate(err)}.asError()
	}
	return &s, snapshot, nil
}

func (v *tlsView) print(out io.Writer) {
	for _, l := range v.Listeners {
		l.print(out)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "certificate for TLS 1.3\t%s\n", v.CertificatePreference)
	fmt.Fprintf(w, "tls_ciphers\t%s\n", v.TLSCiphers.Value)
	printColumn(w, "  in this order", v.TLSCiphers.Suites)
	fmt.Fprintf(w, "FIPS mode\t%s\n", onOff(v.FIPS))
	w.Flush()
}

func onOff(v bool) string {
	if v {
		return "on"
	}
	return "off"
}

func (v listenerTLSView) print(out io.Writer) {
	fmt.Fprintf(out, "%s %s\n", v.Name, v.Addr)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	defer w.Flush()
	if v.Fault != "" {
		fmt.Fprintf(w, "  fault\t%s\n", v.Fault)
		return
	}
	fmt.Fprintf(w, "  versions\t%s\n", strings.Join(v.Versions, ", "))
	printColumn(w, "  certificates", v.Certificates)
	printColumn(w, "  suites", v.Suites)
	fmt.Fprintf(w, "  groups\t%s\n", strings.Join(v.Groups, ", "))
	fmt.Fprintf(w, "  signatures\t%s\n", strings.Join(v.Signatures, ", "))
	asked := "not asked for"
	if v.ClientCertificates {
		asked = "asked for, not required"
	}
	fmt.Fprintf(w, "  client certificates\t%s\n", asked)
}

// printColumn prints one entry a line.
func printColumn(w io.Writer, title string, entries []string) {
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\n", title, e)
		title = ""
	}
}
