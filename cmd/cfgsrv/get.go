// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cfgsrv/tftp"
)

// getOptions are the flags of get.
type getOptions struct {
	transport string
	server    string
	device    string
	cert, key string
	timeout   time.Duration
	explain   bool
	// authString authenticates an enrolment.
	authString string
	// fixed says that the transport was given and is not the default.
	fixed bool
	// verify judges the server's certificate; nil accepts any.
	verify func(*x509.Certificate) error
}

// getPorts are the transports of get and the ports they default to.
var getPorts = []struct{ transport, port string }{
	{"tftp", "69"}, {"http", "6970"}, {"phones", "6971"}, {"jabber", "6972"},
}

func (p *program) getCommand() *cobra.Command {
	var o getOptions
	var boot, asJSON bool
	cmd := &cobra.Command{
		Use:   "get [flags] NAME...",
		Short: "Fetch files as a phone would, to stdout",
		Long: "get fetches files as a phone would and writes them to stdout. Without NAME it asks for the\n" +
			"configuration of --device. Server certificates are not verified, as on a phone without a trust list.\n" +
			"With --boot it goes through all that the phone does when it starts, as one that holds no trust list yet,\n" +
			"and prints a verdict on each step; exit status 1 if the phone would not come up.",
		Example: "  cfgsrv get --server ucm1 SEP001122334455.cnf.xml\n" +
			"  cfgsrv get --transport phones --cert lsc.pem --key lsc.key --device SEP001122334455\n" +
			"  cfgsrv get --boot --server ucm1 --device SEP001122334455 --cert lsc.pem --key lsc.key",
		RunE: func(cmd *cobra.Command, names []string) error {
			switch {
			case boot && len(names) > 0:
				return usagef("--boot asks for what the phone asks for; give no NAME")
			case boot:
				o.fixed = cmd.Flags().Changed("transport")
				return p.getBoot(cmd.Context(), o, asJSON)
			case asJSON:
				return usagef("--json goes with --boot")
			case o.explain && len(names) > 0:
				return usagef("--explain fetches nothing; give no NAME")
			case o.explain:
				return p.explainGet(cmd.Context(), o)
			case o.transport == "capf":
				return p.getCAPF(cmd.Context(), o)
			}
			if o.transport == "tvs" {
				return p.getTVS(cmd.Context(), o, names)
			}
			return p.getFiles(cmd.Context(), o, names)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.transport, "transport", "tftp", "tftp, http, phones (6971) or jabber (6972); capf enrols the device, tvs asks whom to trust")
	fl.StringVar(&o.server, "server", "127.0.0.1", "HOST or HOST:PORT of the server")
	fl.StringVar(&o.device, "device", "", "the device to be, such as SEP001122334455")
	fl.StringVar(&o.cert, "cert", "", "PEM file with the certificate to present, such as the device's LSC")
	fl.StringVar(&o.key, "key", "", "PEM file with its key")
	fl.StringVar(&o.authString, "auth-string", "", "with capf: the digits to authenticate with")
	fl.BoolVar(&o.explain, "explain", false, "with phones or jabber: only connect, and say which certificate and suite the server chose and why")
	fl.DurationVar(&o.timeout, "timeout", 10*time.Minute, "time limit for one file")
	fl.BoolVar(&boot, "boot", false, "be --device from its start to its last file, and print a table")
	fl.BoolVar(&asJSON, "json", false, "with --boot: print JSON")
	return cmd
}

// getFiles writes the files to stdout.
func (p *program) getFiles(ctx context.Context, o getOptions, names []string) error {
	if len(names) == 0 && o.device != "" {
		names = []string{o.device + ".cnf.xml"}
	}
	if len(names) == 0 {
		return usagef("get needs a NAME to ask for, or --device")
	}
	f, err := newFetcher(o)
	if err != nil {
		return err
	}
	defer f.close()
	for _, name := range names {
		if err := f.get(ctx, name, p.stdout); err != nil {
			return fmt.Errorf("getting %s from %s: %w", name, f.addr, err)
		}
	}
	return nil
}

// fetcher asks one server over one transport.
type fetcher struct {
	addr    string // HOST:PORT
	timeout time.Duration
	fetch   func(ctx context.Context, name string, w io.Writer) error
	close   func()
}

// get writes one file to w. The error is an *answerError if the server gave
// another answer.
func (f *fetcher) get(ctx context.Context, name string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if err := f.fetch(ctx, name, w); err != nil {
		return f.fetchFault(ctx, err)
	}
	return nil
}

func newFetcher(o getOptions) (*fetcher, error) {
	i := slices.IndexFunc(getPorts, func(g struct{ transport, port string }) bool { return g.transport == o.transport })
	if i < 0 {
		return nil, usagef("--transport %q is not one of tftp, http, phones, jabber", o.transport)
	}
	if (o.cert == "") != (o.key == "") {
		return nil, usagef("--cert and --key go together")
	}
	f := &fetcher{addr: withPort(o.server, getPorts[i].port), timeout: o.timeout, close: func() {}}
	switch o.transport {
	case "tftp":
		f.fetch = func(ctx context.Context, name string, w io.Writer) error {
			if _, err := tftp.Get(ctx, f.addr, name, w); err != nil {
				return tftpAnswer(err)
			}
			return nil
		}
	case "http":
		f.fetch, f.close = httpFetch("http://"+f.addr, nil)
	default:
		conf, err := clientTLS(o)
		if err != nil {
			return nil, err
		}
		f.fetch, f.close = httpFetch("https://"+f.addr, conf)
	}
	return f, nil
}

// withPort adds the port to a host that has none; an IPv6 address may stand
// with or without brackets.
func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// clientTLS presents the certificate given. Unless o says otherwise it accepts
// any server, as a phone does that holds no trust list yet.
func clientTLS(o getOptions) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // see above
	if o.verify != nil {
		conf.VerifyConnection = func(c tls.ConnectionState) error { return o.verify(c.PeerCertificates[0]) }
	}
	if o.cert == "" {
		return conf, nil
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate to present: %w", err)
	}
	// Presented whatever issuers the server names: it shall say why it does not
	// accept this one.
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return conf, nil
}

func httpFetch(base string, conf *tls.Config) (func(context.Context, string, io.Writer) error, func()) {
	t := &http.Transport{TLSClientConfig: conf, DisableCompression: true, Proxy: nil}
	fetch := func(ctx context.Context, name string, w io.Writer) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/"+escapePath(name), nil)
		if err != nil {
			return err
		}
		res, err := t.RoundTrip(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return httpAnswer(res)
		}
		_, err = io.Copy(w, res.Body)
		return err
	}
	return fetch, t.CloseIdleConnections
}

// escapePath escapes each element of a name and keeps the slashes.
func escapePath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
