// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

func (p *program) setCommand() *cobra.Command {
	set := &cobra.Command{Use: "set", Short: "Make, import and delete certificates", RunE: groupCommand}
	cert := &cobra.Command{Use: "cert", Short: "The units' certificates and the trust stores", RunE: groupCommand}
	cert.AddCommand(p.certRegenCommand(), p.certImportCommand(), p.certDeleteCommand(), p.bulkCommand())
	csr := &cobra.Command{Use: "csr", Short: "Certificate signing requests", RunE: groupCommand}
	csr.AddCommand(p.csrGenCommand())
	// Cisco's documents have set cert bulk and set bulk.
	set.AddCommand(cert, csr, p.bulkCommand())
	return set
}

// certFolder is what the commands on certificates work with: the certs folder
// and what belongs to it.
type certFolder struct {
	data     data
	settings settings
	log      *slog.Logger // warnings and worse
}

func (p *program) certFolder() (*certFolder, error) {
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	s, faults := l.settings()
	if len(faults) > 0 {
		return nil, findings{faults: faults}.asError()
	}
	return &certFolder{l.data, s, newLogger(p.stderr, s.Log.Format, slog.LevelWarn)}, nil
}

func (c *certFolder) dir() string { return c.settings.Certs }

// archive is where replaced pairs are kept.
func (c *certFolder) archive() string { return filepath.Join(c.data.state(), "replaced") }

// maker makes keys as long as the random source is healthy.
func (c *certFolder) maker(ctx context.Context) certs.Maker {
	return certs.Maker{Healthy: func() error {
		return mayMakeKeys(ctx, c.data, c.settings.Entropy, c.log)
	}}
}

// trusted are all certificates of a trust store.
func (c *certFolder) trusted(st certs.Store) ([]*x509.Certificate, error) {
	files, err := certs.LoadStore(os.DirFS(c.dir()), st)
	if err != nil {
		return nil, findings{faults: separate(err)}.asError()
	}
	var all []*x509.Certificate
	for _, f := range files {
		all = append(all, f.Certificates...)
	}
	return all, nil
}

// findUnit is the unit of that name in any case. Cisco's commands take its file
// too, such as tomcat.pem or tomcat/tomcat.pem.
func findUnit(name string) (certs.Unit, error) {
	base := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(name), ".pem"), ".csr")
	for _, u := range certs.Units() {
		if strings.EqualFold(base, string(u)) {
			return u, nil
		}
	}
	return "", usagef("there is no unit %q; choose one of %s", name, joinNames(certs.Units()))
}

// findStore is the trust store of that name in any case, with or without
// -trust.
func findStore(name string) (certs.Store, error) {
	for _, st := range certs.Stores() {
		if strings.EqualFold(name, string(st)) || strings.EqualFold(name+"-trust", string(st)) {
			return st, nil
		}
	}
	return "", usagef("there is no trust store %q; choose one of %s", name, joinNames(certs.Stores()))
}

func joinNames[S ~string](all []S) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// maxImported is how large a file may be that is given to a command, in bytes.
const maxImported = 4 << 20

// readGiven reads a file named on the command line; "-" is the standard input.
func (p *program) readGiven(name string) ([]byte, error) {
	if name != "-" {
		return readLimited(name, maxImported)
	}
	b, err := io.ReadAll(io.LimitReader(p.stdin, maxImported+1))
	if err == nil && len(b) > maxImported {
		err = fmt.Errorf("the standard input is larger than %d bytes", maxImported)
	}
	return b, err
}

// readPassword reads a password file: its first line. Without a file there is
// no password.
func readPassword(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := readLimited(name, 4096)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// refusal makes wrong usage of a wish that is not allowed.
func refusal(err error) error {
	if _, ok := errors.AsType[*certs.NotAllowedError](err); ok {
		return usageError{err}
	}
	return err
}

func (p *program) warn(all []*certs.Fault) {
	for _, w := range all {
		fmt.Fprintf(p.stderr, "warning: %s\n", w)
	}
}
