// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
	"cfgsrv/tvs"
)

// getTVS asks the TVS server about each name as a phone would: whether a
// certificate is trusted, or who has signed a trust list or file. A name is a
// file here, else one that the server serves over HTTP.
func (p *program) getTVS(ctx context.Context, o getOptions, names []string) error {
	if len(names) == 0 {
		return usagef("--transport tvs needs the name of a certificate, a trust list or a signed file")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	device := o.device
	if device != "" && !strings.HasPrefix(device, "CP-") {
		device = "CP-8861-" + device
	}
	client, err := tvs.Dial(ctx, tvs.Phone{
		Server: withPort(o.server, "2445"), Device: device,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // as a phone without a trust list
	})
	if err != nil {
		return fmt.Errorf("connecting to the TVS server: %w", err)
	}
	defer client.Close()
	refused := false
	for _, name := range names {
		answer, err := askTrust(ctx, client, o, name)
		if err != nil {
			return fmt.Errorf("asking about %s: %w", name, err)
		}
		refused = refused || !answer.Trusted
		fmt.Fprintln(p.stdout, name+":", verdict(answer))
	}
	if refused {
		return errSilent
	}
	return nil
}

func verdict(a tvs.Answer) string {
	if !a.Trusted {
		return "not trusted"
	}
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = r.String()
	}
	text := fmt.Sprintf("trusted as %s for %s", strings.Join(roles, ", "), a.TTL)
	if a.Certificate != nil {
		text += ", certificate of " + a.Certificate.Subject.String()
	}
	return text
}

func askTrust(ctx context.Context, client *tvs.Client, o getOptions, name string) (tvs.Answer, error) {
	b, err := readOrFetch(ctx, o, name)
	if err != nil {
		return tvs.Answer{}, err
	}
	if cert := certificateIn(b); cert != nil {
		return client.Verify(ctx, cert)
	}
	who, err := signerOf(b)
	if err != nil {
		return tvs.Answer{}, err
	}
	return client.Query(ctx, tvs.Question{Subject: who.Name, Issuer: who.Issuer, Serial: who.Serial})
}

// readOrFetch reads a file, or fetches it over HTTP from the same server.
func readOrFetch(ctx context.Context, o getOptions, name string) ([]byte, error) {
	b, err := readLimited(name, 64<<20)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	host := strings.TrimSuffix(o.server, ":"+portOf(o.server))
	f, err := newFetcher(getOptions{transport: "http", server: host})
	if err != nil {
		return nil, err
	}
	defer f.close()
	var body bytes.Buffer
	if err := f.fetch(ctx, name, &body); err != nil {
		return nil, fmt.Errorf("there is no such file here, and the server says: %w", err)
	}
	return body.Bytes(), nil
}

func portOf(addr string) string {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.HasSuffix(addr, "]") || strings.Count(addr, ":") > 1 && !strings.Contains(addr, "]") {
		return ""
	}
	return addr[i+1:]
}

// certificateIn is the certificate that b is, as PEM or DER, or nil.
func certificateIn(b []byte) *x509.Certificate {
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	cert, err := x509.ParseCertificate(b)
	if err != nil {
		return nil
	}
	return cert
}

// signerOf is whom a trust list or signed file names as its signer.
func signerOf(b []byte) (signedfile.SignerInfo, error) {
	if list, err := isTrustList(bytes.NewReader(b)); err == nil && list {
		list, err := trustlist.Parse(b)
		if err != nil {
			return signedfile.SignerInfo{}, err
		}
		return list.SignedBy(), nil
	}
	file, err := signedfile.Parse(b)
	if err != nil {
		return signedfile.SignerInfo{}, fmt.Errorf("it is no certificate, trust list or signed file: %w", err)
	}
	return file.SignedBy(), nil
}
