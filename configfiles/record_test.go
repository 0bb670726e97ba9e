// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cfgsrv/configfiles"
)

func TestRecord(t *testing.T) {
	base := configfiles.Record{
		Listener: "phones", Remote: netip.MustParseAddrPort("192.0.2.1:5000"), File: "Ringlist.xml",
		Bytes: 5, Took: time.Millisecond, Gen: 7,
	}
	with := func(change func(*configfiles.Record)) configfiles.Record {
		r := base
		change(&r)
		return r
	}
	const head = "msg=request listener=phones remote=192.0.2.1:5000 "
	for _, c := range []struct {
		name   string
		record configfiles.Record
		want   string
	}{
		{"served", with(func(r *configfiles.Record) {
			r.Device, r.As, r.Outcome = open, configfiles.Signed, configfiles.Served
			r.TLS = &configfiles.TLSRecord{Version: "1.3", Cipher: "TLS_AES_128_GCM_SHA256", Cert: "tomcat", Client: "CN=x"}
		}), "level=INFO " + head + "device=" + string(open) + " file=Ringlist.xml as=signed outcome=served bytes=5 took=1ms gen=7 " +
			"tls=1.3 cipher=TLS_AES_128_GCM_SHA256 cert=tomcat client=\"CN=x\""},
		{"aborted", with(func(r *configfiles.Record) { r.As, r.Outcome = configfiles.TrustList, configfiles.Aborted }),
			"level=INFO " + head + "file=Ringlist.xml as=trustlist outcome=aborted bytes=5 took=1ms gen=7"},
		{"refused", with(func(r *configfiles.Record) {
			r.Outcome, r.Reason, r.TLS = configfiles.Refused, "no", &configfiles.TLSRecord{Version: "1.2"}
		}), "level=INFO " + head + "file=Ringlist.xml outcome=refused reason=no bytes=5 took=1ms gen=7 tls=1.2 cipher=\"\" cert=\"\""},
		{"busy", with(func(r *configfiles.Record) { r.Outcome = configfiles.Busy }),
			"level=WARN " + head + "file=Ringlist.xml outcome=busy bytes=5 took=1ms gen=7"},
		{"error", with(func(r *configfiles.Record) { r.Outcome, r.Err = configfiles.Failed, errors.New("disk") }),
			"level=ERROR " + head + "file=Ringlist.xml outcome=error bytes=5 took=1ms gen=7 err=disk"},
		{"not found, not logged", with(func(r *configfiles.Record) { r.Outcome = configfiles.NotFound }), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}
			if c.want == "" {
				options.Level = slog.LevelError
			}
			c.record.Log(t.Context(), slog.New(slog.NewTextHandler(&out, options)))
			if got := strings.TrimSpace(out.String()); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
