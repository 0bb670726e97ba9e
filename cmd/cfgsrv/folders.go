// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// createFolders makes what is missing of the data directory.
func createFolders(d data, s *settings) error {
	for _, dir := range []struct {
		path string
		mode fs.FileMode
	}{
		{d.root, 0o755}, {s.Files, 0o755}, {s.Certs, 0o700}, {d.lsc(), 0o755}, {d.state(), 0o700}, {d.generationState(), 0o700},
	} {
		if err := makeFolder(dir.path, dir.mode); err != nil {
			return err
		}
	}
	return nil
}

func makeFolder(path string, mode fs.FileMode) error {
	err := os.MkdirAll(path, mode)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("making the folder %s: the file system is mounted read-only; cfgsrv must be able to write below the data directory", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("making the folder %s: not permitted for this user (uid %d); give it the data directory, or choose another with --data", path, os.Geteuid())
	}
	return fmt.Errorf("making the folder %s: %w", path, err)
}

// diskMark stands for the state of all that a generation follows from: two
// equal marks mean that nothing has changed. It knows names, sizes, times and
// inodes, not contents, so it stays cheap with thousands of certificates.
type diskMark [sha256.Size]byte

func markDisk(d data, certs string) diskMark {
	m := marker{hash: sha256.New()}
	m.file(unix.AT_FDCWD, d.settings())
	m.folder(certs, 1)
	m.folder(d.lsc(), 0)
	m.folder(d.generationState(), 0)
	return diskMark(m.hash.Sum(nil))
}

// marker makes a mark. It asks the system itself, relative to the open folder:
// what package os adds costs more than the question.
type marker struct {
	hash  hash.Hash
	facts []byte // of one entry, memory for the next
}

// folder enters the entries of a folder, and those of its folders down to the
// depth given. Names that begin with a dot are not looked at; links are
// followed, so that a link that now leads elsewhere counts.
func (m *marker) folder(path string, depth int) {
	dir, err := os.Open(path)
	if err != nil {
		m.fault(path, err)
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	m.fault(path, err)
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if isFolder := m.file(int(dir.Fd()), name); isFolder && depth > 0 {
			m.folder(filepath.Join(path, name), depth-1)
		}
	}
}

// file enters what name leads to, seen from an open folder, and says whether
// that is a folder.
func (m *marker) file(folder int, name string) (isFolder bool) {
	var st unix.Stat_t
	err := unix.Fstatat(folder, name, &st, 0)
	for err == unix.EINTR {
		err = unix.Fstatat(folder, name, &st, 0)
	}
	if err != nil {
		m.fault(name, err)
		return false
	}
	m.facts = append(append(m.facts[:0], name...), 0)
	for _, v := range [...]uint64{
		uint64(st.Size), uint64(st.Mtim.Nano()), uint64(st.Ctim.Nano()), uint64(st.Mode), st.Ino, st.Dev,
	} {
		m.facts = binary.LittleEndian.AppendUint64(m.facts, v)
	}
	m.hash.Write(m.facts)
	return st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// fault enters a path and what is wrong with it, which may be nothing.
func (m *marker) fault(path string, err error) { fmt.Fprintf(m.hash, "%s\x00%v\n", path, err) }
