// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readyPauseFirst = 50 * time.Millisecond
	readyPauseLast  = 2 * time.Second
)

// Ready waits until the kernel's generator is initialised, which early in the
// boot of a machine without a hardware source can take minutes. No key may be
// made before. It logs when it has to wait and when the wait is over, and
// returns an error only when ctx ends or the kernel cannot be asked. A nil log
// means discard.
func Ready(ctx context.Context, log *slog.Logger) error {
	return ready(ctx, log, func() error {
		_, err := kernelReader{}.Read(make([]byte, 1))
		return err
	})
}

func ready(ctx context.Context, log *slog.Logger, ask func() error) error {
	log = orDiscard(log)
	began, waited := time.Now(), false
	for wait := readyPauseFirst; ; wait = min(2*wait, readyPauseLast) {
		switch err := ask(); {
		case err == nil:
			if waited {
				log.Info("kernel's random generator is initialised", "took", time.Since(began))
			}
			return nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("asking the kernel's random generator: %w", err)
		}
		if !waited {
			log.Warn("waiting for the kernel's random generator to be initialised; no key is made before")
			waited = true
		}
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("waiting for the kernel's random generator to be initialised: %w", err)
		}
	}
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
