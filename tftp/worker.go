// SPDX-License-Identifier: Apache-2.0

package tftp

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"cfgsrv/configfiles"
)

// startWorkers starts those that open and read files, and the one that tells of
// ended transfers.
func (f *front) startWorkers() {
	for range runtime.GOMAXPROCS(0) {
		f.startWorker()
	}
	f.others.Go(func() {
		for t := f.records.take(); t != nil; t = f.records.take() {
			f.config.Record(f.cut, t.record)
		}
	})
}

func (f *front) startWorker() {
	f.workers++
	f.others.Go(func() {
		out := f.newSender()
		for t := f.work.take(); t != nil; t = f.work.take() {
			f.workOn(t, out)
			f.flush(out)
		}
	})
}

// relieve starts one more worker when all of them seem to hang in a source.
func (f *front) relieve() {
	waiting, taken := f.work.state()
	if waiting > 0 && taken == f.taken && f.workers < maxWorkers {
		f.startWorker()
	}
	f.taken = taken
}

// wait returns when what startWorkers started has done everything and ended.
func (f *front) wait() {
	f.work.close()
	f.records.close()
	f.others.Wait()
}

func (f *front) workOn(t *transfer, out *sender) {
	t.mu.Lock()
	reading := t.reading
	t.mu.Unlock()
	if reading {
		f.readOn(t, out)
		return
	}
	f.answer(t, out)
}

// answer opens t's file and begins to send it.
func (f *front) answer(t *transfer, out *sender) {
	a, err := f.find(t)
	granted := t.request.want
	if granted.blksize > 0 {
		granted = granted.grant(f.mtu.blockSize(t.id.peer, min(granted.blksize, t.gen.blockSize())))
	} else {
		granted = granted.grant(0)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase == ended {
		a.stream.close()
		return
	}
	t.record.Device, t.record.As = a.name.Device, a.as
	switch {
	case err == nil:
		f.start(t, granted, a.stream, out)
	case f.cut.Err() != nil:
		f.cutShort(t, out)
	default:
		f.end(t, err, out)
	}
}

// found is what was found for a request.
type found struct {
	stream stream
	name   configfiles.Name
	as     configfiles.Form
}

// find looks for t's file. A panic is an error: one request must not end the
// process.
func (f *front) find(t *transfer) (a found, err error) {
	err = recovering(func() error {
		name, err := configfiles.ParseName(t.request.name)
		if err != nil {
			return err
		}
		a.name = name
		file, err := t.gen.Files.Open(f.cut, configfiles.Request{
			Name: name,
			From: configfiles.Requester{Transport: configfiles.TFTP, Addr: t.id.peer},
		})
		if err != nil {
			return err
		}
		a.as = file.As
		a.stream, err = newStream(file)
		return err
	})
	return a, err
}

// recovering returns a panic of f as its error.
func recovering(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
