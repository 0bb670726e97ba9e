// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// listChange is one command that changes what the trust lists are like.
type listChange struct {
	question string // without "(y/n)"
	doing    string
	done     string
	apply    func(*clusterState, *settings) error
}

func (p *program) ctlCommand() *cobra.Command {
	ctl := &cobra.Command{Use: "ctl", Short: "The CTL: the trust list of a mixed-mode cluster", RunE: groupCommand}
	set := &cobra.Command{Use: "set-cluster", Short: "Set the cluster's security mode", RunE: groupCommand}
	set.AddCommand(
		p.listCommand("mixed-mode", "Phones may be secure; there is a CTL", setMode(modeMixed, listChange{
			question: "This operation sets the cluster to Mixed mode. Do you want to continue?",
			doing:    "Moving Cluster to Mixed Mode",
			done:     "Cluster set to Mixed Mode",
		})),
		p.listCommand("non-secure-mode", "No phone is secure; there is no CTL", setMode(modeNonSecure, listChange{
			question: "This operation sets the cluster to Non Secure mode. Do you want to continue?",
			doing:    "Moving Cluster to Non Secure Mode",
			done:     "Cluster set to Non Secure Mode",
		})),
	)
	update := &cobra.Command{Use: "update", Short: "Sign the CTL anew", RunE: groupCommand}
	update.AddCommand(p.listCommand("CTLFile", "Sign the CTL with ITLRecovery, also after a reset", listChange{
		question: "This operation updates the CTLFile. Do you want to continue?",
		doing:    "Updating CTL file",
		done:     "CTL file Updated",
		apply: func(c *clusterState, s *settings) error {
			if s.Cluster.SecurityMode != modeMixed {
				return errors.New("there is no CTL file in non-secure mode; use 'cfgsrv utils ctl set-cluster mixed-mode' first")
			}
			c.CTLByCallManager = false
			return nil
		},
	}))
	reset := &cobra.Command{Use: "reset", Short: "Sign the CTL with another key", RunE: groupCommand}
	reset.AddCommand(p.listCommand("localkey", "Sign the CTL with CallManager, for phones that do not know ITLRecovery any more", listChange{
		question: "This operation resets the CTLFile. Do you want to continue?",
		doing:    "Generating the reset CTL file",
		done:     "The reset CTL file was generated successfully; return with 'cfgsrv utils ctl update CTLFile' once the phones have it",
		apply: func(c *clusterState, s *settings) error {
			if s.Cluster.SecurityMode != modeMixed {
				return errors.New("there is no CTL file in non-secure mode; use 'cfgsrv utils ctl set-cluster mixed-mode' first")
			}
			c.CTLByCallManager = true
			return nil
		},
	}))
	ctl.AddCommand(set, update, reset)
	return ctl
}

func (p *program) itlCommand() *cobra.Command {
	itl := &cobra.Command{Use: "itl", Short: "The ITL: the trust list of every phone", RunE: groupCommand}
	reset := &cobra.Command{Use: "reset", Short: "Sign the ITL with another key", RunE: groupCommand}
	reset.AddCommand(p.listCommand("localkey", "Sign the ITL with CallManager, for phones that do not know ITLRecovery any more", listChange{
		question: "This operation resets the ITLFile. Do you want to continue?",
		doing:    "Generating the reset ITL file",
		done:     "The reset ITL file was generated successfully; return with 'cfgsrv utils itl update ITLFile' once the phones have it",
		apply:    func(c *clusterState, _ *settings) error { c.ITLByCallManager = true; return nil },
	}))
	update := &cobra.Command{Use: "update", Short: "Sign the ITL anew", RunE: groupCommand}
	update.AddCommand(p.listCommand("ITLFile", "Sign the ITL with ITLRecovery, also after a reset", listChange{
		question: "This operation updates the ITLFile. Do you want to continue?",
		doing:    "Updating ITL file",
		done:     "ITL file Updated",
		apply:    func(c *clusterState, _ *settings) error { c.ITLByCallManager = false; return nil },
	}))
	migrate := &cobra.Command{Use: "prepare-migration", Short: "Hand out an ITL without servers, to move phones to another server", RunE: groupCommand}
	migrate.AddCommand(
		p.listCommand("on", "Begin: phones that fetch this list take any list and unsigned files", listChange{
			question: "This operation hands out an ITL without servers. A phone that has fetched it accepts unsigned files and the\n" +
				"trust list of ANY server that it meets, until it has another list. Keep the time short. Phones of a mixed-mode\n" +
				"cluster keep their CTL and are not helped.\nDo you want to continue?",
			doing: "Generating the ITL file without servers",
			done:  "Phones get it at their next restart; end it with 'cfgsrv utils itl prepare-migration off'",
			apply: func(c *clusterState, _ *settings) error { c.PrepareMigration = true; return nil },
		}),
		p.listCommand("off", "End: phones get the full ITL again", listChange{
			question: "This operation hands out the full ITL again. Do you want to continue?",
			doing:    "Generating the ITL file",
			done:     "Phones get the full ITL at their next restart",
			apply:    func(c *clusterState, _ *settings) error { c.PrepareMigration = false; return nil },
		}),
	)
	itl.AddCommand(reset, update, migrate)
	return itl
}

// setMode is a change of the cluster's security mode, which cfgsrv.toml may
// have settled already.
func setMode(mode string, c listChange) listChange {
	c.apply = func(state *clusterState, s *settings) error {
		if s.explicitMode && s.Cluster.SecurityMode != mode {
			return fmt.Errorf("cfgsrv.toml sets cluster.security_mode = %q; change it there, or remove it", s.Cluster.SecurityMode)
		}
		state.SecurityMode = mode
		return nil
	}
	return c
}

func (p *program) listCommand(use, short string, c listChange) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return p.changeLists(c, yes)
	}}
	cmd.Flags().BoolVar(&yes, "yes", false, "answer the question with yes")
	return cmd
}

func (p *program) changeLists(c listChange, yes bool) error {
	l, err := p.loader()
	if err != nil {
		return err
	}
	s, faults := l.settings()
	if len(faults) > 0 {
		return findings{faults: faults}.asError()
	}
	state, err := readClusterState(l.data)
	if err != nil {
		return err
	}
	if err := c.apply(&state, &s); err != nil {
		return err
	}
	if err := p.confirm(c.question+" (y/n): ", yes); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, c.doing)
	if err := writeClusterState(l.data, state); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, c.done)
	fmt.Fprintln(p.stdout, "A running server follows by itself; reset the phones so that they fetch the new list")
	return nil
}
