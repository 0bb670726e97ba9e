// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// sight keeps an eye on folders, and remembers where something happened until
// it is asked. follow and close are not for several goroutines at once.
type sight struct {
	log   *slog.Logger
	ops   fsnotify.Op       // what counts as an event
	inner *fsnotify.Watcher // nil if the system has none left: then nothing is ever seen
	ended chan struct{}     // closed when collect has ended
	// woken holds a token while there is something to take.
	woken  chan struct{}
	warned map[string]bool // folders that the log has named; "" for the limit

	mu      sync.Mutex
	watched map[string]*watch // by the folder's path, no part of which is a link
	seen    changes
}

// watch is one folder of a sight.
type watch struct {
	lookouts []lookout
	placed   bool // inotify is believed to report on the folder
}

// changes are what a sight has seen.
type changes struct {
	owners map[string]bool // of the lookouts at which something happened
	all    bool            // events were lost: anything may have happened
	moved  bool            // paths may lead elsewhere than before
}

// names are the owners in order.
func (c changes) names() []string { return slices.Sorted(maps.Keys(c.owners)) }

// openSight returns a sight of nothing yet, to be closed.
func openSight(ops fsnotify.Op, log *slog.Logger) *sight {
	s := &sight{
		log:     log,
		ops:     ops,
		ended:   make(chan struct{}),
		woken:   make(chan struct{}, 1),
		warned:  make(map[string]bool),
		watched: make(map[string]*watch),
		seen:    changes{owners: make(map[string]bool)},
	}
	inner, err := fsnotify.NewWatcher()
	if err != nil {
		s.warnLimit(err)
		close(s.ended)
		return s
	}
	s.inner = inner
	go s.collect()
	return s
}

func (s *sight) close() {
	if s.inner != nil {
		if err := s.inner.Close(); err != nil {
			s.log.Debug("closing inotify", "err", err)
		}
	}
	<-s.ended
}

// take returns what was seen since the last time.
func (s *sight) take() changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.woken:
	default:
	}
	seen := s.seen
	s.seen = changes{owners: make(map[string]bool)}
	return seen
}

// doubt ends the belief that any folder is still reported on: the next follow
// asks for all of them anew.
func (s *sight) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		w.placed = false
	}
}

// follow keeps an eye on the wanted lookouts from now on, and on nothing else.
// It returns the owners of those that it had not, or not for sure, under watch
// before: what happened there until now went unseen.
func (s *sight) follow(wanted []lookout) (unseen []string) {
	if s.inner == nil {
		return nil
	}
	added, removed := s.replace(wanted)
	// Folders go first: inotify knows inodes, not paths, and to remove the old
	// path of one that moved would end the watch on the new path as well.
	for _, dir := range removed {
		_ = s.inner.Remove(dir) // fails if the folder has gone, and the watch with it
	}
	owners := make(map[string]bool)
	for dir, w := range added {
		if !s.place(dir, w) {
			continue
		}
		for _, l := range w.lookouts {
			owners[l.owner] = true
		}
	}
	return slices.Sorted(maps.Keys(owners))
}

// replace makes the wanted lookouts the watched ones, and returns the folders
// that inotify has to be told of. The added are marked as placed already, so
// that what happens to them from here on is not overlooked.
func (s *sight) replace(wanted []lookout) (added map[string]*watch, removed []string) {
	next := make(map[string]*watch)
	for _, l := range wanted {
		w := next[l.dir]
		if w == nil {
			w = new(watch)
			next[l.dir] = w
		}
		w.lookouts = append(w.lookouts, l)
	}
	added = make(map[string]*watch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for dir, w := range next {
		if old := s.watched[dir]; old == nil || !old.placed {
			added[dir] = w
		}
		w.placed = true
	}
	for dir := range s.watched {
		if next[dir] == nil {
			removed = append(removed, dir)
		}
	}
	s.watched = next
	return added, removed
}

// place asks inotify to report on dir. It must not hold s.mu: inotify may be
// waiting for collect to take an event.
func (s *sight) place(dir string, w *watch) bool {
	err := s.inner.Add(dir)
	if err == nil {
		return true
	}
	gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	switch {
	case gone: // since the way there was traced
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ENOMEM):
		s.warnLimit(err)
	case !s.warned[dir]:
		s.warned[dir] = true
		s.log.Warn("folder cannot be watched, its changes are seen by the slow timer alone", "file", dir, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.placed = false
	if gone {
		s.seen.moved = true
		s.mark(w.lookouts)
	}
	return false
}

func (s *sight) warnLimit(err error) {
	if s.warned[""] {
		return
	}
	s.warned[""] = true
	s.log.Warn("inotify has reached its limit, changes are seen by the slow timer alone; "+
		"raise fs.inotify.max_user_watches and fs.inotify.max_user_instances", "err", err)
}

// collect takes events as fast as they come, so that the kernel's queue does
// not overflow while somebody is busy with what was seen before.
func (s *sight) collect() {
	defer close(s.ended)
	for {
		select {
		case e, ok := <-s.inner.Events:
			if !ok {
				return
			}
			s.see(e)
		case err, ok := <-s.inner.Errors:
			if !ok {
				return
			}
			s.lose(err)
		}
	}
}

func (s *sight) see(e fsnotify.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watched[e.Name]; w != nil && e.Has(fsnotify.Remove|fsnotify.Rename) {
		w.placed = false
		s.seen.moved = true
		s.mark(w.lookouts)
	}
	w := s.watched[filepath.Dir(e.Name)]
	if w == nil || !e.Has(s.ops) {
		return
	}
	for _, l := range w.lookouts {
		switch l.name {
		case filepath.Base(e.Name):
			s.seen.moved = true
			fallthrough
		case "":
			s.mark([]lookout{l})
		}
	}
}

// lose notes that there were events that nobody will ever see.
func (s *sight) lose(err error) {
	s.log.Debug("events lost", "err", err)
	s.doubt()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.all = true
	wake(s.woken)
}

// mark notes that something happened at the lookouts. It needs s.mu.
func (s *sight) mark(lookouts []lookout) {
	for _, l := range lookouts {
		s.seen.owners[l.owner] = true
	}
	wake(s.woken)
}
