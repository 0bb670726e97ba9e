// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// tempSuffix ends the names of files that are not in their place yet.
const tempSuffix = ".tmp"

// staged is a file that is whole and on the disk, beside its place.
type staged struct {
	temp, target string
}

// stage writes a file beside its place. It is of mode 0600 until its content
// is written and gets the final mode then. If root writes, the file belongs to
// the owner of the folder, so that the server can read what a command makes.
func stage(dir, name string, data []byte, mode fs.FileMode) (s staged, err error) {
	f, err := os.CreateTemp(dir, "."+name+".*"+tempSuffix)
	if err != nil {
		return staged{}, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name()) // what is left is removed by Recover
		}
	}()
	if err := giveToOwnerOf(dir, f); err != nil {
		return staged{}, err
	}
	if _, err := f.Write(data); err != nil {
		return staged{}, err
	}
	if err := f.Chmod(mode); err != nil {
		return staged{}, err
	}
	return staged{f.Name(), filepath.Join(dir, name)}, f.Sync()
}

func giveToOwnerOf(dir string, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// place puts the file into its place. A link there is replaced, not followed.
func (s staged) place() error { return os.Rename(s.temp, s.target) }

// discard removes the file if it is not in its place yet.
func (s staged) discard() {
	if s.temp != "" {
		_ = os.Remove(s.temp) // what is left is removed by Recover
	}
}

// writeFile writes a file such that at each moment, power cuts included, the
// old content or the new one is there.
func writeFile(dir, name string, data []byte, mode fs.FileMode) error {
	s, err := stage(dir, name, data, mode)
	if err != nil {
		return err
	}
	if err := s.place(); err != nil {
		s.discard()
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// explained puts the usual reasons for not being able to write into words.
func explained(dir string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("the disk of %s is full: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the folder %s is read-only: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the folder %s cannot be written to by this user: %w", dir, err)
	}
	return err
}

// lock waits until no other process writes to the folder. The kernel unlocks
// it when the process ends, however it ends. A file system without locks is
// used without.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("locking the certificates' folder: %w", err)
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	lockless := errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EBADF)
	if err != nil && !lockless {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}
