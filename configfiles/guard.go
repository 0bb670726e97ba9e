// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"errors"
	"io/fs"

	"cfgsrv/device"
)

// Devices tells what is known about devices.
type Devices interface {
	// Certificate returns the certificate known for a device, if any.
	Certificate(device.Name) (device.Certificate, bool)
	// Pending says whether the device is to enrol a certificate.
	Pending(device.Name) bool
}

// Guard is the Source that decides who gets which bytes: the table of DESIGN 4.
// It may be used by many goroutines at once and is not to be changed after its
// first use.
type Guard struct {
	// Directory is files/; required.
	Directory *Directory
	// Devices tells about certificates and enrolments; nil: there are none.
	Devices Devices
	// Next makes what does not lie in files/: it is asked for the forms Signed,
	// Encrypted and Short of the file at Request.Path, which is Request.Base if
	// that is set, and for trust lists. Nil makes nothing.
	Next Source
}

// Open answers req by the table. It looks at req.Name and req.From alone.
func (g *Guard) Open(ctx context.Context, req Request) (*File, error) {
	for {
		f, err := g.judge(ctx, req)
		if !errors.Is(err, errReplaced) {
			return f, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

func (g *Guard) judge(ctx context.Context, req Request) (*File, error) {
	j := &judgement{guard: g, view: g.Directory.view(), req: req}
	if req.Name.List != NoList {
		return j.trustList(ctx)
	}
	j.base, j.missing = j.openBase(ctx)
	if j.missing != nil && !errors.Is(j.missing, fs.ErrNotExist) {
		return nil, j.missing
	}
	defer j.base.close()
	j.owner = ownerOf(req.Name, j.base.path)
	return j.answer(ctx, table[j.protection(ctx)][req.Name.Form][j.column()])
}
