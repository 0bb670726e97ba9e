// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	hardwareDevice = "/dev/hwrng"
	kernelCall     = "getrandom"
)

// Kind says what is known of the bytes of a source.
type Kind string

const (
	Hardware Kind = "hardware" // /dev/hwrng: raw or conditioned, as its driver has it
	Kernel   Kind = "kernel"   // the kernel's generator: conditioned
	Other    Kind = "other"    // any other path: nothing is known
)

// minEntropyBits is the default claim per 8-bit sample; the package comment
// gives the reasons.
func (k Kind) minEntropyBits() float64 {
	if k == Kernel {
		return 6
	}
	return 1
}

// Source is a place that random bytes come from.
type Source struct {
	Name string // the device or call, for people
	Kind Kind

	// open begins one draw. It must not wait for bytes; a Read may, and Close
	// from another goroutine then ends it if the system can.
	open func() (io.ReadCloser, error)
}

// Sources are those that the setting `source` names, the first choice first:
// "" is /dev/hwrng, then getrandom; "getrandom" and an absolute path are just
// that one. Nothing is opened yet; any other setting is an error.
func Sources(setting string) ([]Source, error) {
	switch {
	case setting == "":
		return []Source{fileSource(hardwareDevice), getrandomSource()}, nil
	case setting == kernelCall:
		return []Source{getrandomSource()}, nil
	case filepath.IsAbs(setting):
		return []Source{fileSource(setting)}, nil
	}
	return nil, fmt.Errorf("entropy source %q is neither %s nor an absolute path", setting, kernelCall)
}

func fileSource(path string) Source {
	return Source{Name: path, Kind: kindOf(path), open: func() (io.ReadCloser, error) {
		// Without O_NONBLOCK a pipe without a writer would hold the open, and
		// the device a read, for as long as they like.
		return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}}
}

func kindOf(path string) Kind {
	switch filepath.Clean(path) {
	case hardwareDevice:
		return Hardware
	case "/dev/random", "/dev/urandom":
		return Kernel
	}
	return Other
}

func getrandomSource() Source {
	return Source{Name: kernelCall, Kind: Kernel, open: func() (io.ReadCloser, error) {
		return io.NopCloser(kernelReader{}), nil
	}}
}

// kernelReader reads from getrandom(2). Before the kernel's generator is
// initialised a Read returns EAGAIN.
type kernelReader struct{}

func (kernelReader) Read(b []byte) (int, error) {
	n, err := unix.Getrandom(b, unix.GRND_NONBLOCK)
	return max(n, 0), err // -1 beside an error is no answer of a Reader
}
