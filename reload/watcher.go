// SPDX-License-Identifier: Apache-2.0

// Package reload runs one function again when something may have changed.
//
// Events only wake: what has changed is for the function to find out on the
// disk. Folders are watched, never files, because a rename ends the watch on a
// file. Where inotify does not see a change (network file systems, a full
// queue, a folder further up that was replaced), a slow timer does.
package reload

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Reasons of a run that nobody asked for. Any other was given to Trigger.
const (
	Start  = "start"  // the first run: what changed before the watch began was not seen
	Change = "change" // an event
	Timer  = "timer"  // no event for Config.Every
)

// Func looks at the disk and takes over what has changed there. It is called
// often without need. After an error nothing has changed; the Watcher logs it.
type Func func(ctx context.Context, reason string) error

// Config is what a Watcher watches. Paths are absolute.
type Config struct {
	// Folders returns the folders to watch, without their sub-folders. It is
	// called around each run, because folders come and go with it. One that
	// does not exist is waited for; what links in a folder lead to is watched
	// too, through every link on the way (certbot, Kubernetes).
	Folders func() []string // nil: none
	Files   []string        // single files, existing or not
	// Settle is how long it must be quiet before a run; default 500 ms. A
	// steady stream of events puts a run off for three times that at most.
	Settle time.Duration
	Every  time.Duration // longest time between two runs; default 60 s
	Log    *slog.Logger  // nil: none
}

// Watcher calls a Func when something may have changed, never twice at a time.
type Watcher struct {
	folders func() []string
	files   []string
	log     *slog.Logger
	pace    *pace
}

// New returns a Watcher that does not watch yet.
func New(cfg Config) *Watcher {
	w := &Watcher{
		folders: cfg.Folders,
		files:   cfg.Files,
		log:     cfg.Log,
		pace:    newPace(cmp.Or(cfg.Settle, 500*time.Millisecond), cmp.Or(cfg.Every, time.Minute)),
	}
	if w.folders == nil {
		w.folders = func() []string { return nil }
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	return w
}

// Trigger asks for a run at once, for a reason of the caller's. A reason that
// waits already is not added again; each other gets a run of its own. Trigger
// may be called at any time, also before Run, and does not block.
func (w *Watcher) Trigger(reason string) { w.pace.trigger(reason) }

// Run watches and calls f, first for the reason Start, until ctx ends and f has
// returned. It is called once.
func (w *Watcher) Run(ctx context.Context, f Func) {
	s := openSight(^fsnotify.Op(0), w.log)
	defer s.close()
	var fault string // the last error of f
	for reason := Start; reason != ""; reason = w.pace.wait(ctx, s.woken) {
		if reason == Timer {
			s.doubt()
		}
		w.log.Debug("looking for changes", "reason", reason, "file", s.take().names())
		// Before f reads, so that it need not see what is written from here on.
		s.follow(w.lookouts())
		fault = w.run(ctx, reason, f, fault)
		if unseen := s.follow(w.lookouts()); len(unseen) > 0 {
			wake(s.woken) // f may have read there before we looked
		}
	}
}

// run calls f once and returns the text of its error. The slow timer does not
// log one that is known from the run before.
func (w *Watcher) run(ctx context.Context, reason string, f Func, known string) string {
	start := time.Now()
	err := f(ctx, reason)
	if err == nil || ctx.Err() != nil {
		return ""
	}
	if fault := err.Error(); reason == Timer && fault == known {
		return fault
	}
	w.log.Error("reload failed", "reason", reason, "took", time.Since(start), "err", err)
	return err.Error()
}

// lookouts lists what to keep an eye on as the disk is now.
func (w *Watcher) lookouts() []lookout {
	t := newTracer()
	folders := w.folders()
	all := t.folders(folders)
	for _, path := range folders {
		all = append(all, t.targets(path)...)
	}
	for _, path := range w.files {
		all = append(all, t.file(path)...)
	}
	return all
}
