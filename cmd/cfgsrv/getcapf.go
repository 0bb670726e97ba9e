// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"cfgsrv/capf"
	"cfgsrv/device"
)

// getCAPF visits the CAPF server once, as a phone would, and writes a new LSC
// and its key to stdout.
func (p *program) getCAPF(ctx context.Context, o getOptions) error {
	phone, err := o.phone()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	visit, err := capf.Enrol(ctx, phone)
	switch {
	case errors.Is(err, capf.ErrUnknownDevice):
		return fmt.Errorf("enrolling at %s: the server knows no order for %s; see 'cfgsrv utils capf set'", phone.Server, phone.Device)
	case errors.Is(err, capf.ErrDeclined):
		return fmt.Errorf("enrolling at %s: the server declined; its log says why", phone.Server)
	case err != nil:
		return fmt.Errorf("enrolling at %s: %w", phone.Server, err)
	}
	if visit.Certificate == nil {
		fmt.Fprintf(p.stderr, "cfgsrv: the server ordered %q; there is no new certificate\n", visit.Operation)
		return nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(visit.Key)
	if err != nil {
		return fmt.Errorf("encoding the key: %w", err)
	}
	return errors.Join(
		pem.Encode(p.stdout, &pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.Encode(p.stdout, &pem.Block{Type: "CERTIFICATE", Bytes: visit.Certificate.Raw}),
	)
}

// phone is the device that the flags describe.
func (o getOptions) phone() (capf.Phone, error) {
	name, ok := device.Parse(o.device)
	if !ok {
		return capf.Phone{}, usagef("--transport capf needs --device, such as SEP001122334455")
	}
	phone := capf.Phone{
		Server: withPort(o.server, "3804"), Device: name, AuthString: capf.AuthString(o.authString),
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // as a phone without a trust list
	}
	if o.authString != "" {
		phone.Auth = capf.ByAuthString
	}
	if o.cert == "" && o.key == "" {
		return phone, nil
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return phone, fmt.Errorf("loading the certificate to authenticate with: %w", err)
	}
	phone.Auth, phone.Own = capf.ByLSC, &pair
	return phone, nil
}
