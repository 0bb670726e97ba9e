// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"io"
	"testing"
)

func BenchmarkTransfer(b *testing.B) {
	for name, size := range map[string]int{"12KiB": 12 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s := startLocal(b, files{"file": text(size, 1)})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Get(b.Context(), s.addr, "file", io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
