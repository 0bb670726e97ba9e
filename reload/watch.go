// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchConfig is what Watch watches.
type WatchConfig struct {
	// Folders returns the folders to watch, absolute and without their
	// sub-folders; there may be tens of thousands. It is called after Changed,
	// because folders come and go, and should keep their order then. One that
	// does not exist is waited for.
	Folders func() []string
	// Changed is told of a folder, named as Folders did, in which entries came,
	// went, or changed their names or permissions; an empty name says that this
	// may be so in any folder. What is written to a file changes no entry.
	Changed func(folder string)
	Every   time.Duration // between two calls with the empty name; default 60 s
	Log     *slog.Logger  // nil: none
}

// Watch calls Changed at once after a change, from one goroutine, and once for
// all that happened to a folder during the calls before. The first call has the
// empty name: what changed before the watch began was not seen. Watch returns
// when ctx has ended and a call under way has returned.
func Watch(ctx context.Context, cfg WatchConfig) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := openSight(fsnotify.Create|fsnotify.Remove|fsnotify.Rename|fsnotify.Chmod, cfg.Log)
	defer s.close()
	slow := time.NewTicker(cmp.Or(cfg.Every, time.Minute))
	defer slow.Stop()
	t := teller{cfg: cfg, sight: s}
	for seen := (changes{all: true}); ; {
		t.tell(ctx, seen)
		select {
		case <-ctx.Done():
			return
		case <-slow.C:
			seen = changes{all: true}
		case <-s.woken:
			seen = s.take()
		}
	}
}

// teller makes the calls of one Watch.
type teller struct {
	cfg    WatchConfig
	sight  *sight
	tracer *tracer
	// followed is what Folders returned when the sight was last told; nil if
	// that no longer stands for what is to be watched.
	followed []string
}

// tell makes the calls that seen gives cause to, and those for folders that
// come under watch by them.
func (t *teller) tell(ctx context.Context, seen changes) {
	if seen.all || seen.moved {
		t.tracer, t.followed = newTracer(), nil
	}
	folders := seen.names()
	if seen.all {
		t.sight.doubt()
		t.follow() // before the call, which then need not see what comes after
		folders = []string{""}
	}
	for len(folders) > 0 {
		for _, f := range folders {
			if ctx.Err() != nil {
				return
			}
			t.cfg.Changed(f)
		}
		folders = t.follow()
	}
}

// follow watches the folders that there are now, and returns those that were
// not under watch before. While files come and go but folders stay it costs
// little, however many there are.
func (t *teller) follow() (unseen []string) {
	folders := t.cfg.Folders()
	if t.followed != nil && slices.Equal(folders, t.followed) {
		return nil
	}
	t.followed = append([]string{}, folders...)
	return t.sight.follow(t.tracer.folders(folders))
}
