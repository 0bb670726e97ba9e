// SPDX-License-Identifier: Apache-2.0

package device

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Certificates is what lsc/ holds: the certificate known for each device. It
// never changes. A nil *Certificates knows none.
type Certificates struct {
	known    map[Name]entry
	warnings []error
}

// LoadCertificates reads DEVICE.pem, in any case, from the folder dir, which is
// lsc/. Names that begin with a dot are not looked at; links are followed.
//
// Each file that cannot be used is one error that names it, and closes its
// device alone (Kind Unreadable). Only if the folder itself cannot be listed
// are the certificates nil; a folder that does not exist is an empty one.
func LoadCertificates(dir string) (*Certificates, []error) {
	folder, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Certificates{}, nil
	}
	if err != nil {
		return nil, []error{fmt.Errorf("listing lsc/: %w", err)}
	}
	defer folder.Close()
	files, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, []error{fmt.Errorf("listing lsc/: %w", err)}
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasPrefix(name, ".") })
	slices.Sort(files)
	c := &Certificates{known: make(map[Name]entry, len(files))}
	var faults []error
	for i, r := range readAll(int(folder.Fd()), files) {
		if err := c.add(files[i], r); err != nil {
			faults = append(faults, fmt.Errorf("loading lsc/%s: %w", files[i], err))
		} else if r.misnamed != nil {
			c.warnings = append(c.warnings, fmt.Errorf("lsc/%s %w", files[i], r.misnamed))
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
			if e.kind != Unreadable && !yield(n, e.fingerprint) {
				return
			}
		}
	}
}

// Warnings are the files whose certificate is another device's, each with what
// to do.
func (c *Certificates) Warnings() []error {
	if c == nil {
		return nil
	}
	return slices.Clone(c.warnings)
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
	entry    entry
	err      error
	misnamed error // why the certificate is not the device's; nil if it is
}

// readAll reads files of the folder on all processors: a start with thousands
// of certificates is spent here.
func readAll(folder int, files []string) []reading {
	all := make([]reading, len(files))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			r := newReader(folder)
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				all[i] = r.readFile(files[i])
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

func (r *reader) readFile(file string) reading {
	c, err := r.readCertificate(file)
	if err != nil {
		return reading{err: err}
	}
	e, err := newEntry(c)
	return reading{e, err, misnamed(file, c)}
}

func (r *reader) readCertificate(file string) (*x509.Certificate, error) {
	text, err := r.read(file)
	if err != nil {
		return nil, err
	}
	der := firstCertificate(text)
	if der == nil {
		return nil, errors.New("no PEM certificate in it")
	}
	return x509.ParseCertificate(der)
}

// misnamed says that c does not name the device that its file is named after:
// nobody could prove to be that device then, see Judge.
func misnamed(file string, c *x509.Certificate) error {
	n, ok := fileDevice(file)
	if !ok {
		return nil // which add tells
	}
	holder, ok := FromSubject(c)
	switch {
	case ok && holder == n:
		return nil
	case ok:
		return fmt.Errorf("is the certificate of %s (CN=%s), so %s cannot prove itself with it; "+
			"put its own certificate there, or name the file %s.pem", holder, c.Subject.CommonName, n, holder)
	}
	return fmt.Errorf("is a certificate that names no device (CN=%q), so %s cannot prove itself with it; "+
		"put one there whose CN is or ends in %s", c.Subject.CommonName, n, n)
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
