// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) utilsCommand() *cobra.Command {
	utils := &cobra.Command{Use: "utils", Short: "Trust lists, enrolment and services", RunE: groupCommand}
	utils.AddCommand(p.capfCommand(), p.ctlCommand(), p.itlCommand(), p.serviceCommand())
	return utils
}

func (p *program) serviceCommand() *cobra.Command {
	service := &cobra.Command{
		Use:   "service",
		Short: "List, start, stop, activate and deactivate services",
		Long:  "service works on the Entropy Monitoring Daemon and on the listeners.\nstart and stop last until the server ends, activate and deactivate over restarts.",
		RunE:  groupCommand,
	}
	service.AddCommand(p.listing(&cobra.Command{Use: "list", Short: "List the services", Args: cobra.NoArgs}, p.listServices))
	for _, v := range []struct {
		verb    string
		aliases []string
		short   string
	}{
		{"start", nil, "Start a service of the running server"},
		{"stop", nil, "Stop a service of the running server; a listener finishes what is under way"},
		{"activate", []string{"active"}, "Start a service, now and at every start of the server"},
		{"deactivate", []string{"deactive"}, "Stop a service, now and for good"},
	} {
		service.AddCommand(&cobra.Command{
			Use: v.verb + " NAME", Aliases: v.aliases, Short: v.short, Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, words []string) error { return p.changeService(cmd, v.verb, words) },
		})
	}
	return service
}

func (p *program) listServices(cmd *cobra.Command, _ []string) (any, func(io.Writer), error) {
	l, err := p.loader()
	if err != nil {
		return nil, nil, err
	}
	var all []serviceState
	err = askServer(cmd.Context(), l.data, "GET", "/services", nil, &all)
	if errors.Is(err, errNoServer) {
		all, err = l.storedServices()
	}
	if err != nil {
		return nil, nil, err
	}
	return all, func(w io.Writer) {
		for _, s := range all {
			fmt.Fprintln(w, s)
		}
	}, nil
}

// storedServices is the list while no server runs: nothing is started.
func (l *loader) storedServices() ([]serviceState, error) {
	services, err := openServices(l.data)
	if err != nil {
		return nil, err
	}
	var all []serviceState
	for _, n := range serviceNames() {
		all = append(all, serviceState{Name: n, Activated: services.activated(n)})
	}
	return all, nil
}

func (p *program) changeService(cmd *cobra.Command, verb string, words []string) error {
	name, err := findService(strings.Join(words, " "))
	if err != nil {
		return err
	}
	l, err := p.loader()
	if err != nil {
		return err
	}
	err = askServer(cmd.Context(), l.data, "POST", "/services/"+escapePath(name)+"/"+verb, nil, nil)
	if errors.Is(err, errNoServer) && slices.Contains([]string{"activate", "deactivate"}, verb) {
		var services *services
		if services, err = openServices(l.data); err == nil {
			err = services.setActivated(name, verb == "activate")
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s %s\n", name, map[string]string{
		"start": "started", "stop": "stopped", "activate": "activated", "deactivate": "deactivated",
	}[verb])
	return nil
}

// confirm asks a question that is answered by yes or no, in the form given:
// "(yes|no)" or "(y/n)". Without a terminal the answer is no unless --yes was
// given.
func (p *program) confirm(question string, yes bool) error {
	fmt.Fprint(p.stderr, question)
	if yes {
		fmt.Fprintln(p.stderr, "yes")
		return nil
	}
	if !isTerminal(p.stdin) {
		fmt.Fprintln(p.stderr, "no")
		return errors.New("nothing was changed: there is no terminal to ask on; give --yes")
	}
	answer, err := bufio.NewReader(p.stdin).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}
