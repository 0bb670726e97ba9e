// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"cfgsrv/device"

	bolt "go.etcd.io/bbolt"
)

// Store is the record of what is ordered for each device, of enrolments under
// way, and of certificates that are refused for good. It is one file that the
// running server and the commands use side by side; each change is one
// transaction, on the disk when the method returns. All methods may be called
// by several goroutines. Where a method takes a context, its end bounds the
// wait for another process that is writing.
type Store struct {
	db     *database
	index  index
	looked atomic.Int64 // when Pending last looked for changes of other processes, in ns
}

// lookEvery is how stale Pending may be about other processes.
const lookEvery = 500 * time.Millisecond

// Open reads the record at path, and makes an empty one if there is none.
func Open(ctx context.Context, path string) (*Store, error) {
	s := new(Store)
	s.db = newDatabase(path, s.index.load)
	if err := s.view(ctx, func(*transaction) error { return nil }); err != nil {
		return nil, err
	}
	return s, nil
}

// Entry returns what the record holds about a device, or ErrUnknownDevice.
func (s *Store) Entry(ctx context.Context, n device.Name) (e Entry, err error) {
	err = s.view(ctx, func(t *transaction) error {
		e, err = t.entry(n)
		return err
	})
	return e, err
}

// Filter says which entries are wanted. An entry has to match all that is set.
type Filter struct {
	Pending  bool      // there is something to do
	Failed   bool      // the last session failed
	Expiring time.Time // the LSC ends before that time
}

func (f Filter) match(e Entry, now time.Time) bool {
	return (!f.Pending || e.Pending(now)) &&
		(!f.Failed || e.Last.Failed) &&
		(f.Expiring.IsZero() || !e.NotAfter.IsZero() && e.NotAfter.Before(f.Expiring))
}

// List returns the entries that match, in the order of names.
func (s *Store) List(ctx context.Context, f Filter) (all []Entry, err error) {
	now := time.Now()
	err = s.view(ctx, func(t *transaction) error {
		return t.each(func(e Entry) {
			if f.match(e, now) {
				all = append(all, e)
			}
		})
	})
	return all, err
}

// Change lets change alter the order of each of the named devices, an empty
// one for a device that the record does not know yet. Either all is changed or,
// if change returns an error or leaves an order that is not valid, nothing.
// change may be called more than once for a device.
func (s *Store) Change(ctx context.Context, names []device.Name, change func(device.Name, *Order) error) error {
	return s.update(ctx, func(t *transaction) error {
		for _, n := range names {
			if err := changeOne(t, n, change); err != nil {
				return fmt.Errorf("changing %s: %w", n, err)
			}
		}
		return nil
	})
}

func changeOne(t *transaction, n device.Name, change func(device.Name, *Order) error) error {
	e, err := t.entry(n)
	if err != nil && !errors.Is(err, ErrUnknownDevice) {
		return err
	}
	e.Device = n
	if err := change(n, &e.Order); err != nil {
		return err
	}
	if err := e.Validate(); err != nil {
		return err
	}
	if e.Operation != Install {
		e.Enrolment = nil
	}
	if e.Operation != Delete {
		e.Deleting = false
	}
	return t.put(e)
}

// Pending tells whether something is to be done with a device. It costs two
// look-ups in memory, and sees what another process has changed within a second.
func (s *Store) Pending(n device.Name) (Pending, bool) {
	now := time.Now()
	if last := s.looked.Load(); now.UnixNano()-last > int64(lookEvery) && s.looked.CompareAndSwap(last, now.UnixNano()) {
		s.db.look()
	}
	return s.index.pending(n, now)
}

// Revoked tells whether a certificate is refused for good because it was
// deleted or replaced. It looks in memory only.
func (s *Store) Revoked(fingerprint [32]byte) bool {
	return s.index.isRevoked(fingerprint)
}

// Observe compares the certificates that lsc/ holds with those of the last
// time. One that was replaced or removed meanwhile, by hand or by a session that
// was killed, is revoked. It is called for every generation; what holds may be a
// little older than the folder itself. A file that cannot be read changes
// nothing.
func (s *Store) Observe(ctx context.Context, lsc Folder, holds iter.Seq2[device.Name, [32]byte]) error {
	suspects, err := s.suspects(ctx, holds)
	if err != nil || len(suspects) == 0 {
		return err
	}
	// A folder that is not there, on a disk not mounted, is no word about anyone.
	if _, err := os.Stat(string(lsc)); err != nil {
		return fmt.Errorf("observing the LSCs: %w", err)
	}
	return s.update(ctx, func(t *transaction) error {
		for _, n := range suspects {
			if err := observeOne(t, lsc, n); err != nil {
				return fmt.Errorf("observing the LSC of %s: %w", n, err)
			}
		}
		return nil
	})
}

// suspects are the devices whose certificate seems to have changed.
func (s *Store) suspects(ctx context.Context, holds iter.Seq2[device.Name, [32]byte]) (names []device.Name, err error) {
	err = s.view(ctx, func(t *transaction) error {
		seen := make(map[device.Name]struct{})
		for n, f := range holds {
			seen[n] = struct{}{}
			if last := t.settled(n); last == nil || *last != f {
				names = append(names, n)
			}
		}
		before, err := t.names(known)
		for _, n := range before {
			if _, ok := seen[n]; !ok {
				names = append(names, n)
			}
		}
		return err
	})
	return names, err
}

// observeOne reads the file once more: an enrolment may have replaced it since
// the folder was loaded, and must not be revoked for that.
func observeOne(t *transaction, lsc Folder, n device.Name) error {
	c, err := lsc.Read(n)
	switch {
	case err == nil:
		f := fingerprint(c)
		_, err = t.settle(n, &f)
	case errors.Is(err, fs.ErrNotExist):
		_, err = t.settle(n, nil)
	default:
		err = nil // the device is closed as it is, and its certificate may come back
	}
	return err
}

func (s *Store) view(ctx context.Context, f func(*transaction) error) error {
	return s.db.view(ctx, func(tx *bolt.Tx) error { return f(&transaction{tx: tx}) })
}

func (s *Store) update(ctx context.Context, f func(*transaction) error) error {
	err := s.db.update(ctx, func(tx *bolt.Tx) error {
		t := &transaction{tx: tx}
		if err := f(t); err != nil {
			return err
		}
		// Here, not after the commit: only transactions themselves have an order.
		s.index.apply(tx.ID(), t)
		return nil
	})
	if err != nil {
		s.index.distrust()
	}
	return err
}
