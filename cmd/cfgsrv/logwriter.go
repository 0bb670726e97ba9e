// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync"
	"time"
)

const (
	// gatherTime is how long a record may wait for others. A write costs a
	// tenth of what answering a request does, and a storm has thousands a second.
	gatherTime = 2 * time.Millisecond
	// mostGathered is how many bytes may wait.
	mostGathered = 32 << 10
)

// logWriter writes a log: at once where it was quiet, else what has come within
// gatherTime together. What waits is lost only if the process is killed or crashes.
type logWriter struct {
	w io.Writer

	mu      sync.Mutex
	waiting []byte
	written time.Time // the last time
	due     *time.Timer
}

// Write implements io.Writer. An error of an earlier record may come with a
// later one.
func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 && time.Since(l.written) >= gatherTime {
		l.written = time.Now()
		return l.w.Write(p)
	}
	l.waiting = append(l.waiting, p...)
	if len(l.waiting) >= mostGathered {
		return len(p), l.flush()
	}
	if l.due == nil {
		l.due = time.AfterFunc(gatherTime, func() { _ = l.Flush() }) // nobody is left to hear of it
	}
	return len(p), nil
}

// Flush writes what waits.
func (l *logWriter) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *logWriter) flush() error {
	if l.due != nil {
		l.due.Stop()
		l.due = nil
	}
	if len(l.waiting) == 0 {
		return nil
	}
	_, err := l.w.Write(l.waiting)
	l.waiting = l.waiting[:0]
	l.written = time.Now()
	return err
}
