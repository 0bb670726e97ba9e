// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// folder is the certs folder while it is read.
type folder struct{ fs.FS }

// shut says why nothing in the folder can be looked at; nil if it can, or if
// there is no folder.
func (f folder) shut() error {
	_, err := fs.ReadDir(f.FS, ".")
	if err == nil {
		// A folder that may be listed need not be one that may be entered.
		_, err = fs.Lstat(f.FS, CallManager.pemFile())
	}
	src := source{file: "."}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		return src.fault("move it away and put a folder there", "is not a folder")
	case errors.Is(err, fs.ErrPermission):
		return src.fault("give it to that user, with mode 0700", "cannot be looked into by the user that runs this (uid %d): permission denied", os.Geteuid())
	}
	return f.unreadable(src, err)
}

// there says whether the folder has an entry of this name, be it a link that
// leads nowhere. What cannot be looked at is there.
func (f folder) there(name string) bool {
	_, err := fs.Lstat(f.FS, name)
	return !errors.Is(err, fs.ErrNotExist)
}

// certificates reads a file of certificates, at most limit of them.
func (f folder) certificates(src source, maxBytes int64, limit int) ([]*x509.Certificate, error) {
	data, _, err := f.read(src, maxBytes)
	if err != nil {
		return nil, err
	}
	blocks, err := src.blocks(data)
	if err != nil {
		return nil, err
	}
	return src.certificates(blocks, limit)
}

// key reads a file with a key, and the file's mode.
func (f folder) key(src source) (crypto.Signer, fs.FileMode, error) {
	data, mode, err := f.read(src, maxUnitFile)
	if err != nil {
		return nil, 0, err
	}
	blocks, err := src.blocks(data)
	if err != nil {
		return nil, 0, err
	}
	key, err := src.key(blocks)
	return key, mode, err
}

// committed reads the commit file of a unit.
func (f folder) committed(u Unit) (Pair, error) {
	src := source{u, u.commitFile()}
	data, _, err := f.read(src, maxUnitFile)
	if err != nil {
		return Pair{}, err
	}
	p, err := src.pair(data)
	if f, ok := errors.AsType[*Fault](err); ok {
		f.Do = "remove it: then the unit's own files count"
	}
	return p, err
}

// read returns a file's content and mode.
func (f folder) read(src source, limit int64) ([]byte, fs.FileMode, error) {
	// Looked at before it is opened: opening a named pipe would wait forever.
	info, err := fs.Stat(f.FS, src.file)
	if err != nil {
		return nil, 0, f.unreadable(src, err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, src.fault("put a file here", "is not a file")
	}
	file, err := f.Open(src.file)
	if err != nil {
		return nil, 0, f.unreadable(src, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, 0, f.unreadable(src, err)
	}
	if int64(len(data)) > limit {
		return nil, 0, src.fault("put the right file here", "is larger than %d bytes", limit)
	}
	return data, info.Mode(), nil
}

func (f folder) unreadable(src source, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if f.there(src.file) {
			return src.fault("put the file back, or remove the link", "is a link that leads nowhere")
		}
		return src.missing()
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return src.fault("see that the server's user may read it", "cannot be read: %v", err)
}

// isPEM says whether an entry of a trust store is one of its files.
func isPEM(name string) bool {
	return !strings.HasPrefix(name, ".") && path.Ext(name) == ".pem"
}
