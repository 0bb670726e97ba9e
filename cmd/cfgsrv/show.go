// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"cfgsrv/status"
	"cfgsrv/trustlist"
)

func (p *program) showCommand() *cobra.Command {
	show := &cobra.Command{Use: "show", Short: "Show certificates, trust lists, devices and the running server", RunE: groupCommand}
	show.AddCommand(
		p.showListCommand(trustlist.ITL), p.showListCommand(trustlist.CTL), p.showFileCommand(),
		p.showStatusCommand(), p.showDeviceCommand(),
		p.showCertCommand(), p.showCSRCommand(), p.showEntropyCommand(), p.showTLSCommand(),
	)
	return show
}

// listing is a command that prints a list: --json or lines for people.
func (p *program) listing(cmd *cobra.Command, list func(cmd *cobra.Command, args []string) (any, func(io.Writer), error)) *cobra.Command {
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v, print, err := list(cmd, args)
		if err != nil {
			return err
		}
		if !asJSON {
			print(p.stdout)
			return nil
		}
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
	return cmd
}

func (p *program) showStatusCommand() *cobra.Command {
	return p.listing(&cobra.Command{Use: "status", Short: "Show the running server", Args: cobra.NoArgs},
		func(cmd *cobra.Command, _ []string) (any, func(io.Writer), error) {
			l, err := p.loader()
			if err != nil {
				return nil, nil, err
			}
			var o status.Overview
			if err := askServer(cmd.Context(), l.data, "GET", "/status", nil, &o); err != nil {
				return nil, nil, err
			}
			return o, func(w io.Writer) { printOverview(w, o) }, nil
		})
}

func printOverview(out io.Writer, o status.Overview) {
	fmt.Fprintf(out, "cfgsrv %s, generation %d of %s, running since %s\n",
		o.Version, o.Generation, o.Loaded.Format(time.DateTime), o.Started.Format(time.DateTime))
	if o.Fault != "" {
		fmt.Fprintf(out, "the last change was not taken: %s\n", o.Fault)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, l := range o.Listeners {
		addr := l.Addr
		if addr == "" {
			addr = off
		}
		fmt.Fprintf(w, "%s\t%s\n", l.Name, addr)
	}
	for _, c := range o.Certificates {
		fmt.Fprintf(w, "%s\t%s\tuntil %s\n", c.Unit, c.Subject, c.Ends.Format(time.DateOnly))
	}
	w.Flush()
}

func (p *program) showDeviceCommand() *cobra.Command {
	return p.listing(&cobra.Command{Use: "device [NAME]", Short: "Show what each device did of late", Args: cobra.MaximumNArgs(1)},
		func(cmd *cobra.Command, args []string) (any, func(io.Writer), error) {
			l, err := p.loader()
			if err != nil {
				return nil, nil, err
			}
			if len(args) == 1 {
				var d status.Device
				name := strings.ToUpper(args[0])
				if err := askServer(cmd.Context(), l.data, "GET", "/devices/"+escapePath(name), nil, &d); err != nil {
					return nil, nil, err
				}
				return d, func(w io.Writer) { printDevice(w, d) }, nil
			}
			var all []status.Device
			if err := askServer(cmd.Context(), l.data, "GET", "/devices", nil, &all); err != nil {
				return nil, nil, err
			}
			return all, func(w io.Writer) { printDevices(w, all) }, nil
		})
}

func printDevices(out io.Writer, all []status.Device) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, d := range all {
		last := d.Last()
		verdict := "well"
		if t := d.Trouble(); t != nil {
			verdict = t.File + ": " + t.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\t%s\n", d.Name, d.Seen.Format(time.DateTime), last.Listener, last.File, last.Outcome, verdict)
	}
	w.Flush()
}

func printDevice(out io.Writer, d status.Device) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, r := range d.Requests {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d bytes\t%s\n",
			r.At.Format(time.DateTime), r.Listener, r.File, r.Outcome, r.As, r.Bytes, r.Reason)
	}
	w.Flush()
}
