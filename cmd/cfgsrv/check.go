// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
)

func (p *program) checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Load everything as serve would, and print every fault found",
		Long:  "check loads the settings, the certificates and the files as serve would, changes nothing, prints\nevery fault found, and exits 1 if there is any. Warnings alone exit 0.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := p.loader()
			if err != nil {
				return err
			}
			defer l.close()
			r := l.check(cmd.Context())
			if asJSON {
				enc := json.NewEncoder(p.stdout)
				enc.SetIndent("", "  ")
				if err := enc.Encode(r); err != nil {
					return err
				}
			} else {
				r.print(p)
			}
			if len(r.Faults) > 0 {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().AddFlagSet(p.listen)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// report is what check found. Each entry is one sentence.
type report struct {
	Faults   []string `json:"faults"`
	Warnings []string `json:"warnings"`
	Notes    []string `json:"notes"`
}

func (r report) print(p *program) {
	for _, list := range []struct {
		word    string
		entries []string
	}{{"fault", r.Faults}, {"warning", r.Warnings}, {"note", r.Notes}} {
		for _, e := range list.entries {
			fmt.Fprintf(p.stdout, "%s: %s\n", list.word, e)
		}
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(p.stdout, "no faults")
	}
}

// check loads a generation without serving it, and looks through files/ too.
func (l *loader) check(ctx context.Context) report {
	r := report{Faults: []string{}, Warnings: []string{}, Notes: []string{}}
	s, _ := l.settings() // its faults come from load
	l.lenient = true
	r.noteMissing(l.data, &s)
	g, f := l.load(ctx)
	r.add(f)
	switch {
	case l.directory == nil:
	case g != nil:
		r.add(g.inspect(ctx))
	default:
		r.add(findings{complaints: l.directory.Faults(ctx), warnings: strayLinks(ctx, s.Files)})
	}
	return r
}

func (r *report) add(f findings) {
	for _, err := range slices.Concat(f.faults, f.complaints) {
		r.Faults = append(r.Faults, err.Error())
	}
	for _, err := range f.warnings {
		r.Warnings = append(r.Warnings, err.Error())
	}
}

// noteMissing notes what serve would make: it is no fault that it is not there.
func (r *report) noteMissing(d data, s *settings) {
	for _, dir := range []string{d.root, s.Files, s.Certs, d.lsc(), d.state()} {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			r.Notes = append(r.Notes, fmt.Sprintf("the folder %s is not there; serve will make it", dir))
		}
	}
	for _, u := range certs.Missing(os.DirFS(s.Certs)) {
		r.Notes = append(r.Notes, fmt.Sprintf("%s has no certificate; serve will make a self-signed one", u))
	}
}
