// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"cfgsrv/device"
)

// bootReport is how a phone's start went.
type bootReport struct {
	Device device.Name `json:"device"`
	Server string      `json:"server"`
	Up     bool        `json:"up"`
	Steps  []bootStep  `json:"steps"`
}

// bootStep is one file that the phone asked for.
type bootStep struct {
	File    string     `json:"file"`
	By      string     `json:"by"` // the transport
	Bytes   int64      `json:"bytes"`
	Result  bootResult `json:"result"`
	Verdict string     `json:"verdict"`
}

// bootResult is how a step ended.
type bootResult string

const (
	bootOK     bootResult = "ok"
	bootNormal bootResult = "normal" // nothing came of it, and the phone goes on
	bootFailed bootResult = "failed" // the phone does not come up
)

func (r *bootReport) pass(a answer, format string, args ...any) { r.add(a, bootOK, format, args) }
func (r *bootReport) note(a answer, format string, args ...any) { r.add(a, bootNormal, format, args) }

func (r *bootReport) fail(a answer, format string, args ...any) {
	r.Up = false
	r.add(a, bootFailed, format, args)
}

func (r *bootReport) add(a answer, result bootResult, format string, args []any) {
	r.Steps = append(r.Steps, bootStep{
		File: a.name, By: a.by, Bytes: a.size, Result: result, Verdict: fmt.Sprintf(format, args...),
	})
}

// printBoot prints a report. A phone that does not come up is a failure.
func (p *program) printBoot(r *bootReport, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
		for _, s := range r.Steps {
			fmt.Fprintf(w, "%s\t%s\t%d bytes\t%s\t%s\n", s.File, s.By, s.Bytes, s.Result, s.Verdict)
		}
		w.Flush()
		if r.Up {
			fmt.Fprintf(p.stdout, "%s comes up.\n", r.Device)
		} else {
			fmt.Fprintf(p.stdout, "%s does not come up.\n", r.Device)
		}
	}
	if !r.Up {
		return errSilent
	}
	return nil
}
