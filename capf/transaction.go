// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"encoding/json"
	"errors"
	"fmt"

	"cfgsrv/device"

	bolt "go.etcd.io/bbolt"
)

// The buckets of the record.
var (
	entries = []byte("devices") // device name: Entry as JSON
	known   = []byte("known")   // device name: fingerprint of the LSC in lsc/ when we last looked
	revoked = []byte("revoked") // fingerprint: empty
)

// ErrUnknownDevice is returned for a device that nobody has ordered anything
// for.
var ErrUnknownDevice = errors.New("no such device in the record")

// transaction is one view or update of the record in the record's own terms.
type transaction struct {
	tx *bolt.Tx
	// What an update has changed so far, for the index.
	changed []Entry
	refused []Fingerprint
}

// entry returns the Entry of a device, or ErrUnknownDevice.
func (t *transaction) entry(n device.Name) (Entry, error) {
	b := t.tx.Bucket(entries)
	if b == nil {
		return Entry{}, ErrUnknownDevice
	}
	v := b.Get([]byte(n))
	if v == nil {
		return Entry{}, ErrUnknownDevice
	}
	return parseEntry([]byte(n), v)
}

func (t *transaction) put(e Entry) error {
	v, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("recording %s: %w", e.Device, err)
	}
	t.changed = append(t.changed, e)
	return t.set(entries, []byte(e.Device), v)
}

// each calls f for every Entry, in the order of names.
func (t *transaction) each(f func(Entry)) error {
	b := t.tx.Bucket(entries)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		e, err := parseEntry(k, v)
		if err == nil {
			f(e)
		}
		return err
	})
}

// settle notes which certificate lsc/ now holds for a device, nil for none. The
// one that it held before is revoked. It tells whether that changed anything.
func (t *transaction) settle(n device.Name, now *Fingerprint) (bool, error) {
	before := t.settled(n)
	if before == nil && now == nil || before != nil && now != nil && *before == *now {
		return false, nil
	}
	if before != nil {
		if err := t.revoke(*before); err != nil {
			return false, err
		}
	}
	if now == nil {
		return true, t.tx.Bucket(known).Delete([]byte(n))
	}
	return true, t.set(known, []byte(n), now[:])
}

// settled is what settle noted last.
func (t *transaction) settled(n device.Name) *Fingerprint {
	if b := t.tx.Bucket(known); b != nil {
		if v := b.Get([]byte(n)); len(v) == len(Fingerprint{}) {
			f := Fingerprint(v)
			return &f
		}
	}
	return nil
}

func (t *transaction) revoke(f Fingerprint) error {
	t.refused = append(t.refused, f)
	return t.set(revoked, f[:], nil)
}

func (t *transaction) set(bucket, key, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists(bucket)
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

func parseEntry(name, v []byte) (Entry, error) {
	e := Entry{Device: device.Name(name)}
	if err := json.Unmarshal(v, &e); err != nil {
		return Entry{}, fmt.Errorf("reading the record of %s: %w", name, err)
	}
	return e, nil
}

// names are the keys of a bucket whose keys are device names.
func (t *transaction) names(bucket []byte) ([]device.Name, error) {
	b := t.tx.Bucket(bucket)
	if b == nil {
		return nil, nil
	}
	var all []device.Name
	err := b.ForEach(func(k, _ []byte) error {
		all = append(all, device.Name(k))
		return nil
	})
	return all, err
}
