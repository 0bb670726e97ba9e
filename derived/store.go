// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"cfgsrv/configfiles"
)

// artefact is a made file, or the header of one. It is never modified.
type artefact struct {
	data []byte
	made time.Time
	from content // what it was made from
	// seen is a state in which the file that it was made from had this content;
	// zero if none is known.
	seen state
}

// keptOverhead is about what an artefact takes in memory besides its bytes.
const keptOverhead = 300

func (a artefact) cost(key string) int { return len(key) + len(a.data) + keptOverhead }

// store keeps the newest artefact of each key, and makes each once however many
// ask at the same time. Those that nobody asked for the longest go first.
type store struct {
	flight singleflight.Group
	limit  int // bytes

	mu    sync.Mutex
	bytes int
	kept  *simplelru.LRU[string, artefact]
}

func newStore(limit int) *store {
	s := &store{limit: limit}
	// More entries than this can never be within the limit.
	s.kept, _ = simplelru.NewLRU(limit/keptOverhead+1, func(key string, a artefact) { s.bytes -= a.cost(key) })
	return s
}

// inState is the artefact of key, if the file in this state is known to have
// the content that it was made from.
func (s *store) inState(key string, now state) (artefact, bool) {
	if now == (state{}) {
		return artefact{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.kept.Get(key)
	return a, ok && a.seen == now
}

// get is the artefact of key from this content, made by build if need be, of
// which now is the state of the file.
func (s *store) get(key string, from content, now state, build func() ([]byte, error)) (artefact, error) {
	if a, ok := s.find(key, from, now); ok {
		return a, nil
	}
	made, err, _ := s.flight.Do(key+"\x00"+string(from[:]), func() (any, error) {
		if a, ok := s.find(key, from, now); ok { // made between our look and this call
			return a, nil
		}
		data, err := build()
		if err != nil {
			return nil, err
		}
		a := artefact{data: data, made: signingTime(), from: from, seen: now}
		s.keep(key, a)
		return a, nil
	})
	if err != nil {
		return artefact{}, err
	}
	return made.(artefact), nil
}

// find is the artefact of key if it was made from this content, and remembers
// the state that has it.
func (s *store) find(key string, from content, now state) (artefact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.kept.Get(key)
	if !ok || a.from != from {
		return artefact{}, false
	}
	a.seen = now
	s.kept.Add(key, a) // in its place; its cost stays
	return a, true
}

func (s *store) keep(key string, a artefact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.Remove(key) // Add alone would not take its cost off
	s.bytes += a.cost(key)
	s.kept.Add(key, a)
	for s.bytes > s.limit {
		s.kept.RemoveOldest()
	}
}

// file is the artefact as an answer.
func (a artefact) file(as configfiles.Form) *configfiles.File {
	return &configfiles.File{
		Size: int64(len(a.data)), ModTime: a.made, As: as,
		Content: inMemory{bytes.NewReader(a.data)},
	}
}

// inMemory is bytes as a file's content.
type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }

// signingTime is the TIMESTAMP of a new signature: whole seconds.
func signingTime() time.Time { return time.Now().Truncate(time.Second) }
