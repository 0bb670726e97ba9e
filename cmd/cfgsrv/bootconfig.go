// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cfgsrv/signedfile"
)

// maxPhoneConfig is what phones take of a configuration, in bytes.
const maxPhoneConfig = 2 << 20

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
