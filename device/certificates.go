// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxCertificateFile bounds one file of lsc/, in bytes. A certificate with its
// chain is a tenth of it.
const maxCertificateFile = 64 << 10

// Certificates is what lsc/ holds: the certificate known for each device. It
// never changes. A nil *Certificates knows none.
type Certificates struct {
	known map[Name]entry
}

// LoadCertificates reads DEVICE.pem, in any case, from fsys, which is lsc/.
// Names that begin with a dot are not looked at; links are followed.
//
// Each file that cannot be used is one error that names it, and closes its
// device alone (Kind Unreadable). Only if the folder itself cannot be listed
// are the certificates nil; a folder that does not exist is an empty one.
func LoadCertificates(fsys fs.FS) (*Certificates, []error) {
	files, err := fs.ReadDir(fsys, ".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, []error{fmt.Errorf("listing lsc/: %w", err)}
	}
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return strings.HasPrefix(f.Name(), ".") })
	c := &Certificates{known: make(map[Name]entry, len(files))}
	var faults []error
	for i, r := range readAll(fsys, files) {
		if err := c.add(files[i].Name(), r); err != nil {
			faults = append(faults, fmt.Errorf("loading lsc/%s: %w", files[i].Name(), err))
		}
	}
	return c, faults
}

// Get returns the certificate known for n. The zero value, with false, has
// Kind NoCertificate.
func (c *Certificates) Get(n Name) (Certificate, bool) {
	if c == nil {
		return Certificate{}, false
	}
	e, ok := c.known[n]
	if !ok {
		return Certificate{}, false
	}
	return e.certificate(n), true
}

// All yields the devices whose certificate can be used, each with the
// certificate's fingerprint, in no order.
func (c *Certificates) All() iter.Seq2[Name, [sha256.Size]byte] {
	return func(yield func(Name, [sha256.Size]byte) bool) {
		if c == nil {
			return
		}
		for n, e := range c.known {
			if cert := e.certificate(n); cert.Kind != Unreadable && !yield(n, cert.Fingerprint) {
				return
			}
		}
	}
}

// Len is how many devices have a file in lsc/.
func (c *Certificates) Len() int {
	if c == nil {
		return 0
	}
	return len(c.known)
}

// reading is what came of reading one file.
type reading struct {
	entry entry
	err   error
}

// readAll reads files on all processors: a start with thousands of certificates
// is spent here.
func readAll(fsys fs.FS, files []fs.DirEntry) []reading {
	all := make([]reading, len(files))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				all[i].entry, all[i].err = readEntry(fsys, files[i])
			}
		})
	}
	wg.Wait()
	return all
}

// add enters what came of a file. A file that cannot be used closes its device.
func (c *Certificates) add(file string, r reading) error {
	n, ok := fileDevice(file)
	if !ok {
		return errors.New("not named DEVICE.pem after a device")
	}
	if _, twice := c.known[n]; twice {
		c.known[n] = entry{kind: Unreadable}
		return fmt.Errorf("%s has another file in another case", n)
	}
	if r.err != nil {
		r.entry = entry{kind: Unreadable}
	}
	c.known[n] = r.entry
	return r.err
}

// fileDevice is the device that a file of lsc/ is named after.
func fileDevice(file string) (Name, bool) {
	stem := len(file) - len(".pem")
	if stem < 0 || !equalFold(file[stem:], ".pem") {
		return "", false
	}
	return Parse(file[:stem])
}

func readEntry(fsys fs.FS, f fs.DirEntry) (entry, error) {
	text, err := readRegular(fsys, f)
	if err != nil {
		return entry{}, err
	}
	der := firstCertificate(text)
	if der == nil {
		return entry{}, errors.New("no PEM certificate in it")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return entry{}, err
	}
	return newEntry(c)
}

// readRegular reads f if it is a regular file: opening a named pipe would wait
// for its writer.
func readRegular(fsys fs.FS, f fs.DirEntry) ([]byte, error) {
	if !f.Type().IsRegular() {
		info, err := fs.Stat(fsys, f.Name())
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, errors.New("not a regular file")
		}
	}
	r, err := fsys.Open(f.Name())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxCertificateFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxCertificateFile {
		return nil, fmt.Errorf("larger than %d bytes", maxCertificateFile)
	}
	return text, nil
}

func firstCertificate(text []byte) []byte {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes
		}
		text = rest
	}
}
