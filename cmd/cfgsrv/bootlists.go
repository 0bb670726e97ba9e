// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"cfgsrv/trustlist"
)

// fetchLists gets the CTL and the ITL. That they are missing is normal.
func (b *boot) fetchLists(ctx context.Context) {
	open := b.transports("http", "tftp")
	ctl := b.ask(ctx, "CTL"+string(b.device)+".tlv", open...)
	b.takeList(ctl, trustlist.CTL, "the cluster is not in mixed mode")
	if !b.report.Up {
		return
	}
	itl := b.ask(ctx, "ITL"+string(b.device)+".tlv", open...)
	if itl.missing() {
		b.report.note(itl, "the phone asks for the general one")
		itl = b.ask(ctx, trustlist.ITL.FileName(), open...)
	}
	b.takeList(itl, trustlist.ITL, "the phone takes unsigned files")
}

// takeList verifies a list as a phone does, and keeps it.
func (b *boot) takeList(a answer, k trustlist.Kind, ifMissing string) {
	switch {
	case a.missing():
		b.report.note(a, "%s", ifMissing)
		return
	case a.err != nil:
		b.report.fail(a, "%v", a.err)
		return
	}
	list, err := b.verifyList(a.body, k)
	if err != nil {
		b.report.fail(a, "the phone takes no such list: %v", err)
		return
	}
	b.lists = append(b.lists, list)
	verdict := fmt.Sprintf("verified, signed by %s", list.SignedBy().Name)
	if len(fileSigners(list)) == 0 {
		verdict += "; it names no server: the phone takes unsigned files, and any list that comes next"
	}
	if newerSigner(list) {
		verdict += "; signer version 1.1: HTTPS first"
	}
	b.report.pass(a, "%s", verdict)
}

func (b *boot) verifyList(data []byte, k trustlist.Kind) (*trustlist.List, error) {
	list, err := trustlist.Parse(data)
	if err != nil {
		return nil, err
	}
	if list.FileName() != k.FileName() {
		return nil, fmt.Errorf("it calls itself %q, not %q", list.FileName(), k.FileName())
	}
	if err := list.Verify(); err != nil {
		return nil, err
	}
	for _, l := range b.lists { // the CTL authenticates the ITL
		if _, ok := l.Find(list.SignedBy(), trustlist.SAST); !ok {
			return nil, fmt.Errorf("it is signed by %s, whom the %s does not name as SAST", list.SignedBy(), l.Kind())
		}
	}
	return list, nil
}

// newerSigner says whether the list makes phones use HTTPS.
func newerSigner(l *trustlist.List) bool { return l.SignerVersion().Minor >= 1 }

// suffix is .sgn once a list names who signs files.
func (b *boot) suffix() string {
	for _, l := range b.lists {
		if len(fileSigners(l)) > 0 {
			return ".sgn"
		}
	}
	return ""
}
