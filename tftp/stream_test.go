// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"bytes"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

// A content that is in memory is sent from where it lies, which others read too.
func TestStreamOfWhatIsInMemory(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "small": 1000, "large": readAhead + 1} {
		t.Run(name, func(t *testing.T) {
			data := text(size, 1)
			f := configfiles.InMemory([]byte(data), time.Time{}, configfiles.Plain)
			s, err := newStream(f)
			if err != nil {
				t.Fatal(err)
			}
			if !s.holds(int64(size)) || !bytes.Equal(s.slice(0, int64(size)), f.Data) {
				t.Error("the stream does not hold the content")
			}
			if size > 0 && &s.slice(0, int64(size))[0] != &f.Data[0] {
				t.Error("the content was copied")
			}
			if err := s.read(int64(size / 2)); err != nil || string(f.Data) != data || !s.holds(int64(size)) {
				t.Errorf("reading on changed the content, %v", err)
			}
			s.close()
		})
	}
}

func TestAllocationsOfStream(t *testing.T) {
	f := configfiles.InMemory(make([]byte, 12<<10), time.Time{}, configfiles.Plain)
	if got := testing.AllocsPerRun(100, func() {
		s, _ := newStream(f)
		s.close()
	}); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
