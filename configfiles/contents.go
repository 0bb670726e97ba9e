// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxContent is up to how many bytes a file is read whole when it is opened,
	// and its content may be kept.
	maxContent = 64 << 10

	// maxContents bounds the memory for contents.
	maxContents = 8 << 20

	// contentOverhead is about what a content takes besides its path and bytes.
	contentOverhead = 300

	// rememberedPaths is about how many of the paths asked for last are known.
	rememberedPaths = 4096
)

// content is what a file holds in one state. It is not modified once it is kept.
type content struct {
	stamp  stamp
	opened time.Time // before the stamp was taken
	data   []byte    // all of it; nil if it is not in memory
}

func (c *content) cost(path string) int { return len(path) + len(c.data) + contentOverhead }

// contents keeps what small files below one root hold, by their paths. Nothing
// is ever invalidated: before each use the stamp is compared with the disk.
//
// Kept is what is asked for a second time. After a power cut thousands of phones
// ask for one file each that nobody else wants, and for a few that all of them
// want: only those are worth the memory. A path is forgotten when another takes
// its place among the remembered ones, so that a file has to be asked for often
// enough.
type contents struct {
	seed maphash.Seed

	mu    sync.Mutex
	bytes int
	kept  *simplelru.LRU[string, *content]
	asked [rememberedPaths]uint32 // the hash of the last path at each place
}

func newContents() *contents {
	c := &contents{seed: maphash.MakeSeed()}
	// More entries than this can never be within the limit.
	c.kept, _ = simplelru.NewLRU(maxContents/contentOverhead+1, func(path string, old *content) { c.bytes -= old.cost(path) })
	return c
}

// askedBefore says whether path was asked for lately, and remembers that it is.
func (c *contents) askedBefore(path string) bool {
	h := maphash.String(c.seed, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	last := &c.asked[h%rememberedPaths]
	before := *last == uint32(h>>32)
	*last = uint32(h >> 32)
	return before
}

func (c *contents) get(path string) (*content, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.Get(path)
}

func (c *contents) put(path string, now *content) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.Remove(path) // Add alone would not take its cost off
	c.bytes += now.cost(path)
	c.kept.Add(path, now)
	for c.bytes > maxContents {
		c.kept.RemoveOldest()
	}
}

// drop forgets a content, unless a newer one has taken its place.
func (c *contents) drop(path string, old stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.kept.Peek(path); ok && now.stamp == old {
		c.kept.Remove(path)
	}
}
