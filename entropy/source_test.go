// SPDX-License-Identifier: Apache-2.0

package entropy

import "testing"

func TestSources(t *testing.T) {
	type source struct {
		name  string
		kind  Kind
		claim float64
	}
	tests := []struct {
		setting string
		want    []source
	}{
		{"", []source{{"/dev/hwrng", Hardware, 1}, {"getrandom", Kernel, 6}}},
		{"getrandom", []source{{"getrandom", Kernel, 6}}},
		{"/dev/hwrng", []source{{"/dev/hwrng", Hardware, 1}}},
		{"/dev/random", []source{{"/dev/random", Kernel, 6}}},
		{"/dev/../dev/urandom", []source{{"/dev/../dev/urandom", Kernel, 6}}},
		{"/run/noise", []source{{"/run/noise", Other, 1}}},
		{"hwrng", nil},
		{"./noise", nil},
	}
	for _, test := range tests {
		t.Run(test.setting, func(t *testing.T) {
			got, err := Sources(test.setting)
			if (err == nil) != (test.want != nil) {
				t.Fatalf("error: %v", err)
			}
			if len(got) != len(test.want) {
				t.Fatalf("got %d sources, want %v", len(got), test.want)
			}
			for i, want := range test.want {
				if s := (source{got[i].Name, got[i].Kind, got[i].Kind.minEntropyBits()}); s != want {
					t.Errorf("got %v, want %v", s, want)
				}
			}
		})
	}
}
