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
	"strings"
	"syscall"
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
	h := sha256.New()
	markFile(h, d.settings())
	markFolder(h, certs, 1)
	markFolder(h, d.lsc(), 0)
	markFolder(h, d.generationState(), 0)
	return diskMark(h.Sum(nil))
}

// markFolder enters the entries of a folder, and those of its folders down to
// the depth given. Names that begin with a dot are not looked at; links are
// followed, so that a link that now leads elsewhere counts.
func markFolder(h hash.Hash, dir string, depth int) {
	entries, err := os.ReadDir(dir)
	fmt.Fprintf(h, "%s %v\n", dir, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info := markFile(h, path)
		if info != nil && info.IsDir() && depth > 0 {
			markFolder(h, path, depth-1)
		}
	}
}

func markFile(h hash.Hash, path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		fmt.Fprintf(h, "%s %v\n", path, err)
		return nil
	}
	fmt.Fprintf(h, "%s\x00", path)
	facts := []int64{info.Size(), info.ModTime().UnixNano(), int64(info.Mode())}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		facts = append(facts, int64(st.Ino), int64(st.Dev), st.Ctim.Nano())
	}
	for _, v := range facts {
		binary.Write(h, binary.LittleEndian, v)
	}
	return info
}
