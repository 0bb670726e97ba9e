// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
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
	// authString authenticates an enrolment.
	authString string
}

// getPorts are the transports of get and the ports they default to.
var getPorts = []struct{ transport, port string }{
	{"tftp", "69"}, {"http", "6970"}, {"phones", "6971"}, {"jabber", "6972"},
}

func (p *program) getCommand() *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get [flags] NAME...",
		Short: "Fetch files as a phone would, to stdout",
		Long: "get fetches files as a phone would and writes them to stdout. Without NAME it asks for the\n" +
			"configuration of --device. Server certificates are not verified, as on a phone without a trust list.",
		Example: "  cfgsrv get --server ucm1 SEP001122334455.cnf.xml\n" +
			"  cfgsrv get --transport phones --cert lsc.pem --key lsc.key --device SEP001122334455",
		RunE: func(cmd *cobra.Command, names []string) error {
			if o.transport == "capf" {
				return p.getCAPF(cmd.Context(), o)
			}
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
				ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
				err := f.fetch(ctx, name, p.stdout)
				cancel()
				if err != nil {
					return fmt.Errorf("getting %s from %s: %w", name, f.addr, err)
				}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&o.transport, "transport", "tftp", "tftp, http, phones (6971) or jabber (6972); capf enrols the device")
	fl.StringVar(&o.server, "server", "127.0.0.1", "HOST or HOST:PORT of the server")
	fl.StringVar(&o.device, "device", "", "the device to be, such as SEP001122334455")
	fl.StringVar(&o.cert, "cert", "", "PEM file with the certificate to present, such as the device's LSC")
	fl.StringVar(&o.key, "key", "", "PEM file with its key")
	fl.StringVar(&o.authString, "auth-string", "", "with capf: the digits to authenticate with")
	fl.DurationVar(&o.timeout, "timeout", 10*time.Minute, "time limit for one file")
	return cmd
}

// fetcher asks one server over one transport.
type fetcher struct {
	addr  string // HOST:PORT
	fetch func(ctx context.Context, name string, w io.Writer) error
	close func()
}

func newFetcher(o getOptions) (*fetcher, error) {
	i := slices.IndexFunc(getPorts, func(g struct{ transport, port string }) bool { return g.transport == o.transport })
	if i < 0 {
		return nil, usagef("--transport %q is not one of tftp, http, phones, jabber", o.transport)
	}
	if (o.cert == "") != (o.key == "") {
		return nil, usagef("--cert and --key go together")
	}
	f := &fetcher{addr: withPort(o.server, getPorts[i].port), close: func() {}}
	switch o.transport {
	case "tftp":
		f.fetch = func(ctx context.Context, name string, w io.Writer) error {
			_, err := tftp.Get(ctx, f.addr, name, w)
			var remote *tftp.RemoteError
			if errors.As(err, &remote) {
				return errors.New(remote.Message)
			}
			return err
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

// clientTLS presents the certificate given and accepts any server, as a phone
// does that holds no trust list yet.
func clientTLS(o getOptions) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // see above
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
			sentence, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
			return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(sentence)))
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
