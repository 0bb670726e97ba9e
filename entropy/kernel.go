// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"io/fs"
	"strconv"
	"strings"
)

// KernelFigures are what the kernel says of its own generator. They inform
// people and decide nothing: since Linux 5.18 entropy_avail and poolsize are
// both 256 for good. What the kernel does not offer is nil or empty.
type KernelFigures struct {
	EntropyAvail *int     `json:"entropy_avail,omitempty"` // bits
	PoolSize     *int     `json:"poolsize,omitempty"`      // bits
	RNGCurrent   string   `json:"rng_current,omitempty"`   // the driver behind /dev/hwrng
	RNGAvailable []string `json:"rng_available,omitempty"`
}

// readKernelFigures reads them from a file system that is / on a real machine.
func readKernelFigures(root fs.FS) KernelFigures {
	const (
		random   = "proc/sys/kernel/random/"
		hardware = "sys/class/misc/hw_random/"
	)
	return KernelFigures{
		EntropyAvail: readNumber(root, random+"entropy_avail"),
		PoolSize:     readNumber(root, random+"poolsize"),
		RNGCurrent:   readLine(root, hardware+"rng_current"),
		RNGAvailable: strings.Fields(readLine(root, hardware+"rng_available")),
	}
}

func readNumber(root fs.FS, name string) *int {
	n, err := strconv.Atoi(readLine(root, name))
	if err != nil {
		return nil
	}
	return &n
}

// readLine is the trimmed content of a file, empty if it cannot be read.
func readLine(root fs.FS, name string) string {
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}
