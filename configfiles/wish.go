// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxWishes bounds the memory for wishes to about 3 MB. Beyond it masters are
// read again, a third of a millisecond each.
const maxWishes = 32 << 10

var errChanging = errors.New("it changes while it is read")

// wishes remembers what masters say, by their stamps.
type wishes struct {
	mu    sync.Mutex
	known map[stamp]bool
}

func (w *wishes) get(s stamp) (wish, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wish, ok = w.known[s]
	return wish, ok
}

func (w *wishes) put(s stamp, wish bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil {
		w.known = make(map[stamp]bool)
	}
	if len(w.known) >= maxWishes {
		for old := range w.known {
			delete(w.known, old) // any will do
			break
		}
	}
	w.known[s] = wish
}

// of is the wish in the master h. It is true as well if h cannot be read to
// the point of decision; the error, which says where, comes once for each
// state of the file.
func (w *wishes) of(h *handle) (bool, error) {
	if wish, ok := w.get(h.stamp); ok {
		return wish, nil
	}
	wish, err := readWish(h)
	if !h.inMemory() && !h.unwritten() {
		return true, fmt.Errorf("reading %s: %w", h.path, errChanging)
	}
	if h.stamp.settledAt(h.opened) {
		w.put(h.stamp, wish)
	}
	return wish, err
}

// readWish reads h from its beginning, wherever its offset stands.
func readWish(h *handle) (bool, error) {
	h.load()
	var r io.Reader = bytes.NewReader(h.data)
	if h.file != nil {
		r = io.NewSectionReader(h.file, 0, h.stamp.size)
	}
	m, err := ReadMaster(r)
	if err == nil || m.Encrypt {
		return m.Encrypt, nil
	}
	return true, fmt.Errorf("reading %s: %w", h.path, err)
}
