// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"sync"
	"time"

	"cfgsrv/capf/internal/wire"
	"cfgsrv/device"
)

// registrar takes what was ordered for a device from one step to the next. Each
// step is on the disk before the next begins, in an order in which a kill
// between any two leaves nothing that the next session cannot take up. An
// installation is
//
//	record: this certificate is under way → lsc/ holds it → record: the old one
//	is revoked → the phone stores it → record: done
type registrar struct {
	store  *Store
	folder Folder
	// steps keep two sessions of one device apart. Nobody waits for a phone
	// while holding one.
	steps [64]sync.Mutex
}

const (
	recordWait = 30 * time.Second // for a command that holds the record
	failEvery  = time.Second      // failing costs a visitor nothing, and us a sync of the disk
)

var errChanged = &ending{Refused, wire.Declined, "its order was changed meanwhile, or another session of it went ahead"}

// issue returns the certificate that a device is to store for its key, after
// making it the one in lsc/. It takes up a session that broke off: for the same
// key it is the same certificate. ErrOffline means that the key was put down as
// a request.
func (r *registrar) issue(ctx context.Context, n device.Name, key crypto.PublicKey, ca Authority) (*x509.Certificate, error) {
	defer r.lock(n)()
	e, err := r.entry(ctx, n)
	if err != nil {
		return nil, err
	}
	c := e.issuedFor(key)
	if c == nil || r.store.Revoked(fingerprint(c)) {
		c, err = ca.Issue(n, key, time.Now())
	}
	switch {
	case errors.Is(err, ErrOffline):
		if err := r.request(ctx, n, key); err != nil {
			return nil, err
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	return c, r.handOut(ctx, n, c)
}

// imported is issue for a device whose request was answered.
func (r *registrar) imported(ctx context.Context, n device.Name) (*x509.Certificate, error) {
	defer r.lock(n)()
	e, err := r.entry(ctx, n)
	if err != nil {
		return nil, err
	}
	if e.Enrolment == nil || !e.Enrolment.Imported {
		return nil, errChanged
	}
	c, err := x509.ParseCertificate(e.Enrolment.Certificate)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate imported for %s: %w", n, err)
	}
	if r.store.Revoked(fingerprint(c)) {
		if err := r.abandon(ctx, n, c); err != nil {
			return nil, err
		}
		return nil, refuse("the certificate imported for it was removed by hand")
	}
	return c, r.handOut(ctx, n, c)
}

// handOut makes c the certificate that the phone is to store.
func (r *registrar) handOut(ctx context.Context, n device.Name, c *x509.Certificate) error {
	before, err := r.holds(n)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, n, c, before); err != nil {
		return err
	}
	now := fingerprint(c)
	if before == nil || *before != now {
		if err := r.folder.Write(n, c); err != nil {
			return err
		}
	}
	return r.step(ctx, n, func(t *transaction, e *Entry) error {
		if !e.underWay(c) {
			return errChanged
		}
		for _, f := range e.Enrolment.Replaced {
			if err := t.revoke(f); err != nil {
				return err
			}
		}
		_, err := t.settle(n, &now)
		return err
	})
}

// begin notes that c is under way, and what the phone may hold until it
// confirms.
func (r *registrar) begin(ctx context.Context, n device.Name, c *x509.Certificate, holds *Fingerprint) error {
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if e.Operation != Install {
			return errChanged
		}
		e.begin(c, holds)
		return nil
	})
}

// request puts a key down for an external issuer.
func (r *registrar) request(ctx context.Context, n device.Name, key crypto.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("requesting an LSC: %w", err)
	}
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if e.Operation != Install {
			return errChanged
		}
		e.succeed(Enrolment{PublicKey: der, Since: time.Now()})
		return nil
	})
}

// confirm ends an installation: the phone has stored c.
func (r *registrar) confirm(ctx context.Context, n device.Name, c *x509.Certificate, reason string) error {
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if !e.underWay(c) {
			return errChanged
		}
		e.NotAfter = c.NotAfter
		e.done(reason)
		return nil
	})
}

// abandon gives up an imported certificate, so that the next session begins with
// a new key.
func (r *registrar) abandon(ctx context.Context, n device.Name, c *x509.Certificate) error {
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if e.underWay(c) && e.Enrolment.Imported {
			e.Enrolment.Imported = false
		}
		return nil
	})
}

// deleting notes whether an answer to the deletion is awaited.
func (r *registrar) deleting(ctx context.Context, n device.Name, awaited bool) error {
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if e.Operation != Delete {
			return errChanged
		}
		e.Deleting = awaited
		return nil
	})
}

// remove ends a deletion: the phone has no certificate any more.
func (r *registrar) remove(ctx context.Context, n device.Name, reason string) error {
	defer r.lock(n)()
	e, err := r.entry(ctx, n)
	if err != nil {
		return err
	}
	if e.Operation != Delete {
		return errChanged // and perhaps it has been given another certificate
	}
	if err := r.folder.Remove(n); err != nil {
		return err
	}
	return r.step(ctx, n, func(t *transaction, e *Entry) error {
		e.NotAfter = time.Time{}
		e.done(reason)
		_, err := t.settle(n, nil)
		return err
	})
}

// keep ends a fetch: der is what the phone sent.
func (r *registrar) keep(ctx context.Context, n device.Name, der []byte, reason string) error {
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		if e.Operation != Fetch {
			return errChanged
		}
		e.Fetched = der
		e.done(reason)
		return nil
	})
}

// fail notes why a session came to nothing.
func (r *registrar) fail(ctx context.Context, n device.Name, reason string) error {
	e, err := r.entry(ctx, n)
	if err != nil {
		return err
	}
	if e.Last.Failed && time.Since(e.Last.At) < failEvery {
		return nil
	}
	return r.step(ctx, n, func(_ *transaction, e *Entry) error {
		e.Last = Result{Failed: true, Reason: reason, At: time.Now()}
		return nil
	})
}

// holds is what lsc/ holds for a device, nil for nothing. A file without a
// certificate is about to be replaced and counts as nothing.
func (r *registrar) holds(n device.Name) (*Fingerprint, error) {
	c, err := r.folder.Read(n)
	switch {
	case err == nil:
		f := fingerprint(c)
		return &f, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrNoCertificate):
		return nil, nil
	}
	return nil, err
}

// entry is what the record holds about a device.
func (r *registrar) entry(ctx context.Context, n device.Name) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	return r.store.Entry(ctx, n)
}

// step lets f alter the entry of a device.
func (r *registrar) step(ctx context.Context, n device.Name, f func(*transaction, *Entry) error) error {
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	return r.store.update(ctx, func(t *transaction) error {
		e, err := t.entry(n)
		if err != nil {
			return err
		}
		if err := f(t, &e); err != nil {
			return err
		}
		return t.put(e)
	})
}

func (r *registrar) lock(n device.Name) (unlock func()) {
	h := fnv.New32a()
	h.Write([]byte(n))
	m := &r.steps[h.Sum32()%uint32(len(r.steps))]
	m.Lock()
	return m.Unlock
}
