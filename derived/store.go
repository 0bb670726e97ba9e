// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"cfgsrv/configfiles"
)

// maxKept bounds the bytes of the artefacts that a generation keeps; the least
// recently asked for are made again.
const maxKept = 64 << 20

// artefact is a made file or the header of one. It is never modified.
type artefact struct {
	data []byte
	made time.Time
}

// store keeps artefacts by what they are made from, and makes each once however
// many ask at the same time.
type store struct {
	flight singleflight.Group

	mu    sync.Mutex
	bytes int
	kept  *lru.Cache[string, artefact]
}

func newStore() *store {
	s := &store{}
	// The number of entries is bounded by their bytes; this is only more than
	// there can be (a header has some 450 bytes).
	s.kept, _ = lru.NewWithEvict(maxKept/256, func(_ string, a artefact) { s.bytes -= len(a.data) })
	return s
}

// get returns the artefact of that key, made by make if need be. A caller whose
// ctx ends stops waiting; what is being made is made for the others, so make
// gets a context of its own.
func (s *store) get(ctx context.Context, key string, make func(context.Context) ([]byte, error)) (artefact, error) {
	if a, ok := s.find(key); ok {
		return a, nil
	}
	made := s.flight.DoChan(key, func() (any, error) {
		if a, ok := s.find(key); ok { // made between our look and this call
			return a, nil
		}
		data, err := make(context.WithoutCancel(ctx))
		if err != nil {
			return artefact{}, err
		}
		return s.keep(key, artefact{data: data, made: time.Now().Truncate(time.Second)}), nil
	})
	select {
	case r := <-made:
		return r.Val.(artefact), r.Err
	case <-ctx.Done():
		return artefact{}, ctx.Err()
	}
}

func (s *store) find(key string) (artefact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.Get(key)
}

func (s *store) keep(key string, a artefact) artefact {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += len(a.data)
	s.kept.Add(key, a)
	for s.bytes > maxKept {
		s.kept.RemoveOldest()
	}
	return a
}

// file is the artefact as an answer.
func (a artefact) file(as configfiles.Form) *configfiles.File {
	return &configfiles.File{
		Size: int64(len(a.data)), ModTime: a.made, As: as,
		Content: reader{bytes.NewReader(a.data)},
	}
}

// reader is bytes in memory as a file's content.
type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

var _ io.ReadSeekCloser = reader{}
