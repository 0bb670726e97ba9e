// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"cfgsrv/device"
	"cfgsrv/internal/tlv"
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

// add takes care that nothing the server sent can steer a terminal.
func (r *bootReport) add(a answer, result bootResult, format string, args []any) {
	r.Steps = append(r.Steps, bootStep{
		File: tlv.Printable(a.name), By: a.by, Bytes: a.size, Result: result,
		Verdict: tlv.Printable(fmt.Sprintf(format, args...)),
	})
}

// text is the report as a table.
func (r *bootReport) text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%s\t%s\t%d bytes\t%s\t%s\n", s.File, s.By, s.Bytes, s.Result, s.Verdict)
	}
	w.Flush()
	if r.Up {
		return b.String() + string(r.Device) + " comes up.\n"
	}
	return b.String() + string(r.Device) + " does not come up.\n"
}
