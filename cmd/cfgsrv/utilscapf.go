// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"cfgsrv/capf"
	"cfgsrv/configfiles"
	"cfgsrv/device"
)

func (p *program) capfCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "capf", Short: "Enrolment of device certificates (LSC)", RunE: groupCommand}
	cmd.AddCommand(p.capfSetCommand(), p.capfListCommand(), p.capfImportCommand(), p.capfCSRCommand(), p.capfIssuerCommand())
	return cmd
}

// orderFlags are the flags of utils capf set; empty keeps what the device has.
type orderFlags struct {
	operation, auth, authString, keyOrder, until string
	rsaKeySize, ecKeySize                        int
	all                                          bool
}

func (p *program) capfSetCommand() *cobra.Command {
	var o orderFlags
	cmd := &cobra.Command{
		Use:   "set DEVICE...",
		Short: "Order an operation for devices",
		Long: "set orders what happens at the devices' next connection. DEVICE is a device's name, or a file with one name\n" +
			"a line; --all is every device that has a certificate, a configuration file, or an order.",
		Example: "  cfgsrv utils capf set SEP001122334455 --operation install --auth null-string\n" +
			"  cfgsrv utils capf set phones.txt --operation install --auth auth-string --auth-string random",
		RunE: func(cmd *cobra.Command, args []string) error { return p.setOrders(cmd.Context(), o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.operation, "operation", "", "install, delete, fetch, or none to cancel")
	f.StringVar(&o.auth, "auth", "", "null-string, auth-string, lsc or mic")
	f.StringVar(&o.authString, "auth-string", "", "4 to 15 digits, or random: a new one for each device")
	f.StringVar(&o.keyOrder, "key-order", "", "rsa-only, ec-only or ec-preferred (default as capf.key_order)")
	f.IntVar(&o.rsaKeySize, "rsa-key-size", 0, "bits (default as capf.rsa_key_size)")
	f.IntVar(&o.ecKeySize, "ec-key-size", 0, "256, 384 or 521 (default as capf.ec_key_size)")
	f.StringVar(&o.until, "until", "", "end of the order: a time such as 2030-01-31T18:00:00Z, or a duration such as 72h")
	f.BoolVar(&o.all, "all", false, "every device")
	return cmd
}

func (p *program) setOrders(ctx context.Context, o orderFlags, args []string) error {
	if o.operation == "" {
		return usagef("set needs --operation install, delete, fetch or none")
	}
	if o.all == (len(args) > 0) {
		return usagef("set needs devices, or --all")
	}
	change, err := o.change(time.Now())
	if err != nil {
		return usageError{err}
	}
	l, store, err := p.enrolments(ctx)
	if err != nil {
		return err
	}
	var names []device.Name
	if o.all {
		names, err = allDevices(ctx, l, store)
	} else {
		names, err = namedDevices(args)
	}
	if err != nil {
		return err
	}
	given := map[device.Name]capf.AuthString{}
	err = store.Change(ctx, names, func(n device.Name, order *capf.Order) error {
		if err := change(order); err != nil {
			return err
		}
		given[n] = order.AuthString
		return nil
	})
	if err != nil {
		return fmt.Errorf("ordering: %w", err)
	}
	for _, n := range names {
		if o.authString == "random" {
			fmt.Fprintf(p.stdout, "%s %s\n", n, string(given[n])) // the one place where it is to be read
		}
	}
	fmt.Fprintf(p.stdout, "%s ordered for %d devices\n", o.operation, len(names))
	return nil
}

// enrolments opens the record of enrolments for a command.
func (p *program) enrolments(ctx context.Context) (*loader, *capf.Store, error) {
	l, err := p.loader()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(l.data.state()); err != nil {
		return nil, nil, fmt.Errorf("%s is no data directory of a server: start 'cfgsrv serve' once: %w", l.data.root, err)
	}
	store, err := openEnrolments(ctx, l.data)
	return l, store, err
}

// change checks the flags and returns what they do to an order.
func (o orderFlags) change(now time.Time) (func(*capf.Order) error, error) {
	var want capf.Order
	if err := want.Operation.UnmarshalText([]byte(o.operation)); err != nil {
		return nil, fmt.Errorf("--operation: %w", err)
	}
	if err := unmarshalIf(&want.Auth, o.auth); err != nil {
		return nil, fmt.Errorf("--auth: %w", err)
	}
	if err := unmarshalIf(&want.KeyOrder, o.keyOrder); err != nil {
		return nil, fmt.Errorf("--key-order: %w", err)
	}
	until, err := parseUntil(o.until, now)
	if err != nil {
		return nil, fmt.Errorf("--until: %w", err)
	}
	return func(order *capf.Order) error {
		order.Operation, order.Until = want.Operation, until
		if o.auth != "" {
			order.Auth = want.Auth
		}
		if o.keyOrder != "" {
			order.KeyOrder = want.KeyOrder
		}
		if o.rsaKeySize != 0 {
			order.RSAKeySize = o.rsaKeySize
		}
		if o.ecKeySize != 0 {
			order.ECKeySize = o.ecKeySize
		}
		return o.setAuthString(order)
	}, nil
}

func (o orderFlags) setAuthString(order *capf.Order) (err error) {
	switch {
	case o.authString == "random":
		order.AuthString, err = capf.RandomAuthString()
	case o.authString != "":
		order.AuthString = capf.AuthString(o.authString)
	}
	return err
}

func unmarshalIf(v interface{ UnmarshalText([]byte) error }, given string) error {
	if given == "" {
		return nil
	}
	return v.UnmarshalText([]byte(given))
}

// parseUntil reads a time or a duration from now; empty is no end.
func parseUntil(given string, now time.Time) (time.Time, error) {
	if given == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(given); err == nil {
		return now.Add(d).Truncate(time.Second), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, given, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2030-01-31T18:00:00Z and no duration such as 72h", given)
}

// namedDevices takes each argument for a device's name, or for a file of names.
func namedDevices(args []string) ([]device.Name, error) {
	found := map[device.Name]bool{}
	for _, a := range args {
		if n, ok := device.Parse(a); ok {
			found[n] = true
			continue
		}
		b, err := os.ReadFile(a)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("%q is neither a device's name nor a file of names", a)
		}
		if err != nil {
			return nil, err
		}
		if err := addNames(found, a, b); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func addNames(found map[device.Name]bool, file string, b []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for i := 1; lines.Scan(); i++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		n, ok := device.Parse(line)
		if !ok {
			return fmt.Errorf("%s:%d: %q is no device's name", file, i, line)
		}
		found[n] = true
	}
	return lines.Err()
}

// allDevices are those with an order, a certificate or a configuration file.
func allDevices(ctx context.Context, l *loader, store *capf.Store) ([]device.Name, error) {
	found := map[device.Name]bool{}
	entries, err := store.List(ctx, capf.Filter{})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		found[e.Device] = true
	}
	certificates, _ := device.LoadCertificates(l.data.lsc()) // faulty files are for check to tell
	for n := range certificates.All() {
		found[n] = true
	}
	s, _ := l.settings() // its faults are for check to tell
	d, err := configfiles.OpenDirectory(s.Files, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return slices.Sorted(maps.Keys(found)), nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	files, err := d.Files(ctx)
	if err != nil {
		return nil, err
	}
	for path := range files {
		if n, ok := device.Find(path); ok && strings.EqualFold(path[strings.LastIndexByte(path, '/')+1:], n.Master()) {
			found[n] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (p *program) capfListCommand() *cobra.Command {
	var pending, failed bool
	var expiring string
	cmd := &cobra.Command{Use: "list", Short: "List orders and the state of the devices' certificates", Args: cobra.NoArgs}
	cmd.Flags().BoolVar(&pending, "pending", false, "only devices with something to do")
	cmd.Flags().BoolVar(&failed, "failed", false, "only devices whose last session failed")
	cmd.Flags().StringVar(&expiring, "expiring", "", "only devices whose LSC ends within that time, such as 60d")
	return p.listing(cmd, func(cmd *cobra.Command, _ []string) (any, func(io.Writer), error) {
		f := capf.Filter{Pending: pending, Failed: failed}
		if expiring != "" {
			d, err := parseDays(expiring)
			if err != nil {
				return nil, nil, err
			}
			f.Expiring = time.Now().Add(d)
		}
		_, store, err := p.enrolments(cmd.Context())
		if err != nil {
			return nil, nil, err
		}
		entries, err := store.List(cmd.Context(), f)
		if err != nil {
			return nil, nil, err
		}
		rows := make([]orderRow, len(entries))
		for i, e := range entries {
			rows[i] = newOrderRow(e)
		}
		return rows, func(w io.Writer) { printOrders(w, rows) }, nil
	})
}

// orderRow is one line of utils capf list. It says nothing secret.
type orderRow struct {
	Device    string    `json:"device"`
	Operation string    `json:"operation"`
	Auth      string    `json:"auth"`
	Until     time.Time `json:"until,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
	UnderWay  bool      `json:"underWay"`
	Failed    bool      `json:"failed"`
	Result    string    `json:"result,omitempty"`
	At        time.Time `json:"at,omitzero"`
}

func newOrderRow(e capf.Entry) orderRow {
	return orderRow{
		Device: string(e.Device), Operation: e.Operation.String(), Auth: e.Auth.String(), Until: e.Until,
		NotAfter: e.NotAfter, UnderWay: e.Enrolment != nil || e.Deleting,
		Failed: e.Last.Failed, Result: e.Last.Reason, At: e.Last.At,
	}
}

func printOrders(out io.Writer, rows []orderRow) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		ends := "no LSC"
		if !r.NotAfter.IsZero() {
			ends = "LSC until " + r.NotAfter.Format(time.DateOnly)
		}
		last := ""
		if !r.At.IsZero() {
			last = r.At.Local().Format(time.DateTime) + " " + r.Result
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Device, r.Operation, r.Auth, ends, last)
	}
	w.Flush()
}
