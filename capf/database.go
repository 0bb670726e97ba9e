// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// database lets the server and the commands use one bbolt file side by side.
// bbolt locks its file for as long as it is open. So it is opened when a
// transaction wants it (a fifth of a millisecond), shared by those that come
// meanwhile, and closed after the last; and in a storm of transactions it is
// closed now and then all the same.
type database struct {
	path string
	// opened is called in a view of the file each time that it was opened:
	// another process may have changed it.
	opened func(*bolt.Tx) error

	turn   chan struct{} // a mutex that a context can give up waiting for; it guards what follows
	db     *bolt.DB      // nil: closed
	users  int
	since  time.Time     // when db was opened
	closed chan struct{} // is closed when db is
	next   time.Time     // db is not opened before
}

const (
	retry = 20 * time.Millisecond  // between two attempts to lock the file
	lease = 250 * time.Millisecond // after which nobody joins an open db
	gap   = 2 * retry              // after an exhausted lease, so that another process gets it
	// batchDelay is how long a transaction waits for others to share its sync
	// of the disk.
	batchDelay = time.Millisecond
)

func newDatabase(path string, opened func(*bolt.Tx) error) *database {
	return &database{path: path, opened: opened, turn: make(chan struct{}, 1)}
}

// view runs f in a read-only transaction.
func (d *database) view(ctx context.Context, f func(*bolt.Tx) error) error {
	db, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer d.release()
	return db.View(f)
}

// update runs f in a transaction that is on the disk when update returns nil.
// It may call f more than once.
func (d *database) update(ctx context.Context, f func(*bolt.Tx) error) error {
	db, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer d.release()
	return db.Batch(f)
}

// look makes sure that opened was called after whatever another process has
// changed, unless that process holds the file right now. It never waits.
func (d *database) look() {
	select {
	case d.turn <- struct{}{}:
	default:
		return
	}
	defer d.unlock()
	if d.db == nil && d.open() == nil {
		d.close()
	}
}

func (d *database) acquire(ctx context.Context) (*bolt.DB, error) {
	for {
		if err := d.lock(ctx); err != nil {
			return nil, err
		}
		if d.db == nil {
			defer d.unlock()
			return d.openPatiently(ctx)
		}
		if time.Since(d.since) < lease {
			defer d.unlock()
			d.users++
			return d.db, nil
		}
		closed := d.closed
		d.unlock()
		select {
		case <-closed:
		case <-ctx.Done():
			return nil, waiting(ctx)
		}
	}
}

// openPatiently needs d.turn.
func (d *database) openPatiently(ctx context.Context) (*bolt.DB, error) {
	pause := time.Until(d.next)
	for {
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil, waiting(ctx)
			}
		}
		err := d.open()
		if err == nil {
			d.users = 1
			return d.db, nil
		}
		if !errors.Is(err, bolterrors.ErrTimeout) {
			return nil, err
		}
		pause = retry
	}
}

// open needs d.turn. It makes one attempt, whose error is ErrTimeout of bbolt if
// another process has the file.
func (d *database) open() error {
	db, err := bolt.Open(d.path, 0o600, &bolt.Options{Timeout: 1, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("opening %s: %w", d.path, err)
	}
	db.MaxBatchDelay = batchDelay
	if err := d.prepare(db); err != nil {
		db.Close()
		return err
	}
	d.db, d.since, d.closed = db, time.Now(), make(chan struct{})
	return nil
}

func (d *database) prepare(db *bolt.DB) error {
	if err := db.View(d.opened); err != nil {
		return fmt.Errorf("reading %s: %w", d.path, err)
	}
	return nil
}

func (d *database) release() {
	d.turn <- struct{}{}
	defer d.unlock()
	d.users--
	if d.users == 0 {
		d.close()
	}
}

// close needs d.turn. What bbolt may say about closing concerns nobody: every
// update is on the disk by then.
func (d *database) close() {
	if time.Since(d.since) >= lease {
		d.next = time.Now().Add(gap)
	}
	d.db.Close()
	d.db = nil
	close(d.closed)
}

func (d *database) lock(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return waiting(ctx)
	}
}

func (d *database) unlock() { <-d.turn }

func waiting(ctx context.Context) error {
	return fmt.Errorf("waiting for the record of enrolments: %w", ctx.Err())
}
