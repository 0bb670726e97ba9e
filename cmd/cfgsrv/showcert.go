// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

func (p *program) showCertCommand() *cobra.Command {
	cert := &cobra.Command{Use: "cert", Short: "Show the units' certificates and the trust stores", RunE: groupCommand}
	list := &cobra.Command{Use: "list", Short: "List certificates with their expiry", RunE: groupCommand}
	list.AddCommand(
		p.certListCommand("own", "List the units' own certificates", (*certFolder).listOwn),
		p.certListCommand("trust", "List the certificates of the trust stores", (*certFolder).listTrust),
	)
	own := &cobra.Command{Use: "own UNIT", Short: "Show a unit's own certificate and its chain", Args: cobra.ExactArgs(1)}
	trust := &cobra.Command{Use: "trust STORE/NAME", Short: "Show a file of a trust store", Args: cobra.ExactArgs(1)}
	cert.AddCommand(list,
		p.listing(own, func(_ *cobra.Command, args []string) (any, func(io.Writer), error) { return p.showOwn(args[0]) }),
		p.listing(trust, func(_ *cobra.Command, args []string) (any, func(io.Writer), error) { return p.showTrust(args[0]) }),
	)
	return cert
}

// certListCommand prints what list finds, which goes past files at fault and
// names those in its error.
func (p *program) certListCommand(use, short string, list func(*certFolder) ([]certView, error)) *cobra.Command {
	var asJSON bool
	var expiring string
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		within, err := parseDays(expiring)
		if err != nil {
			return err
		}
		c, err := p.certFolder()
		if err != nil {
			return err
		}
		found, faults := list(c)
		if expiring != "" {
			found = endingBefore(time.Now().Add(within), found)
		}
		if err := p.printCerts(found, asJSON); err != nil {
			return err
		}
		if faults == nil && expiring != "" && len(found) > 0 {
			return errSilent
		}
		return faults
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&expiring, "expiring", "", "print only what expires within this time, such as 60d, and exit 1 if there is any")
	return cmd
}

func (p *program) printCerts(all []certView, asJSON bool) error {
	if !asJSON {
		for _, v := range all {
			fmt.Fprintln(p.stdout, v.line())
		}
		return nil
	}
	enc := json.NewEncoder(p.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}

// parseDays reads a time such as 60d or 36h; empty is none.
func parseDays(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return 0, usagef("%q is no time; write one such as 60d or 36h", s)
}

func endingBefore(t time.Time, all []certView) []certView {
	ending := []certView{}
	for _, v := range all {
		if v.NotAfter.Before(t) {
			ending = append(ending, v)
		}
	}
	return ending
}

func (c *certFolder) listOwn() ([]certView, error) {
	all := []certView{}
	var faults []error
	for _, u := range certs.Units() {
		pair, ok, err := certs.LoadUnit(os.DirFS(c.dir()), u)
		if err != nil {
			faults = append(faults, separate(err)...)
			continue
		}
		if ok {
			all = append(all, viewUnit(pair))
		}
	}
	return all, findings{faults: faults}.asError()
}

func (c *certFolder) listTrust() ([]certView, error) {
	all := []certView{}
	var faults []error
	for _, st := range certs.Stores() {
		files, err := certs.LoadStore(os.DirFS(c.dir()), st)
		if err != nil {
			faults = append(faults, separate(err)...)
		}
		for _, f := range files {
			all = append(all, viewTrustFile(f)...)
		}
	}
	return all, findings{faults: faults}.asError()
}

func (p *program) showOwn(name string) (any, func(io.Writer), error) {
	u, err := findUnit(name)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.certFolder()
	if err != nil {
		return nil, nil, err
	}
	pair, ok, err := certs.LoadUnit(os.DirFS(c.dir()), u)
	if err != nil {
		return nil, nil, findings{faults: separate(err)}.asError()
	}
	if !ok {
		return nil, nil, fmt.Errorf("%s has no certificate; make one with 'cfgsrv set cert regen %s'", u, u)
	}
	v := viewUnit(pair)
	return v, func(w io.Writer) {
		v.print(w)
		for _, issuer := range v.Chain {
			issuer.print(w)
		}
	}, nil
}

func (p *program) showTrust(name string) (any, func(io.Writer), error) {
	store, file, ok := strings.Cut(name, "/")
	if !ok {
		return nil, nil, usagef("%q is not of the form STORE/NAME", name)
	}
	st, err := findStore(store)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.certFolder()
	if err != nil {
		return nil, nil, err
	}
	files, err := certs.LoadStore(os.DirFS(c.dir()), st)
	for _, f := range files {
		if f.Name == strings.TrimSuffix(file, ".pem")+".pem" {
			views := viewTrustFile(f)
			return views, func(w io.Writer) {
				for _, v := range views {
					v.print(w)
				}
			}, nil
		}
	}
	if err != nil { // perhaps it is the one at fault
		return nil, nil, findings{faults: separate(err)}.asError()
	}
	return nil, nil, fmt.Errorf("there is no %s; 'cfgsrv show cert list trust' prints what there is", path.Join(string(st), file))
}

func (p *program) showCSRCommand() *cobra.Command {
	csr := &cobra.Command{Use: "csr", Short: "Show requests that wait for their answers", RunE: groupCommand}
	list := &cobra.Command{Use: "list", Short: "List the requests", Args: cobra.NoArgs}
	own := &cobra.Command{Use: "own UNIT", Short: "Print a unit's request as it is sent to the authority", Args: cobra.ExactArgs(1)}
	csr.AddCommand(
		p.listing(list, func(*cobra.Command, []string) (any, func(io.Writer), error) { return p.listCSR() }),
		p.listing(own, func(_ *cobra.Command, args []string) (any, func(io.Writer), error) { return p.showCSR(args[0]) }),
	)
	return csr
}

func (p *program) listCSR() (any, func(io.Writer), error) {
	c, err := p.certFolder()
	if err != nil {
		return nil, nil, err
	}
	all := []requestView{}
	for _, u := range certs.Units() {
		r, ok, err := certs.LoadRequest(os.DirFS(c.dir()), u)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			all = append(all, viewRequest(r))
		}
	}
	return all, func(w io.Writer) {
		for _, v := range all {
			fmt.Fprintln(w, v.File)
		}
	}, nil
}

func (p *program) showCSR(name string) (any, func(io.Writer), error) {
	u, err := findUnit(name)
	if err != nil {
		return nil, nil, err
	}
	c, err := p.certFolder()
	if err != nil {
		return nil, nil, err
	}
	r, ok, err := certs.LoadRequest(os.DirFS(c.dir()), u)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fmt.Errorf("there is no request for %s; make one with 'cfgsrv set csr gen %s'", u, u)
	}
	v := viewRequest(r)
	return v, func(w io.Writer) { fmt.Fprint(w, v.PEM) }, nil
}
