// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addressFlag is the address of a listener; empty if not given.
type addressFlag string

func (a *addressFlag) String() string { return string(*a) }
func (a *addressFlag) Type() string   { return "address" }

// Set takes what checkListenAddress allows.
func (a *addressFlag) Set(v string) error {
	if v != "" {
		if err := checkListenAddress(v); err != nil {
			return err
		}
	}
	*a = addressFlag(v)
	return nil
}

// wordFlag is one of a few words; empty if not given.
type wordFlag struct {
	word    string
	allowed []string
}

func (w *wordFlag) String() string { return w.word }
func (w *wordFlag) Type() string   { return "string" }

// Set takes the words allowed.
func (w *wordFlag) Set(v string) error {
	if v != "" && !slices.Contains(w.allowed, v) {
		return fmt.Errorf("%q is not allowed; choose one of %s", v, quoteAll(w.allowed))
	}
	w.word = v
	return nil
}

// listenFlags has a flag for the address of each listener.
func listenFlags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("listeners", pflag.ContinueOnError)
	defaults := defaultSettings()
	for _, l := range defaults.Listen.all() {
		flags.Var(new(addressFlag), l.name, fmt.Sprintf("address of the %s listener: HOST:PORT, :PORT or off (default %s)", l.name, l.addr))
	}
	return flags
}

// flagsFromEnvironment sets every flag that the command line did not from
// CFGSRV_<NAME>. The error has a line for each variable that is of no use.
func flagsFromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var f findings
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || flag.Name == "help" {
			return
		}
		name := "CFGSRV_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if v, ok := lookup(name); ok {
			if err := flags.Set(flag.Name, v); err != nil {
				f.faults = append(f.faults, fmt.Errorf("environment variable %s: %w", name, flagFault(err)))
			}
		}
	})
	return f.asError()
}

// plainFlagError says in plain words what is wrong with a flag.
func plainFlagError(_ *cobra.Command, err error) error {
	if bad := (*pflag.InvalidValueError)(nil); errors.As(err, &bad) {
		return fmt.Errorf("--%s: %w", bad.GetFlag().Name, flagFault(err))
	}
	return err
}

// flagFault says what value a flag wants. The words of those that are flags of
// ours are plain; pflag's own are those of the function that gave up.
func flagFault(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	wanted, known := map[string]string{
		"bool":     "true or false",
		"int":      "a whole number",
		"duration": "a duration such as 10s or 24h",
	}[bad.GetFlag().Value.Type()]
	if !known {
		return errors.Unwrap(bad)
	}
	return fmt.Errorf("%s is wanted, not %q", wanted, bad.GetValue())
}
