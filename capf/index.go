// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"sync"
	"time"

	"cfgsrv/device"

	bolt "go.etcd.io/bbolt"
)

// index is what requests on other listeners want to know of the record, in
// memory.
type index struct {
	mu      sync.RWMutex
	state   int // the bbolt transaction whose outcome this is; they count up
	orders  map[device.Name]Pending
	revoked map[Fingerprint]struct{}
}

// Pending is an order not carried out yet.
type Pending struct {
	Operation Operation
	Auth      Auth
	until     time.Time
}

// load reads the record anew if another process has changed it.
func (i *index) load(tx *bolt.Tx) error {
	i.mu.RLock()
	current := i.orders != nil && i.state == tx.ID()
	i.mu.RUnlock()
	if current {
		return nil
	}
	orders := make(map[device.Name]Pending)
	t := transaction{tx: tx}
	if err := t.each(func(e Entry) { note(orders, e) }); err != nil {
		return err
	}
	refused := make(map[Fingerprint]struct{})
	if b := tx.Bucket(revoked); b != nil {
		err := b.ForEach(func(k, _ []byte) error {
			if len(k) == len(Fingerprint{}) {
				refused[Fingerprint(k)] = struct{}{}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state, i.orders, i.revoked = tx.ID(), orders, refused
	return nil
}

// apply follows an update of ours, which is about to be committed.
func (i *index) apply(state int, t *transaction) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state = state
	for _, e := range t.changed {
		note(i.orders, e)
	}
	for _, f := range t.refused {
		i.revoked[f] = struct{}{}
	}
}

// distrust makes the next load read the record anew, as an update that was
// applied has come to nothing.
func (i *index) distrust() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state = -1
}

func note(orders map[device.Name]Pending, e Entry) {
	if e.Operation == None {
		delete(orders, e.Device)
		return
	}
	orders[e.Device] = Pending{e.Operation, e.Auth, e.Until}
}

func (i *index) pending(n device.Name, now time.Time) (Pending, bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	p, ok := i.orders[n]
	return p, ok && (p.until.IsZero() || now.Before(p.until))
}

func (i *index) isRevoked(f Fingerprint) bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	_, ok := i.revoked[f]
	return ok
}
