// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// tally is what the kept artefacts really take.
func (s *store) tally() (bytes int) {
	for _, key := range s.kept.Keys() {
		a, _ := s.kept.Peek(key)
		bytes += a.cost(key)
	}
	return bytes
}

func (s *store) put(t *testing.T, key string, content string, size int) artefact {
	t.Helper()
	a, err := s.get(origin{key: key, content: sha256.Sum256([]byte(content))}, func() ([]byte, error) { return make([]byte, size), nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The bytes kept are counted to the last, whatever comes, is replaced, or goes.
func TestStoreIsBoundedInBytes(t *testing.T) {
	const limit = 1 << 20
	s := newStore(limit)
	r := rand.New(rand.NewPCG(1, 2))
	most := 0
	for i := range 2000 {
		key := fmt.Sprintf("key %d", r.IntN(200))
		a := s.put(t, key, fmt.Sprint("content ", r.IntN(3)), r.IntN(40<<10))
		if r.IntN(2) == 0 {
			s.whole(key, a, make([]byte, r.IntN(40<<10)))
		}
		if got := s.tally(); got != s.bytes || got > limit {
			t.Fatalf("after %d: %d bytes are kept, %d are counted, %d are allowed", i, got, s.bytes, limit)
		}
		most = max(most, s.bytes)
	}
	if most < limit/2 {
		t.Errorf("never more than %d bytes were kept", most)
	}
}

func TestStoreReplacesWhatItWasMadeFrom(t *testing.T) {
	s := newStore(1 << 20)
	s.put(t, "key", "old", 1000)
	s.put(t, "key", "new", 10)
	if got := (artefact{data: make([]byte, 10)}).cost("key"); s.bytes != got || s.kept.Len() != 1 {
		t.Errorf("%d bytes of %d artefacts, want %d of 1", s.bytes, s.kept.Len(), got)
	}
	if got := len(s.put(t, "key", "old", 20).data); got != 20 {
		t.Errorf("what was replaced came back with %d bytes", got)
	}
}

func TestStoreDropsWhatWasAskedForTheLongestAgo(t *testing.T) {
	s := newStore(4 * (1000 + keptOverhead + len("a")))
	for _, key := range []string{"a", "b", "c", "d", "a", "e"} {
		s.put(t, key, key, 1000)
	}
	if got := fmt.Sprint(s.kept.Keys()); got != "[c d a e]" {
		t.Errorf("kept are %s", got)
	}
}

// A header is kept with its file only for those who ask again, and only for the
// very content that it was made from.
func TestStoreKeepsTheWhole(t *testing.T) {
	s := newStore(1 << 20)
	first := s.put(t, "key", "content", 10)
	header := s.bytes
	whole := func(a artefact, file string) string { return string(s.whole("key", a, []byte(file))[10:]) }
	if got := whole(first, "content"); got != "content" || s.bytes != header {
		t.Errorf("the first request got %q, %d bytes more are kept", got, s.bytes-header)
	}
	second := s.put(t, "key", "content", 10)
	if got := whole(second, "content"); got != "content" || s.bytes != header+10+len("content") || s.tally() != s.bytes {
		t.Errorf("the second request got %q, %d bytes more are kept", got, s.bytes-header)
	}
	third := s.put(t, "key", "content", 10)
	if one, two := s.whole("key", third, nil), s.whole("key", third, nil); &one[0] != &two[0] {
		t.Error("the third request copies")
	}
	s.put(t, "key", "other", 10)
	if got := whole(second, "content"); got != "content" || s.bytes != header {
		t.Errorf("the second request, late, got %q; %d bytes more are kept", got, s.bytes-header)
	}
	if got := whole(s.put(t, "key", "other", 10), "other"); got != "other" {
		t.Errorf("got %q after the content changed", got)
	}
}

func TestStoreServesWhatIsTooLargeToKeep(t *testing.T) {
	s := newStore(1000)
	if got := len(s.put(t, "key", "content", 2000).data); got != 2000 {
		t.Errorf("got %d bytes", got)
	}
	if s.bytes != 0 || s.kept.Len() != 0 {
		t.Errorf("%d bytes of %d artefacts are kept", s.bytes, s.kept.Len())
	}
}

var errBuild = errors.New("cannot be built")

func TestStoreRemembersNoFailure(t *testing.T) {
	s := newStore(1000)
	if _, err := s.get(origin{key: "key"}, func() ([]byte, error) { return nil, errBuild }); !errors.Is(err, errBuild) {
		t.Errorf("got %v", err)
	}
	if a, err := s.get(origin{key: "key"}, func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(a.data) != "x" {
		t.Errorf("got %q, %v", a.data, err)
	}
}
