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
	state configfiles.State
}

// artefact is a made file, or the header of one. It is never modified.
type artefact struct {
	data  []byte
	whole []byte // nil, or the header and the file after it
	made  time.Time
	from  content
	seen  configfiles.State // the latest in which the file was known to have that content
	old   bool              // was kept before this request
}

// keptOverhead is about what an artefact takes in memory besides its bytes.
const keptOverhead = 300

func (a artefact) cost(key string) int { return len(key) + len(a.data) + len(a.whole) + keptOverhead }

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
func (s *store) inState(key string, now configfiles.State) (artefact, bool) {
	if now == (configfiles.State{}) {
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
	if o.state != (configfiles.State{}) {
		a.seen = o.state
	}
	s.kept.Add(o.key, a) // in its place; its cost stays
	return a, true
}

func (s *store) keep(key string, a artefact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.old = true
	s.set(key, a)
}

func (s *store) set(key string, a artefact) {
	s.kept.Remove(key) // Add alone would not take its cost off
	s.bytes += a.cost(key)
	s.kept.Add(key, a)
	for s.bytes > s.limit {
		s.kept.RemoveOldest()
	}
}

// whole is the header a with the file after it, which must be what a was made
// from. It is kept for those who ask from the second time on: after a power cut
// most files are asked for once.
func (s *store) whole(key string, a artefact, file []byte) []byte {
	if a.whole != nil {
		return a.whole
	}
	whole := bytes.Join([][]byte{a.data, file}, nil)
	if !a.old {
		return whole
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.kept.Peek(key); ok && now.from == a.from && bytes.Equal(now.data, a.data) {
		now.whole = whole
		s.set(key, now)
	}
	return whole
}

// file is the artefact as an answer.
func (a artefact) file(as configfiles.Form) *configfiles.File {
	return configfiles.InMemory(a.data, a.made, as)
}

// signingTime is the TIMESTAMP of a new signature: whole seconds.
func signingTime() time.Time { return time.Now().Truncate(time.Second) }
