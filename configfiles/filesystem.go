// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"os"

	"golang.org/x/sys/unix"
)

// zfsMagic is ZFS_SUPER_MAGIC, which the kernel's own headers do not have.
const zfsMagic = 0x2fc12fc1

// tellsChanges says whether f lies on a file system where whoever asks for the
// state of a file by its path hears of every write before. Network file systems
// and those of user space answer from what they heard seconds ago, and what
// nobody has thought about may do so.
func tellsChanges(f *os.File) bool {
	var st unix.Statfs_t
	for {
		err := unix.Fstatfs(int(f.Fd()), &st)
		if err == unix.EINTR {
			continue
		}
		return err == nil && keepsStamps(int64(st.Type))
	}
}

func keepsStamps(magic int64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, // and ext2, ext3
		unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, zfsMagic,
		unix.TMPFS_MAGIC,
		unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1:
		return true
	}
	return false
}
