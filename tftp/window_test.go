// SPDX-License-Identifier: Apache-2.0

package tftp

import "testing"

func TestWindow(t *testing.T) {
	type step struct {
		ack         uint16
		want        answer
		first, next int64 // what is sent then; next is the one behind it
	}
	lockStep := window{size: 1, last: 1 << 20}
	four := window{size: 4, last: 10}
	tests := []struct {
		name  string
		w     window
		steps []step
	}{
		{"lock step", lockStep, []step{{1, progress, 2, 3}, {2, progress, 3, 4}}},
		{"a doubled ACK in lock step is never answered", lockStep, []step{{1, progress, 2, 3}, {1, nothingNew, 0, 0}, {1, nothingNew, 0, 0}, {0, nothingNew, 0, 0}}},
		{"an ACK of what was not sent", lockStep, []step{{2, nothingNew, 0, 0}, {40000, nothingNew, 0, 0}}},
		{"whole windows", four, []step{{4, progress, 5, 9}, {8, progress, 9, 11}, {10, progress, 0, 0}}},
		{"a block in the middle is missing", four, []step{{2, progress, 3, 7}, {6, progress, 7, 11}}},
		{"the first block is missing", four, []step{{4, progress, 5, 9}, {4, gap, 5, 9}, {8, progress, 9, 11}}},
		{"a gap is believed once", four, []step{{4, progress, 5, 9}, {4, gap, 5, 9}, {4, nothingNew, 0, 0}, {6, progress, 7, 11}, {6, nothingNew, 0, 0}}},
		{"and the next one not before a whole window", window{size: 2, last: 20}, []step{{2, progress, 3, 5}, {2, gap, 3, 5}, {4, progress, 5, 7}, {6, progress, 7, 9}, {6, gap, 7, 9}}},
		{"an old ACK", four, []step{{4, progress, 5, 9}, {3, nothingNew, 0, 0}}},
		{"the numbers wrap", window{size: 4, acked: 0xfffe, sent: 0xfffe, last: 1 << 20},
			[]step{{0, progress, 0x10001, 0x10005}, {4, progress, 0x10005, 0x10009}, {0xffff, nothingNew, 0, 0}}},
		{"the OACK is block 0, and alone", window{size: 4, first: -1, acked: -1, sent: -1, last: 10}, []step{{0, progress, 1, 5}, {4, progress, 5, 9}}},
		{"an OACK is not acknowledged by another number", window{size: 4, first: -1, acked: -1, sent: -1, last: 10},
			[]step{{0xffff, nothingNew, 0, 0}, {1, nothingNew, 0, 0}, {0, progress, 1, 5}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.w
			send := func() (first, next int64) {
				first, count := w.next()
				w.advance(count)
				return first, first + count
			}
			send()
			for i, s := range tt.steps {
				got := w.acknowledge(s.ack)
				if got != s.want {
					t.Fatalf("step %d: ACK %d means %d, want %d", i, s.ack, got, s.want)
				}
				if got == gap {
					w.believe()
				}
				if got == nothingNew || w.done() {
					continue
				}
				if first, next := send(); first != s.first || next != s.next {
					t.Errorf("step %d: sends %d to %d, want %d to %d", i, first, next-1, s.first, s.next-1)
				}
			}
		})
	}
}

func TestLastBlock(t *testing.T) {
	for size, want := range map[int64]int64{0: 1, 1: 1, 511: 1, 512: 2, 513: 2, 1024: 3} {
		if got := newWindow(options{}, size).last; got != want {
			t.Errorf("%d bytes end with block %d, want %d", size, got, want)
		}
	}
}
