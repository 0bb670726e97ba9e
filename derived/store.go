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

// origin is what an artefact is made from.
type origin struct {
	key string // what is made, under which name
	content
	// state is one in which the file has this content; zero if none is known.
	state state
}

// artefact is a made file, or the header of one. It is never modified.
type artefact struct {
	data []byte
	made time.Time
	from content
	seen state // the latest in which the file was known to have that content
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

// get is the artefact that is made from o, by build if need be.
func (s *store) get(o origin, build func() ([]byte, error)) (artefact, error) {
	if a, ok := s.find(o); ok {
		return a, nil
	}
	made, err, _ := s.flight.Do(o.key+"\x00"+string(o.content[:]), func() (any, error) {
		if a, ok := s.find(o); ok { // made between our look and this call
			return a, nil
		}
		data, err := build()
		if err != nil {
			return nil, err
		}
		a := artefact{data: data, made: signingTime(), from: o.content, seen: o.state}
		s.keep(o.key, a)
		return a, nil
	})
	if err != nil {
		return artefact{}, err
	}
	return made.(artefact), nil
}

// find is the artefact that was made from this content, and remembers the state
// that has it.
func (s *store) find(o origin) (artefact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.kept.Get(o.key)
	if !ok || a.from != o.content {
		return artefact{}, false
	}
	a.seen = o.state
	s.kept.Add(o.key, a) // in its place; its cost stays
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
