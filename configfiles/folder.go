// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// folder is what one folder held at one moment.
type folder struct {
	path    string // below the root, "" for the root itself
	stamp   stamp
	settled bool     // every later change shows in the stamp
	telling bool     // and does so at once (tellsChanges)
	files   nameList // regular files, and what may be one
	folders []string // real folders
	unsure  []string // names in files that may be folders: links above all
	err     error    // why it could not be listed
}

// nameList keeps names in one string.
type nameList struct {
	text string
	ends []uint32
}

func (l nameList) len() int { return len(l.ends) }

func (l nameList) at(i int) string {
	start := uint32(0)
	if i > 0 {
		start = l.ends[i-1]
	}
	return l.text[start:l.ends[i]]
}

// listFolder reads one folder. Names that begin with a dot are left out: they
// are found by their exact name only. A folder that cannot be listed is an
// empty one with an error.
//
// The buffer is for the system's use, 32 KiB do well.
func listFolder(root *os.Root, path string, buffer []byte) *folder {
	f := &folder{path: path}
	now := time.Now()
	f.err = f.list(root, buffer)
	if f.err != nil {
		*f = folder{path: path, stamp: f.stamp, err: f.err}
	}
	// Permission comes with a change of the stamp; other errors may pass.
	lasting := f.err == nil || errors.Is(f.err, fs.ErrPermission)
	f.settled = lasting && f.stamp.settledAt(now)
	return f
}

func (f *folder) list(root *os.Root, buffer []byte) error {
	at := f.path
	if at == "" {
		at = "."
	}
	info, err := root.Stat(at)
	if err != nil {
		return err
	}
	f.stamp = stampOf(info)
	dir, err := root.OpenFile(at, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	f.telling = tellsChanges(dir)
	var text []byte
	err = eachEntry(dir, buffer, func(name []byte, kind uint8) { text = f.note(text, name, kind) })
	f.files = nameList{string(text), slices.Clone(f.files.ends)}
	return err
}

func (f *folder) note(text, name []byte, kind uint8) []byte {
	if len(name) == 0 || name[0] == '.' {
		return text
	}
	switch kind {
	case syscall.DT_DIR:
		f.folders = append(f.folders, string(name))
		return text
	case syscall.DT_LNK, syscall.DT_UNKNOWN:
		f.unsure = append(f.unsure, string(name))
	case syscall.DT_REG:
	default:
		return text
	}
	text = append(text, name...)
	f.files.ends = append(f.files.ends, uint32(len(text)))
	return text
}

// eachEntry lists an open folder. It does what dir.ReadDir does, which asks for
// the state of each file below an os.Root, and takes four pieces of memory for
// it: too much for 100,000 files.
func eachEntry(dir *os.File, buffer []byte, note func(name []byte, kind uint8)) error {
	const ( // of struct linux_dirent64, getdents(2)
		lengthAt = 16
		kindAt   = 18
		nameAt   = 19
	)
	for {
		n, err := syscall.ReadDirent(int(dir.Fd()), buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("getdents", err)
		}
		if n <= 0 {
			return nil
		}
		for b := buffer[:n]; len(b) > nameAt; {
			length := binary.NativeEndian.Uint16(b[lengthAt:])
			name, _, _ := bytes.Cut(b[nameAt:length], []byte{0})
			note(name, b[kindAt])
			b = b[length:]
		}
	}
}
