// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit statuses of DESIGN 2.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a command line that cannot be carried out as it stands.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// errSilent ends a command with exit status 1 that has already said on stdout
// what is wrong.
var errSilent = errors.New("already reported")

// program is what every command shares.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	flags          globalFlags
	// listen are the flags of serve and check; for other commands the
	// environment alone sets them.
	listen *pflag.FlagSet
	// running is set once the command line was understood: an error after that
	// is a failure, one before it is wrong usage.
	running bool
}

// globalFlags are the flags of every command; empty means not given.
type globalFlags struct {
	data, files, certs  string
	logLevel, logFormat wordFlag
}

// run carries out one command line and returns the exit status of DESIGN 2.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr}
	root := p.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintf(stderr, "cfgsrv: %v\n", err)
	}
	var usage usageError
	if !p.running || errors.As(err, &usage) {
		fmt.Fprintf(stderr, "cfgsrv: run 'cfgsrv --help' for the commands\n")
		return exitUsage
	}
	return exitFailed
}

func (p *program) rootCommand() *cobra.Command {
	p.listen = listenFlags()
	root := &cobra.Command{
		Use:           "cfgsrv",
		Short:         "Serves Cisco IP phones and Jabber their configurations",
		Long:          "cfgsrv serves Cisco IP phones and Jabber their configurations over TFTP, HTTP and HTTPS,\nand makes from the certificates what follows: trust lists, signed and encrypted files.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          groupCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			p.running = true
			return nil
		},
	}
	root.SetFlagErrorFunc(plainFlagError)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	f := root.PersistentFlags()
	f.StringVar(&p.flags.data, "data", "", "data directory (default $STATE_DIRECTORY, else /var/lib/cfgsrv)")
	f.StringVar(&p.flags.files, "files", "", "folder of the files that devices ask for (default DATA/files)")
	f.StringVar(&p.flags.certs, "certs", "", "folder of the certificates (default DATA/certs)")
	p.flags.logLevel.allowed, p.flags.logFormat.allowed = logLevels, logFormats
	f.Var(&p.flags.logLevel, "log-level", "debug, info, warn or error (default info)")
	f.Var(&p.flags.logFormat, "log-format", "text or json (default text on a terminal, else json)")
	root.AddCommand(
		p.serveCommand(),
		p.checkCommand(),
		p.getCommand(),
		p.showCommand(),
		p.setCommand(),
		p.utilsCommand(),
		p.versionCommand(),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's would print its help and exit 0
			c.Args, c.RunE = cobra.ArbitraryArgs, groupCommand
		}
	}
	return root
}

// groupCommand is the RunE of a command that only holds others.
func groupCommand(cmd *cobra.Command, _ []string) error {
	return usagef("%s needs a verb: %s", cmd.CommandPath(), strings.Join(verbs(cmd), ", "))
}

func verbs(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
