// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/fips140"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release; a build from a work tree takes
// what the toolchain knows.
var version string

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the Go release and the FIPS 140-3 state",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(p.stdout, "cfgsrv %s\n%s %s/%s\nFIPS 140-3 module: %s\n",
				programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, fipsState())
			return nil
		},
	}
}

func programVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func fipsState() string {
	switch v := fips140.Version(); {
	case !fips140.Enabled():
		return "not active"
	case v == "latest":
		return "active, latest (the toolchain's own, not a validated one)"
	default:
		return "active, " + v
	}
}
