// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Fault is one thing that is wrong with one file, and what to do about it.
type Fault struct {
	Unit Unit   // empty for a fault of a trust store or of the folder itself
	File string // below the certs folder, such as tomcat.key
	What string // a clause that goes on after the file's name
	Do   string // an imperative
}

// Error is one line: unit, file, what, what to do.
func (f *Fault) Error() string {
	file := f.File
	if file == "." {
		file = "the folder of the certificates"
	}
	text := fmt.Sprintf("%s: %s (%s)", file, f.What, f.Do)
	if f.Unit == "" {
		return text
	}
	return string(f.Unit) + ": " + text
}

// Faults takes the error of [Load], [Pair.Check], [Replace] or [Recover] apart.
// It is empty if the error is none about the content of files.
func Faults(err error) []*Fault {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	var faults []*Fault
	for _, e := range all.Errors {
		if f, ok := errors.AsType[*Fault](e); ok {
			faults = append(faults, f)
		}
	}
	return faults
}

// findings are what a check has found so far.
type findings struct {
	faults   []error
	warnings []*Fault
}

func (f *findings) fail(err error) { f.faults = append(f.faults, err) }

func (f *findings) warn(w *Fault) { f.warnings = append(f.warnings, w) }

func (f *findings) add(o findings) {
	f.faults = append(f.faults, o.faults...)
	f.warnings = append(f.warnings, o.warnings...)
}

// err is nil if there is no fault.
func (f *findings) err() error {
	all := &multierror.Error{ErrorFormat: oneLine}
	return multierror.Append(all, f.faults...).ErrorOrNil()
}

func oneLine(errs []error) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	if len(errs) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%d faults: %s", len(errs), strings.Join(lines, "; "))
}
