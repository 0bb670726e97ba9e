// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"cfgsrv/entropy"
)

func (p *program) showEntropyCommand() *cobra.Command {
	return p.listing(&cobra.Command{
		Use:   "entropy",
		Short: "Show the figures of the random source",
		Long:  "entropy shows what the Entropy Monitoring Daemon of the running server has found.\nWithout a server it runs the start-up test once and shows that.",
		Args:  cobra.NoArgs,
	}, func(cmd *cobra.Command, _ []string) (any, func(io.Writer), error) {
		report, err := p.entropyReport(cmd)
		if err != nil {
			return nil, nil, err
		}
		return report, func(w io.Writer) { _ = report.WriteText(w) }, nil
	})
}

// entropyReport is that of the running server, or of a start-up test of our own.
// That the source fails it is no error here: the report says so.
func (p *program) entropyReport(cmd *cobra.Command) (*entropy.Report, error) {
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	report := new(entropy.Report)
	err = askServer(cmd.Context(), l.data, "GET", "/entropy", nil, report)
	if !errors.Is(err, errNoServer) {
		return report, err
	}
	s, faults := l.settings()
	if len(faults) > 0 {
		return nil, findings{faults: faults}.asError()
	}
	fmt.Fprintln(p.stderr, "cfgsrv: no server runs here; this is a start-up test made now")
	report, err = oneOff(cmd.Context(), s.Entropy, slog.New(slog.DiscardHandler))
	if report == nil {
		return nil, err
	}
	return report, nil
}
