// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// drawLimit bounds one draw. It leaves room for slow devices, such as a TPM.
	drawLimit = 5 * time.Second

	// closeLimit is how long a read gets to return once its source is closed.
	closeLimit = time.Second

	// retryPause is the wait after a source had no byte ready. Even a device
	// with one byte at a time is then read within drawLimit.
	retryPause = time.Millisecond
)

var (
	errSilent = errors.New("no answer within " + drawLimit.String())
	errBusy   = errors.New("an earlier read has not returned")
	errEnded  = errors.New("it ended early")
)

// sampler draws from one source, one draw at a time.
type sampler struct {
	source Source
	busy   chan struct{} // holds one token while a draw is under way
}

func newSampler(s Source) *sampler {
	return &sampler{source: s, busy: make(chan struct{}, 1)}
}

type drawing struct {
	samples []byte
	err     error
}

// draw returns the next n samples, or why there are none, and does not take
// longer than drawLimit and closeLimit together.
//
// A read that a driver does not let go cannot be interrupted. Its goroutine
// outlives draw and ends with the read; until then draw returns errBusy, so
// that there is never more than one.
func (s *sampler) draw(ctx context.Context, n int) ([]byte, error) {
	select {
	case s.busy <- struct{}{}:
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, drawLimit, errSilent)
	defer cancel()
	done := make(chan drawing, 1)
	go func() {
		samples, err := s.read(ctx, n)
		<-s.busy
		done <- drawing{samples, err}
	}()
	select {
	case d := <-done:
		return d.samples, d.err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(closeLimit):
	}
	return nil, context.Cause(ctx)
}

// read opens the source for one draw and closes it when the draw is complete or
// ctx ends.
func (s *sampler) read(ctx context.Context, n int) ([]byte, error) {
	stream, err := s.source.open()
	if err != nil {
		return nil, withoutPath(err)
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	samples := make([]byte, n)
	switch err := fill(ctx, stream, samples); {
	case err == nil:
		return samples, nil
	case ctx.Err() != nil: // and what fill noticed was the Close
		return nil, context.Cause(ctx)
	default:
		return nil, withoutPath(err)
	}
}

// fill reads until b is full. A device opened without blocking reports EAGAIN
// when it has no byte ready, and cannot be polled.
func fill(ctx context.Context, r io.Reader, b []byte) error {
	for len(b) > 0 {
		n, err := r.Read(b)
		b = b[n:]
		switch {
		case len(b) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errEnded
		case errors.Is(err, unix.EINTR), err == nil && n > 0:
		case errors.Is(err, unix.EAGAIN), err == nil:
			if err := pause(ctx, retryPause); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// pause waits for d, or returns why ctx ended before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withoutPath leaves out what the name of the source already says.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
