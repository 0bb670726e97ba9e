// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/fips140"
	"crypto/md5"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"cfgsrv/device"
	"cfgsrv/trustlist"
)

// boot is a phone that starts, holding no trust list yet: the order of
// FORMATS 1.2, the names of 1.4, and the choices of 4.4.
type boot struct {
	report   *bootReport
	options  getOptions
	device   device.Name
	hash     string           // the certHash of its certificate; empty if it has none
	key      crypto.Decrypter // nil if it has no RSA key
	fetchers map[string]*fetcher
	lists    []*trustlist.List // those it has accepted: the CTL, the ITL
}

// fileRoles are the roles of those who sign files, and of servers of files.
var fileRoles = []trustlist.Role{trustlist.TFTP, trustlist.CCMTFTP}

// maxPhoneFile is how much of a file is held, in bytes; only firmware is larger.
const maxPhoneFile = 16 << 20

// getBoot plays the phone and prints how it went. A phone that does not come up
// is a failure.
func (p *program) getBoot(ctx context.Context, o getOptions, asJSON bool) error {
	b, err := newBoot(o)
	if err != nil {
		return err
	}
	defer b.close()
	b.run(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.printListing(b.report, b.report.text(), b.report.Up, asJSON)
}

func newBoot(o getOptions) (*boot, error) {
	name, ok := device.Parse(o.device)
	if !ok || !strings.HasPrefix(string(name), "SEP") && !strings.HasPrefix(string(name), "ATA") {
		return nil, usagef("--boot needs --device, such as SEP001122334455")
	}
	b := &boot{device: name, options: o, fetchers: map[string]*fetcher{}, report: &bootReport{Device: name, Server: o.server, Up: true}}
	o.verify = b.judgeServer
	for _, t := range b.transports("phones", "http", "tftp") {
		o.transport = t
		f, err := newFetcher(o)
		if err != nil {
			b.close()
			return nil, err
		}
		b.fetchers[t] = f
	}
	if err := b.identify(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// identify gives the phone the certificate that was named for it, if any.
func (b *boot) identify() error {
	if b.options.cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(b.options.cert, b.options.key)
	if err != nil {
		return fmt.Errorf("loading the phone's certificate: %w", err)
	}
	b.hash = certHash(pair.Leaf)
	if key, ok := pair.PrivateKey.(*rsa.PrivateKey); ok {
		b.key = key
	}
	return nil
}

func (b *boot) close() {
	for _, f := range b.fetchers {
		f.close()
	}
}

// certHash is how a configuration names a phone's certificate (FORMATS 5).
func certHash(c *x509.Certificate) string {
	var sum [md5.Size]byte
	fips140.WithoutEnforcement(func() { sum = md5.Sum(c.Raw) })
	return hex.EncodeToString(sum[:])
}

// transports are the wanted ones, in that order, or the one that was given: to
// a port of its own, or by its name.
func (b *boot) transports(wanted ...string) []string {
	if _, _, err := net.SplitHostPort(b.options.server); err == nil || b.options.fixed {
		return []string{b.options.transport}
	}
	return wanted
}

func (b *boot) run(ctx context.Context) {
	if b.fetchLists(ctx); !b.report.Up {
		return
	}
	if c := b.fetchConfiguration(ctx); c != nil {
		b.fetchNamed(ctx, c)
	}
}

// judgeServer accepts a server on 6971 as phones do: by a key of an elliptic
// curve that a list names for TFTP. One without a list accepts any.
func (b *boot) judgeServer(c *x509.Certificate) error {
	if len(b.lists) == 0 {
		return nil
	}
	if _, ec := c.PublicKey.(*ecdsa.PublicKey); !ec {
		return errors.New("the phone refuses the server: its key is not ECDSA")
	}
	for _, l := range b.lists {
		for _, r := range l.Records() {
			if slices.Contains(fileRoles, r.Role()) && bytes.Equal(r.DER(), c.Raw) {
				return nil
			}
		}
	}
	return fmt.Errorf("the phone refuses the server: its certificate %s is in no list with the role TFTP", c.Subject)
}

// answer is what came of asking for a file.
type answer struct {
	name string
	by   string // the transport that gave it
	body []byte
	size int64
	err  error // why there is no body
}

func (a *answer) missing() bool {
	refused, ok := errors.AsType[*answerError](a.err)
	return ok && refused.missing
}

// ask asks for a file over each of the transports until one gives it, or knows
// that there is none. That one fails is a step of its own if another is left.
func (b *boot) ask(ctx context.Context, name string, transports ...string) answer {
	var a answer
	for i, t := range transports {
		if i > 0 {
			b.report.note(a, "%s; the phone goes on with %s", a.err, t)
		}
		var body limitedBuffer
		err := b.fetchers[t].get(ctx, name, &body)
		a = answer{name: name, by: t, body: body.Bytes(), size: int64(body.Len()), err: err}
		if err == nil || a.missing() {
			break
		}
	}
	return a
}

// limitedBuffer takes up to maxPhoneFile.
type limitedBuffer struct{ bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxPhoneFile {
		return 0, fmt.Errorf("the file is larger than %d bytes", maxPhoneFile)
	}
	return l.Buffer.Write(p)
}

// ReadFrom is not the Buffer's, which has no limit.
func (l *limitedBuffer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{l}, r)
}
