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
	"cfgsrv/signedfile"
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

const (
	maxPhoneConfig = 2 << 20  // bytes of a configuration that phones take
	maxPhoneFile   = 16 << 20 // bytes of any other file but firmware; no phone has more room
)

// getBoot plays the phone and prints how it went.
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
	return p.printBoot(b.report, asJSON)
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

// limitedBuffer takes what a phone takes.
type limitedBuffer struct{ bytes.Buffer }

func (l *limitedBuffer) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxPhoneFile {
		return 0, fmt.Errorf("the file is larger than the %d bytes that phones take", maxPhoneFile)
	}
	return l.Buffer.Write(p)
}

// ReadFrom is not the Buffer's, which has no limit.
func (l *limitedBuffer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{l}, r)
}

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

// fetchConfiguration gets the configuration, in as many steps as its forms
// demand; nil if the phone does not come up.
func (b *boot) fetchConfiguration(ctx context.Context) *phoneConfig {
	ways := b.transports("http", "tftp")
	if slices.ContainsFunc(b.lists, newerSigner) {
		ways = b.transports("phones", "http", "tftp")
	}
	master := b.device.Master()
	a := b.ask(ctx, master+b.suffix(), ways...)
	whose := ""
	if a.missing() {
		b.report.note(a, "missing: the phone asks for the default")
		a = b.ask(ctx, "XMLDefault.cnf.xml"+b.suffix(), ways...)
		whose = "; the default, which registers phones that nobody has set up"
	}
	c, verdict, err := b.readConfiguration(a, nil)
	switch {
	case err != nil:
		b.report.fail(a, "%v", err)
		return nil
	case !c.short():
		b.report.pass(a, "%s%s", verdict, whose)
		return c
	}
	if err := b.checkHash(c); err != nil {
		b.report.fail(a, "%s; short form: %v", verdict, err)
		return nil
	}
	b.report.pass(a, "%s; short form for this certificate: the phone fetches the encrypted one", verdict)
	return b.fetchEncrypted(ctx, master+".enc.sgn", ways)
}

// checkHash says why a phone does not fetch its encrypted configuration after
// the short form (FORMATS 4.4).
func (b *boot) checkHash(c *phoneConfig) error {
	hash := strings.TrimSpace(c.CertHash)
	if b.hash != "" && hash == b.hash {
		return nil
	}
	why := "it is for another certificate than the phone's"
	switch {
	case b.hash == "":
		why = "the phone has no certificate (--cert)"
	case hash == "":
		why = "it is for no certificate"
	}
	at := c.capf()
	if at == "" {
		return fmt.Errorf("%s, and it names no CAPF server to enrol at", why)
	}
	if strings.TrimSpace(c.CAPFAuthMode) == "1" {
		return fmt.Errorf("%s; it enrols at %s by CAPF once the user has typed the string there", why, at)
	}
	return fmt.Errorf("%s; it enrols at %s by CAPF and starts over", why, at)
}

func (b *boot) fetchEncrypted(ctx context.Context, name string, ways []string) *phoneConfig {
	a := b.ask(ctx, name, ways...)
	c, verdict, err := b.readConfiguration(a, b.key)
	if err == nil && c.short() {
		err = errors.New("it is the short form again")
	}
	if err != nil {
		b.report.fail(a, "%v", err)
		return nil
	}
	b.report.pass(a, "%s", verdict)
	return c
}

// readConfiguration verifies, decrypts and reads a configuration.
func (b *boot) readConfiguration(a answer, key crypto.Decrypter) (*phoneConfig, string, error) {
	content, verdict, err := b.open(a, key)
	if err != nil {
		return nil, "", err
	}
	if len(content) > maxPhoneConfig {
		return nil, "", fmt.Errorf("it has %d bytes, and phones take %d", len(content), maxPhoneConfig)
	}
	c, err := parsePhoneConfig(content)
	return c, verdict, err
}

// open gives what is in an answer, and how far it was verified.
func (b *boot) open(a answer, key crypto.Decrypter) (content []byte, verdict string, err error) {
	if a.err != nil {
		return nil, "", a.err
	}
	f, err := signedfile.Parse(a.body)
	switch {
	case !strings.HasSuffix(a.name, ".sgn"):
		return a.body, "taken as it is", nil
	case b.overTLS(a.by) && err == nil && !f.Encrypted():
		return nil, "", errors.New("it is signed, and over HTTPS phones want the plain file")
	case b.overTLS(a.by) && err != nil:
		return a.body, "plain, as phones want it over HTTPS", nil
	case err != nil:
		return nil, "", fmt.Errorf("the phone takes no unsigned file: %w", err)
	}
	signer, err := b.verify(a.name, f)
	if err != nil {
		return nil, "", err
	}
	verdict = "verified, signed by " + signer
	if !f.Encrypted() {
		return f.Body, verdict, nil
	}
	if key == nil {
		return nil, "", errors.New("it is encrypted, and the phone's key (--key) is not RSA")
	}
	if content, err = f.Decrypt(key); err != nil {
		return nil, "", fmt.Errorf("the phone cannot decrypt it and enrols by CAPF: %w", err)
	}
	return content, verdict + ", decrypted", nil
}

// overTLS says whether a transport is HTTPS.
func (b *boot) overTLS(transport string) bool { return transport == "phones" || transport == "jabber" }

// verify checks a signed file as a phone does, and names its signer.
func (b *boot) verify(name string, f *signedfile.File) (string, error) {
	if err := f.CheckName(name); err != nil {
		return "", err
	}
	for _, l := range b.lists {
		r, ok := l.Find(f.SignedBy(), fileRoles...)
		if !ok {
			continue
		}
		cert, err := r.Certificate()
		if err != nil {
			return "", err
		}
		if _, err := f.Verify(cert); err != nil {
			return "", err
		}
		return r.Subject(), nil
	}
	return "", fmt.Errorf("it is signed by %s, whom no list names with the role TFTP", f.SignedBy())
}

// fetchNamed gets what the configuration names. Nothing of it keeps the phone
// from coming up.
func (b *boot) fetchNamed(ctx context.Context, c *phoneConfig) {
	if load := strings.TrimSpace(c.LoadInformation); load != "" {
		b.fetchFirmware(ctx, load+".loads")
	}
	if strings.TrimSpace(c.UserLocale) != "" {
		b.fetchOneOf(ctx, "the language built in", c.jars()...)
	}
	if locale := c.locale(); locale != "" {
		b.fetchOneOf(ctx, "the tones built in", locale+"/g3-tones.xml", locale+"/g4-tones.xml")
	}
	for _, name := range []string{c.DialTemplate, c.SoftKeyFile, c.FeaturePolicyFile, c.rings()} {
		if name = strings.TrimSpace(name); name != "" {
			b.fetchOneOf(ctx, "what is built in", name)
		}
	}
}

// fetchOneOf gets the first file that there is, signed if a list says so. What
// the phone uses without any of them is fallback.
func (b *boot) fetchOneOf(ctx context.Context, fallback string, names ...string) {
	var a answer
	for _, name := range names {
		if a = b.ask(ctx, name+b.suffix(), b.transports("http", "tftp")...); !a.missing() {
			break
		}
	}
	which := ""
	if len(names) > 1 {
		which = "; its name depends on the model"
	}
	if a.missing() {
		a.name = names[0] + b.suffix()
		b.report.note(a, "missing: the phone uses %s%s", fallback, which)
		return
	}
	_, verdict, err := b.open(a, nil)
	if err != nil {
		b.report.note(a, "%v; the phone uses %s", err, fallback)
		return
	}
	b.report.pass(a, "%s%s", verdict, which)
}

// fetchFirmware gets a load and its parts, which Cisco has signed.
func (b *boot) fetchFirmware(ctx context.Context, loads string) {
	a := b.ask(ctx, loads, b.transports("http", "tftp")...)
	if a.err != nil {
		b.report.note(a, "%s; the phone keeps the load that it runs", a.err)
		return
	}
	parts := firmwareParts(a.body)
	b.report.pass(a, "names %d files", len(parts))
	for _, name := range parts {
		var size counter
		part := answer{name: name, by: a.by}
		part.err = b.fetchers[part.by].get(ctx, name, &size)
		part.size = int64(size)
		if part.err != nil {
			b.report.note(part, "%s; the phone keeps the load that it runs", part.err)
			continue
		}
		b.report.pass(part, "complete")
	}
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
