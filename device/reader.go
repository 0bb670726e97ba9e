// SPDX-License-Identifier: Apache-2.0

package device

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// maxCertificateFile bounds one file of lsc/, in bytes. A certificate with its
// chain is a tenth of it.
const maxCertificateFile = 64 << 10

var errTooLarge = fmt.Errorf("larger than %d bytes", maxCertificateFile)

// reader reads the files of one folder, each into the memory of the one before.
// It asks the system itself: an os.File is first offered to the poller, which
// takes no regular file, and that is half of the cost of reading 10,000 of them.
type reader struct {
	folder int    // its descriptor
	buffer []byte // for one byte more than may be read
}

func newReader(folder int) *reader {
	return &reader{folder: folder, buffer: make([]byte, maxCertificateFile+1)}
}

// read returns what the regular file of that name holds, until the next call.
// It never waits, not even for the writer of a named pipe.
func (r *reader) read(name string) ([]byte, error) {
	fd, err := r.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer syscall.Close(fd)
	size, err := regularSize(fd)
	if err != nil {
		return nil, err
	}
	n := 0
	for n < len(r.buffer) {
		more, err := retried(func() (int, error) { return syscall.Read(fd, r.buffer[n:]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		n += more
		if more == 0 || int64(n) == size {
			return r.buffer[:n], nil
		}
	}
	return nil, errTooLarge
}

func (r *reader) open(name string) (fd int, err error) {
	return retried(func() (int, error) {
		return syscall.Openat(r.folder, name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
}

// regularSize is the size of an open file if it is a regular one and not too
// large.
func regularSize(fd int) (int64, error) {
	var st syscall.Stat_t
	_, err := retried(func() (int, error) { return 0, syscall.Fstat(fd, &st) })
	switch {
	case err != nil:
		return 0, fmt.Errorf("asking for its size: %w", err)
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return 0, errors.New("not a regular file")
	case st.Size > maxCertificateFile:
		return 0, errTooLarge
	}
	return st.Size, nil
}

// retried is for system calls that a signal may interrupt.
func retried(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR {
			return n, err
		}
	}
}
