// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"io/fs"
	"syscall"
	"time"

	"cfgsrv/configfiles"
)

// state tells one state of a file on disk from any other. The time of the last
// change of the inode is in it because nobody can set that back. The zero state
// is that of no file.
type state struct {
	dev, ino uint64
	size     int64
	modified int64 // nanoseconds since 1970, as is changed
	changed  int64
}

// stateOf is the state of an open file; zero if it lies on no disk, or if it
// changed so lately that the next change might show in no time stamp.
func stateOf(f *configfiles.File) state {
	now := time.Now()
	info, ok := stat(f)
	if !ok {
		return state{}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return state{}
	}
	s := state{dev: st.Dev, ino: st.Ino, size: st.Size, modified: st.Mtim.Nano(), changed: st.Ctim.Nano()}
	if !s.settledAt(now) {
		return state{}
	}
	return s
}

// settledAt says whether every change after the time now will show in the
// state. The kernel takes the time of its last tick, up to 10 ms ago, and some
// file systems keep only seconds, or every other one.
func (s state) settledAt(now time.Time) bool {
	tick := 20 * time.Millisecond
	if s.changed%int64(time.Second) == 0 {
		tick = 2 * time.Second
	}
	return time.Duration(now.UnixNano()-s.changed) > tick
}

// unchanged says whether f still has the size and the time of modification that
// it was opened with. Being renamed or replaced by another is no change.
func unchanged(f *configfiles.File) bool {
	info, ok := stat(f)
	return !ok || info.Size() == f.Size && info.ModTime().Equal(f.ModTime)
}

// stat asks the disk about an open file; false for one in memory.
func stat(f *configfiles.File) (fs.FileInfo, bool) {
	file, ok := f.Content.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return nil, false
	}
	info, err := file.Stat()
	return info, err == nil
}
