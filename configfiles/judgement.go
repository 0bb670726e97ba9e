// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"errors"
	"io/fs"

	"cfgsrv/device"
)

// errReplaced says that the file judged is no longer the one in its place.
var errReplaced = errors.New("replaced while it was judged")

// judgement is one request before the guard.
type judgement struct {
	guard   *Guard
	view    view
	req     Request
	owner   device.Name // empty for an ordinary file
	base    handle      // the unsigned file, judged and served as the same open file
	missing error       // why there is no base
	wished  bool        // the owner wishes encryption
}

// openBase opens the unsigned file. Those of devices are looked up in a settled
// view, where all that is judged of them is looked up too.
func (j *judgement) openBase(ctx context.Context) (handle, error) {
	name := j.req.Name
	if name.Device == "" {
		if h, ok := j.view.recall(name.Base); ok {
			return h, nil
		}
	}
	return j.view.open(ctx, name.Base)
}

func (j *judgement) column() column {
	switch from := j.req.From; {
	case from.Transport != HTTPS:
		return inTheClear
	case j.owner != "" && from.Device == j.owner:
		return proved
	default:
		return unproved
	}
}

func (j *judgement) protection(ctx context.Context) protection {
	j.wished = j.owner != "" && j.wish(ctx)
	if !j.wished {
		return unprotected
	}
	devices := j.guard.Devices
	if devices == nil {
		return forNobody
	}
	known, _ := devices.Certificate(j.owner)
	switch {
	case known.Kind == device.NoCertificate:
		return forNobody
	case known.Kind == device.RSA:
		return forKey
	case devices.Pending(j.owner):
		return forEnrolment
	default:
		return forPresenter
	}
}

// wish says whether the owner's master, or one of several, wants encryption.
// The base counts too where it looks like a master. What cannot be read counts
// as true.
func (j *judgement) wish(ctx context.Context) bool {
	master := j.owner.Master()
	if j.req.Name.Base == master && j.nobodyBearsBase() {
		return false
	}
	if j.base.exists() {
		if device.IsMaster(j.base.path) && j.wishIn(ctx, &j.base, nil) {
			return true
		}
		if j.req.Name.Base == master {
			return false // the base is what the master's name leads to
		}
	}
	for h, err := range j.view.bearers(ctx, master) {
		wish := h.path != j.base.path && j.wishIn(ctx, &h, err)
		h.close()
		if wish {
			return true
		}
	}
	return false
}

// nobodyBearsBase says whether there was no file at all where the base was looked
// for. That is the bare error alone: whatever else is missing, be it a name that
// two bear, may hide a wish.
func (j *judgement) nobodyBearsBase() bool { return j.missing == fs.ErrNotExist }

func (j *judgement) wishIn(ctx context.Context, master *handle, err error) bool {
	wish := true
	if err == nil {
		wish, err = j.guard.Directory.wishes.of(master)
	}
	if err != nil {
		j.guard.Directory.log.WarnContext(ctx, "master counts as encrConfig true", "device", j.owner, "err", err)
	}
	return wish
}

// ownerOf is the device whose file it is, by the name asked for or else by the
// place where it was found: dump.xml may lie in a folder SEP001122334455.
func ownerOf(n Name, path string) device.Name {
	if n.Device != "" {
		return n.Device
	}
	owner, _ := device.Find(path)
	return owner
}

func (j *judgement) answer(ctx context.Context, v verdict) (*File, error) {
	switch v {
	case file:
		return j.unsigned()
	case fileOrMade:
		if j.missing == nil {
			return j.unsigned()
		}
		return j.made(ctx)
	case made:
		return j.made(ctx)
	case signed:
		return j.madeOr(ctx, Signed)
	case encrypted:
		return j.madeOr(ctx, Encrypted)
	case shortForm:
		return j.short(ctx)
	case closed:
		if j.missing != nil {
			return nil, j.missing
		}
		return nil, j.refusal("this device's files are not given out unencrypted")
	default: // refused
		return nil, j.refusal(j.present())
	}
}

func (j *judgement) unsigned() (*File, error) {
	if j.missing != nil {
		return nil, j.missing
	}
	j.base.load()
	if j.owner != "" && !j.wished && !j.inPlace(&j.base) {
		return nil, errReplaced
	}
	return j.base.take(), nil
}

// made is what lies under the very name asked for, suffix and all.
func (j *judgement) made(ctx context.Context) (*File, error) {
	h, err := j.view.openUnlikely(ctx, j.req.Name.Asked)
	if err != nil {
		return nil, err
	}
	defer h.close()
	h.load()
	// It was not open yet when the wish was read, and it may have turned up in
	// the folder of a device that base said nothing of.
	if owner := ownerOf(j.req.Name, h.path); owner != "" && !j.wished {
		again := judgement{guard: j.guard, view: view{tree: j.view.tree, settled: true}, req: j.req, owner: owner}
		wished := again.wish(ctx)
		if wished && owner != j.owner {
			return nil, &NotFoundError{Reason: h.path + " belongs to a protected device"}
		}
		if wished || !j.inPlace(&h) {
			return nil, errReplaced
		}
	}
	return h.take(), nil
}

func (j *judgement) madeOr(ctx context.Context, as Form) (*File, error) {
	if f, err := j.made(ctx); !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if j.missing != nil {
		return nil, j.missing
	}
	f, err := j.next(ctx, as, &j.base)
	if err == nil && j.owner != "" && !j.inPlace(&j.base) {
		f.Content.Close()
		return nil, errReplaced
	}
	return f, err
}

// inPlace says whether a file that was opened before the wish was read has not
// been replaced or written to since: then it is the one the wish is about. What
// was loaded before is then what lay there.
func (j *judgement) inPlace(h *handle) bool {
	info, err := j.view.tree.root.Stat(h.path)
	return err == nil && stampOf(info) == h.stamp
}

func (j *judgement) short(ctx context.Context) (*File, error) {
	if j.missing != nil {
		return nil, j.missing
	}
	master := j.owner.Master()
	if j.req.Name.Base == master {
		return j.next(ctx, Short, &j.base)
	}
	h, err := j.view.open(ctx, master)
	if err != nil {
		return nil, err
	}
	defer h.close()
	return j.next(ctx, Short, &h)
}

// trustList answers with the list that was put into files/ under this name, in
// no folder: a list in a folder of back-ups must not take the place of ours.
func (j *judgement) trustList(ctx context.Context) (*File, error) {
	h, err := j.view.openSpelled(ctx, j.req.Name.Asked)
	if err == nil {
		return h.take(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) || j.req.Name.Form != TrustList {
		return nil, err
	}
	return j.next(ctx, TrustList, &handle{})
}

// next asks for a form that is made of a file, which stays the caller's.
func (j *judgement) next(ctx context.Context, as Form, from *handle) (*File, error) {
	if j.guard.Next == nil {
		return nil, fs.ErrNotExist
	}
	req := j.req
	req.As, req.Path = as, from.path
	if from.load(); from.inMemory() {
		req.Base = from.take()
	}
	if as != TrustList {
		req.Name.Device = j.owner
	}
	return j.guard.Next.Open(ctx, req)
}

func (j *judgement) present() string {
	if j.column() == inTheClear {
		return "this device must present its LSC over HTTPS"
	}
	return "this device must present its LSC"
}

// refusal is the reason, and what was wrong with the certificate presented.
func (j *judgement) refusal(reason string) error {
	switch from := j.req.From; {
	case from.Unproved != "":
		reason += "; " + from.Unproved
	case from.Device != "":
		reason += "; the certificate presented is that of " + string(from.Device)
	}
	return &DeniedError{Reason: reason}
}
