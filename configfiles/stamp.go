// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"io/fs"
	"syscall"
	"time"
)

// stamp tells one state of a file or folder from any other. The time of the
// last change of the inode is in it because nobody can set that back, as rsync
// and tar do with the time of modification.
type stamp struct {
	dev, ino uint64
	size     int64
	modified int64 // nanoseconds since 1970, as is changed
	changed  int64
}

// place is which file it is, in whatever state.
type place struct{ dev, ino uint64 }

func (s stamp) place() place { return place{s.dev, s.ino} }

func stampOf(info fs.FileInfo) stamp {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return stampOfStat(st)
	}
	return stamp{}
}

func stampOfStat(st *syscall.Stat_t) stamp {
	return stamp{
		dev:      st.Dev,
		ino:      st.Ino,
		size:     st.Size,
		modified: st.Mtim.Nano(),
		changed:  st.Ctim.Nano(),
	}
}

// State tells one state of a file on disk from any other; states can be
// compared. The zero State is that of a file that lies on no disk, or that was
// changed so lately that the next change might not show.
type State struct{ stamp stamp }

// stateAt is the state of a file whose content is read after the time now; zero
// if not every change after it would show. A stamp from the future, which only
// a clock that was set can make, could come again.
func (s stamp) stateAt(now time.Time) State {
	if s.changed > now.UnixNano() || !s.settledAt(now) {
		return State{}
	}
	return State{s}
}

// stampAt is the stamp of what path leads to.
func stampAt(path string) (stamp, error) { return readStamp(path, true) }

// stampOfEntry is the stamp of what lies at path itself, be it a link.
func stampOfEntry(path string) (stamp, error) { return readStamp(path, false) }

func readStamp(path string, follow bool) (stamp, error) {
	var st syscall.Stat_t
	for {
		var err error
		if follow {
			err = syscall.Stat(path, &st)
		} else {
			err = syscall.Lstat(path, &st)
		}
		if err == syscall.EINTR {
			continue
		}
		return stampOfStat(&st), err
	}
}

// settledAt says whether every change after the time now will show in the
// stamp. The kernel takes the time of its last tick, up to 10 ms ago, and some
// file systems keep only seconds, or every other one. A stamp from the future
// comes from another machine's clock and says nothing either way.
func (s stamp) settledAt(now time.Time) bool {
	tick := 20 * time.Millisecond
	if s.changed%int64(time.Second) == 0 {
		tick = 2 * time.Second
	}
	age := time.Duration(now.UnixNano() - s.changed)
	return age < 0 || age > tick
}
