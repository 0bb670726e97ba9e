// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
)

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
