// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	_ "modernc.org/sqlite" // the reference implementation's database

	"cfgsrv/capf"
	"cfgsrv/device"
)

func (p *program) capfImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE|DIR",
		Short: "Take over capf.sqlite3 of usecallmanager's daemons, or a folder of DEVICE.pem files",
		Long: "import takes over the devices' certificates, and from a database their orders too. A device that has another\n" +
			"certificate here already is left alone and reported.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, store, err := p.enrolments(cmd.Context())
			if err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			read := readDatabase
			if info.IsDir() {
				read = readPEMFolder
			}
			imported, err := read(cmd.Context(), args[0])
			if err != nil {
				return fmt.Errorf("reading %s: %w", args[0], err)
			}
			return p.takeOver(cmd.Context(), l, store, imported)
		},
	}
}

// importedDevice is a device of another server.
type importedDevice struct {
	name        device.Name
	certificate *x509.Certificate // nil: it has none
	order       capf.Order
}

func (p *program) takeOver(ctx context.Context, l *loader, store *capf.Store, all []importedDevice) error {
	folder := capf.Folder(l.data.lsc())
	var failed error
	certificates, orders := 0, map[device.Name]capf.Order{}
	var names []device.Name
	for _, d := range all {
		written, err := takeCertificate(folder, d)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("importing %s: %w", d.name, err))
			continue
		}
		if written {
			certificates++
		}
		if d.order.Operation != capf.None {
			names, orders[d.name] = append(names, d.name), d.order
		}
	}
	err := store.Change(ctx, names, func(n device.Name, o *capf.Order) error { *o = orders[n]; return nil })
	if err != nil {
		return errors.Join(failed, fmt.Errorf("importing the orders: %w", err))
	}
	fmt.Fprintf(p.stdout, "%d certificates and %d orders imported of %d devices\n", certificates, len(names), len(all))
	return failed
}

// takeCertificate writes the certificate of a device that has none here.
func takeCertificate(folder capf.Folder, d importedDevice) (written bool, err error) {
	if d.certificate == nil {
		return false, nil
	}
	known, err := folder.Read(d.name)
	switch {
	case err == nil && known.Equal(d.certificate):
		return false, nil
	case err == nil:
		return false, errors.New("it has another certificate here already; remove lsc/" + string(d.name) + ".pem first")
	case !errors.Is(err, os.ErrNotExist):
		return false, err
	}
	return true, folder.Write(d.name, d.certificate)
}

// readPEMFolder reads DEVICE.pem files.
func readPEMFolder(_ context.Context, dir string) ([]importedDevice, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil {
		return nil, err
	}
	var all []importedDevice
	for _, path := range files {
		n, ok := device.Parse(strings.TrimSuffix(filepath.Base(path), ".pem"))
		if !ok {
			return nil, fmt.Errorf("%s is not named after a device", filepath.Base(path))
		}
		chain, err := readCertificates(path)
		if err != nil {
			return nil, err
		}
		all = append(all, importedDevice{name: n, certificate: chain[0]})
	}
	if len(all) == 0 {
		return nil, errors.New("there is no DEVICE.pem in it")
	}
	return all, nil
}

// readDatabase reads the table devices of capf.sqlite3, read only.
func readDatabase(ctx context.Context, path string) (all []importedDevice, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: "mode=ro"}).String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, "SELECT device_name, operation, authentication, password, key_size, curve_name, certificate FROM devices ORDER BY device_name")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r databaseRow
		if err := rows.Scan(&r.name, &r.operation, &r.authentication, &r.password, &r.keySize, &r.curve, &r.certificate); err != nil {
			return nil, err
		}
		d, err := r.device()
		if err != nil {
			return nil, fmt.Errorf("device %q: %w", r.name, err)
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// databaseRow is one row as the reference implementation writes it.
type databaseRow struct {
	name, operation, authentication string
	password, curve                 sql.NullString
	keySize                         sql.NullInt64
	certificate                     []byte // PEM
}

func (r databaseRow) device() (importedDevice, error) {
	n, ok := device.Parse(r.name)
	if !ok {
		return importedDevice{}, errors.New("that is no device's name")
	}
	d := importedDevice{name: n}
	if err := d.order.Operation.UnmarshalText([]byte(r.operation)); err != nil {
		return d, err
	}
	switch r.authentication {
	case "password":
		d.order.Auth, d.order.AuthString = capf.ByAuthString, capf.AuthString(r.password.String)
	case "certificate":
		d.order.Auth = capf.ByLSC
	}
	r.setKey(&d.order)
	if len(r.certificate) == 0 {
		return d, nil
	}
	block, _ := pem.Decode(r.certificate)
	if block == nil {
		return d, errors.New("its certificate is not PEM")
	}
	var err error
	d.certificate, err = x509.ParseCertificate(block.Bytes)
	return d, err
}

// setKey takes over the kind of key: the database knows one kind a device.
func (r databaseRow) setKey(o *capf.Order) {
	if size, ok := map[string]int{"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}[r.curve.String]; ok {
		o.KeyOrder, o.ECKeySize = capf.ECOnly, size
	} else if r.keySize.Valid {
		o.KeyOrder, o.RSAKeySize = capf.RSAOnly, int(r.keySize.Int64)
	}
}
