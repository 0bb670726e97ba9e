// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBlockSizesOfTFTP(t *testing.T) {
	for _, tt := range []struct {
		size int
		want []string
	}{
		{0, []string{"setting tftp.block_size: 0 is not between 8 and 65464"}},
		{7, []string{"setting tftp.block_size: 7 is not between 8 and 65464"}},
		{8, nil},
		{511, nil},
		{65464, nil},
		{65465, []string{"setting tftp.block_size: 65465 is not between 8 and 65464"}},
	} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cfgsrv.toml")
			write(t, file, fmt.Sprintf("[tftp]\nblock_size = %d\n", tt.size))
			s, where, faults := readSettings(file)
			s.Cluster.SecurityMode = modeNonSecure // kept elsewhere
			var got []string
			for _, err := range append(faults, s.check(where)...) {
				got = append(got, strings.TrimPrefix(err.Error(), file+":2:1: "))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
