// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func machine() fstest.MapFS {
	return fstest.MapFS{
		"proc/sys/kernel/random/entropy_avail":   {Data: []byte("256\n")},
		"proc/sys/kernel/random/poolsize":        {Data: []byte("4096\n")},
		"sys/class/misc/hw_random/rng_current":   {Data: []byte("tpm-rng-0\n")},
		"sys/class/misc/hw_random/rng_available": {Data: []byte("tpm-rng-0 virtio_rng.0 none\n")},
	}
}

func TestKernelFigures(t *testing.T) {
	got := readKernelFigures(machine())
	want := KernelFigures{
		EntropyAvail: new(256), PoolSize: new(4096),
		RNGCurrent: "tpm-rng-0", RNGAvailable: []string{"tpm-rng-0", "virtio_rng.0", "none"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestKernelFiguresThatAreNotOffered(t *testing.T) {
	got := readKernelFigures(fstest.MapFS{"proc/sys/kernel/random/entropy_avail": {Data: []byte("many\n")}})
	if diff := cmp.Diff(KernelFigures{}, got, cmp.Comparer(func(a, b []string) bool { return len(a) == len(b) })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
