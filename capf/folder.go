// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cfgsrv/device"
)

// Folder is lsc/: the certificate known for each device, as DEVICE.pem.
type Folder string

// ErrNoCertificate is returned by Folder.Read for a file that holds none.
var ErrNoCertificate = errors.New("no certificate in it")

// Read returns the certificate of a device. The error is fs.ErrNotExist if
// there is no file, and ErrNoCertificate if it holds something else.
func (f Folder) Read(n device.Name) (*x509.Certificate, error) {
	for _, path := range f.spellings(n) {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(b)
		if block == nil {
			return nil, fmt.Errorf("reading %s: %w", path, ErrNoCertificate)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w: %w", path, ErrNoCertificate, err)
		}
		return c, nil
	}
	return nil, fs.ErrNotExist
}

// Write makes c the certificate of a device. When it returns nil that is on the
// disk; whoever reads sees the old file or the new one, never a part.
func (f Folder) Write(n device.Name, c *x509.Certificate) error {
	// A name that begins with a dot is no device's.
	beside, err := os.CreateTemp(string(f), "."+string(n)+".*")
	if err != nil {
		return fmt.Errorf("writing the LSC of %s: %w", n, err)
	}
	defer os.Remove(beside.Name())
	all := f.spellings(n)
	err = errors.Join(writeSynced(beside, c), beside.Close())
	if err == nil {
		err = os.Rename(beside.Name(), all[0])
	}
	if err == nil {
		err = f.remove(all[1:])
	}
	if err != nil {
		return fmt.Errorf("writing the LSC of %s: %w", n, err)
	}
	return nil
}

// Remove takes a device's certificate away, if there is one.
func (f Folder) Remove(n device.Name) error {
	if err := f.remove(f.spellings(n)); err != nil {
		return fmt.Errorf("removing the LSC of %s: %w", n, err)
	}
	return nil
}

// spellings are the files that may hold a device's certificate, ours first. The
// others are how people write a MAC address.
func (f Folder) spellings(n device.Name) []string {
	lower := strings.ToLower(string(n))
	var paths []string
	for _, stem := range []string{string(n), lower, string(n[:3]) + lower[3:]} {
		path := filepath.Join(string(f), stem+".pem")
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// remove returns when the folder is on the disk as it is then.
func (f Folder) remove(paths []string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.sync()
}

func (f Folder) sync() error {
	d, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(w *os.File, c *x509.Certificate) error {
	if err := pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
		return err
	}
	if err := w.Chmod(0o644); err != nil {
		return err
	}
	return w.Sync()
}
