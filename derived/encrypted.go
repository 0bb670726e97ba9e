// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/signedfile"
)

// maxConfiguration is up to how many bytes a configuration is encrypted, which
// needs it in memory; phones take 2 MiB.
const maxConfiguration = 8 << 20

// openEncrypted makes the device's configuration encrypted for its certificate,
// which must be RSA: to one of an elliptic curve nothing can be encrypted, and
// the guard has it fetched over mutual TLS.
func (s *Source) openEncrypted(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	cert, ok := s.conf.Devices.Certificate(req.Name.Device)
	if !ok || cert.Kind != device.RSA {
		return nil, fs.ErrNotExist
	}
	base, err := s.openBase(ctx, req)
	if err != nil {
		return nil, err
	}
	key := "encrypted\x00" + string(cert.Fingerprint[:]) + req.Name.Asked
	encrypt := func(r *reader) ([]byte, error) { return s.encrypt(req.Name.Asked, cert, r) }
	a, err := s.fromFile(ctx, recipe{key, req, encrypt}, base)
	if err = errors.Join(err, base.Content.Close()); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return a.file(configfiles.Encrypted), nil
}

// encrypt reads a configuration and encrypts it, under a key that is made only
// while the random source is healthy.
func (s *Source) encrypt(name string, cert device.Certificate, r *reader) ([]byte, error) {
	if r.left > maxConfiguration {
		return nil, fmt.Errorf("the file has %d bytes, phones take 2 MiB", r.left)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	key, err := cert.RSAKey()
	if err != nil {
		return nil, err
	}
	if s.conf.Healthy != nil {
		if err := s.conf.Healthy(); err != nil {
			return nil, err
		}
	}
	data, err := s.signer.Encrypt(signedfile.Recipient{Key: key, Name: name, Time: signingTime()}, plain)
	if err != nil {
		return nil, err
	}
	s.made(configfiles.Encrypted)
	return data, nil
}
