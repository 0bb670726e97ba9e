// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"text/tabwriter"

	"cfgsrv/certs"
)

// explainGet makes the handshake of this client, and says what the server chose
// and why, as far as a client can know.
func (p *program) explainGet(ctx context.Context, o getOptions) error {
	f, ok := map[string]string{"phones": "6971", "jabber": "6972"}[o.transport]
	if !ok {
		return usagef("--explain is about TLS: give --transport phones or jabber")
	}
	conf, err := clientTLS(o)
	if err != nil {
		return err
	}
	asked := false
	present := conf.GetClientCertificate
	conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		if present == nil {
			return new(tls.Certificate), nil
		}
		return present(r)
	}
	addr := withPort(o.server, f)
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w%s", addr, err, hint(err))
	}
	defer conn.Close()
	p.printHandshake(addr, conn.(*tls.Conn).ConnectionState(), asked, present != nil)
	return nil
}

// hint says what a refusal may mean, which the alert alone does not.
func hint(err error) string {
	if remote := (*net.OpError)(nil); !errors.As(err, &remote) || remote.Op != "remote error" {
		return ""
	}
	return " (the server found no version, suite, curve or signature that suits both; its log says which)"
}

func (p *program) printHandshake(addr string, s tls.ConnectionState, asked, hasCertificate bool) {
	leaf := s.PeerCertificates[0]
	w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "server\t%s\n", addr)
	fmt.Fprintf(w, "version\t%s\n", tls.VersionName(s.Version))
	fmt.Fprintf(w, "certificate\t%s (%s)\n", leaf.Subject, keyText(leaf.PublicKey))
	fmt.Fprintf(w, "suite\t%s\n", tls.CipherSuiteName(s.CipherSuite))
	fmt.Fprintf(w, "group\t%s\n", certs.GroupName(s.CurveID))
	w.Flush()
	fmt.Fprintf(p.stdout, "%s: the highest version that both offer.\n", tls.VersionName(s.Version))
	if _, ec := leaf.PublicKey.(*ecdsa.PublicKey); ec {
		fmt.Fprintln(p.stdout, "An EC certificate: this client can use EC and RSA ones, so the server's order put it first.")
	} else {
		fmt.Fprintln(p.stdout, "An RSA certificate, though this client can use EC ones: the server has none to offer, or its order puts RSA first.")
	}
	fmt.Fprintf(p.stdout, "%s: the first in the server's order that this client offers too.\n", tls.CipherSuiteName(s.CipherSuite))
	switch {
	case !asked:
		fmt.Fprintln(p.stdout, "The server did not ask for a client certificate.")
	case hasCertificate:
		fmt.Fprintln(p.stdout, "The server asked for a client certificate and was given it; what it proves shows with each file.")
	default:
		fmt.Fprintln(p.stdout, "The server asked for a client certificate; there was none to give (--cert, --key).")
	}
}
