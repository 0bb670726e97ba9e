// SPDX-License-Identifier: Apache-2.0

// Package status shows people and monitoring what the server knows.
package status

import (
	"cmp"
	"container/list"
	"slices"
	"sync"
	"time"
)

// Request is one request that ended, in the words of the log (DESIGN 6).
type Request struct {
	At       time.Time     `json:"at"`
	Listener string        `json:"listener"`
	Remote   string        `json:"remote"`
	Device   string        `json:"device,omitempty"`
	File     string        `json:"file"`
	As       string        `json:"as,omitempty"`
	Outcome  string        `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Bytes    int64         `json:"bytes"`
	Took     time.Duration `json:"took_ns"`
	Gen      uint64        `json:"gen"`
	TLS      string        `json:"tls,omitempty"`
	Cipher   string        `json:"cipher,omitempty"`
	Cert     string        `json:"cert,omitempty"`
	Client   string        `json:"client,omitempty"`
}

// Device is what one device did of late.
type Device struct {
	Name string    `json:"name"`
	Seen time.Time `json:"seen"`
	// Requests are the last ones, oldest first.
	Requests []Request `json:"requests"`
}

// Last is the most recent request.
func (d Device) Last() Request { return d.Requests[len(d.Requests)-1] }

// Trouble is the last request of d that did not end well and was not made good
// since, or nil. A file that is not there is normal: phones ask for much.
func (d Device) Trouble() *Request {
	for _, r := range slices.Backward(d.Requests) {
		switch r.Outcome {
		case "served":
			return nil
		case "notfound":
			continue
		}
		return &r
	}
	return nil
}

// The bounds of a Book.
const (
	maxDevices  = 20_000
	maxRequests = 12 // a boot asks for five to ten files
)

// Book remembers what each device did of late. When it is full the device that
// was silent longest is forgotten. The zero Book is ready for use.
type Book struct {
	mu      sync.Mutex
	devices map[string]*list.Element // of *Device
	order   list.List                // most recent first
}

// Record enters a request; one that names no device is not kept.
func (b *Book) Record(r Request) {
	if r.Device == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.entry(r.Device)
	d.Seen = r.At
	if len(d.Requests) == maxRequests {
		copy(d.Requests, d.Requests[1:])
		d.Requests = d.Requests[:maxRequests-1]
	}
	d.Requests = append(d.Requests, r)
}

func (b *Book) entry(name string) *Device {
	if e, ok := b.devices[name]; ok {
		b.order.MoveToFront(e)
		return e.Value.(*Device)
	}
	if b.devices == nil {
		b.devices = map[string]*list.Element{}
	}
	if len(b.devices) == maxDevices {
		oldest := b.order.Remove(b.order.Back()).(*Device)
		delete(b.devices, oldest.Name)
	}
	d := &Device{Name: name}
	b.devices[name] = b.order.PushFront(d)
	return d
}

// Device returns a copy of what is known of one device.
func (b *Book) Device(name string) (Device, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.devices[name]
	if !ok {
		return Device{}, false
	}
	return e.Value.(*Device).copy(), true
}

// Devices returns a copy of all that is known, by name.
func (b *Book) Devices() []Device {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Device, 0, len(b.devices))
	for e := b.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*Device).copy())
	}
	slices.SortFunc(all, func(x, y Device) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

func (d *Device) copy() Device {
	c := *d
	c.Requests = slices.Clone(d.Requests)
	return c
}
