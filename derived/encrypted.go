// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"cfgsrv/configfiles"
	"cfgsrv/device"
	"cfgsrv/signedfile"
)

// maxConfiguration is up to which size a configuration is encrypted; phones
// take 2 MiB.
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
	if base.Size > maxConfiguration {
		return nil, errors.Join(fmt.Errorf("encrypting: the file has %d bytes, phones take 2 MiB", base.Size), base.Content.Close())
	}
	plain, err := readWhole(base)
	if err != nil {
		return nil, fmt.Errorf("reading the file to encrypt: %w", err)
	}
	sum := sha256.Sum256(plain)
	key := "encrypted\x00" + req.Name.Asked + "\x00" + string(cert.Fingerprint[:]) + string(sum[:])
	a, err := s.kept.get(ctx, key, func(context.Context) ([]byte, error) { return s.encrypt(req.Name.Asked, cert, plain) })
	if err != nil {
		return nil, err
	}
	return a.file(configfiles.Encrypted), nil
}

func (s *Source) encrypt(name string, cert device.Certificate, plain []byte) ([]byte, error) {
	if s.conf.Healthy != nil {
		if err := s.conf.Healthy(); err != nil {
			return nil, fmt.Errorf("encrypting: %w", err)
		}
	}
	key, err := cert.RSAKey()
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	data, err := s.signer.Encrypt(signedfile.Recipient{Key: key, Name: name, Time: signingTime()}, plain)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	s.made(configfiles.Encrypted)
	return data, nil
}
