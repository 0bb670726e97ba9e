// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"cfgsrv/entropy"
)

// settings is cfgsrv.toml (DESIGN 3) with the defaults filled in and the
// command line laid over it. It is never modified once loaded.
type settings struct {
	Files    string           `toml:"files"`
	Certs    string           `toml:"certs"`
	Listen   listenSettings   `toml:"listen"`
	Log      logSettings      `toml:"log"`
	Cluster  clusterSettings  `toml:"cluster"`
	TFTP     tftpSettings     `toml:"tftp"`
	HTTPS    httpsSettings    `toml:"https"`
	TLS      tlsSettings      `toml:"tls"`
	CAPF     capfSettings     `toml:"capf"`
	TVS      tvsSettings      `toml:"tvs"`
	Entropy  entropySettings  `toml:"entropy"`
	Status   statusSettings   `toml:"status"`
	Security securitySettings `toml:"security"`

	// explicitMode says that the file settles the security mode, so that no
	// command can.
	explicitMode bool
	cluster      clusterState
}

type listenSettings struct {
	TFTP   string `toml:"tftp"`
	HTTP   string `toml:"http"`
	Phones string `toml:"phones"`
	Jabber string `toml:"jabber"`
	CAPF   string `toml:"capf"`
	TVS    string `toml:"tvs"`
	Status string `toml:"status"`
}

type logSettings struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

type clusterSettings struct {
	Host                   string `toml:"host"`
	SecurityMode           string `toml:"security_mode"`
	ITLSignerVersion       string `toml:"itl_signer_version"`
	FileSignatureAlgorithm string `toml:"file_signature_algorithm"`
}

type tftpSettings struct {
	MaxTransfers  int  `toml:"max_transfers"`
	MaxPerAddress int  `toml:"max_per_address"`
	BlockSize     int  `toml:"block_size"`
	SinglePort    bool `toml:"single_port"`
}

type httpsSettings struct {
	MaxConnections int `toml:"max_connections"`
	MaxPerAddress  int `toml:"max_per_address"`
}

type tlsSettings struct {
	MinVersion                 string `toml:"min_version"`
	HTTPSCiphers               string `toml:"https_ciphers"`
	TLSCiphers                 string `toml:"tls_ciphers"`
	TLS13CertificatePreference string `toml:"tls13_certificate_preference"`

	Phones tlsListenerSettings `toml:"phones"`
	Jabber tlsListenerSettings `toml:"jabber"`
}

// tlsListenerSettings are for one listener what tlsSettings are for both;
// empty is the same.
type tlsListenerSettings struct {
	HTTPSCiphers string `toml:"https_ciphers"`
}

type capfSettings struct {
	KeyOrder       string `toml:"key_order"`
	RSAKeySize     int    `toml:"rsa_key_size"`
	ECKeySize      int    `toml:"ec_key_size"`
	ValidityDays   int    `toml:"validity_days"`
	TLSMinVersion  string `toml:"tls_min_version"`
	AllowSmallKeys bool   `toml:"allow_small_keys"`
}

type tvsSettings struct {
	TTL           duration `toml:"ttl"`
	TLSMinVersion string   `toml:"tls_min_version"`
}

type entropySettings struct {
	Source         string   `toml:"source"`
	Interval       duration `toml:"interval"`
	MinEntropyBits float64  `toml:"min_entropy_bits"`
}

type statusSettings struct {
	TokenFile string `toml:"token_file"`
}

type securitySettings struct {
	FIPS                   bool `toml:"fips"`
	FIPSAllowLegacyFormats bool `toml:"fips_allow_legacy_formats"`
	Sandbox                bool `toml:"sandbox"`
}

// duration is a time.Duration written as Go writes it: "24h", "10s".
type duration time.Duration

// UnmarshalText reads a positive duration.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is no duration; write one such as \"10s\" or \"24h\"", b)
	}
	*d = duration(v)
	return nil
}

// The values of the settings that are one of a few words.
var (
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"text", "json"}
)

// The values of cluster.security_mode.
const (
	modeNonSecure = "non-secure"
	modeMixed     = "mixed"
)

// defaultSettings are those of DESIGN 3.
func defaultSettings() settings {
	return settings{
		Listen: listenSettings{
			TFTP: ":69", HTTP: ":6970", Phones: ":6971", Jabber: ":6972",
			CAPF: ":3804", TVS: ":2445", Status: "127.0.0.1:6980",
		},
		Log: logSettings{Level: "info"},
		Cluster: clusterSettings{
			ITLSignerVersion: "1.1", FileSignatureAlgorithm: "SHA-1",
		},
		TFTP:  tftpSettings{MaxTransfers: 4000, MaxPerAddress: 1000, BlockSize: 1428},
		HTTPS: httpsSettings{MaxConnections: 8192, MaxPerAddress: 1024},
		TLS: tlsSettings{
			MinVersion:                 "1.2",
			HTTPSCiphers:               "All Supported EC and RSA Ciphers",
			TLSCiphers:                 "All Ciphers, RSA Preferred",
			TLS13CertificatePreference: preferOurOrder,
		},
		CAPF: capfSettings{
			KeyOrder: "EC Preferred, RSA Backup", RSAKeySize: 2048, ECKeySize: 384,
			ValidityDays: 1825, TLSMinVersion: "1.2",
		},
		TVS:      tvsSettings{TTL: duration(24 * time.Hour), TLSMinVersion: "1.2"},
		Entropy:  entropySettings{Interval: duration(10 * time.Second)},
		Security: securitySettings{Sandbox: true},
	}
}

// readSettings reads the settings file over the defaults. A file that does not
// exist is an empty one. Every fault of the file is one error of the returned
// list, with line and column where there is one.
func readSettings(path string) (settings, []error) {
	s := defaultSettings()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, []error{fmt.Errorf("reading the settings: %w", err)}
	}
	dec := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, settingsErrors(path, err)
	}
	return s, nil
}

// settingsErrors makes one line of each fault that the decoder found.
func settingsErrors(path string, err error) []error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var all []error
		for i := range strict.Errors {
			e := &strict.Errors[i]
			row, col := e.Position()
			all = append(all, fmt.Errorf("%s:%d:%d: unknown key %s; see the README for the keys", path, row, col, strings.Join(e.Key(), ".")))
		}
		return all
	}
	var one *toml.DecodeError
	if errors.As(err, &one) {
		row, col := one.Position()
		return []error{fmt.Errorf("%s:%d:%d: %s", path, row, col, strings.TrimPrefix(one.Error(), "toml: "))}
	}
	return []error{fmt.Errorf("%s: %w", path, err)}
}

// check returns every value that is not allowed, each with what is.
func (s *settings) check() []error {
	var faults []error
	fault := func(key, format string, a ...any) {
		faults = append(faults, fmt.Errorf("setting %s: %s", key, fmt.Sprintf(format, a...)))
	}
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			fault(key, "%q is not allowed; choose one of %s", value, quoteAll(allowed))
		}
	}
	within := func(key string, value, low, high int) {
		if value < low || value > high {
			fault(key, "%d is not between %d and %d", value, low, high)
		}
	}
	for _, l := range s.Listen.all() {
		if err := checkListenAddress(l.addr); err != nil {
			fault("listen."+l.name, "%v", err)
		}
	}
	oneOf("log.level", s.Log.Level, logLevels...)
	if s.Log.Format != "" {
		oneOf("log.format", s.Log.Format, logFormats...)
	}
	oneOf("cluster.security_mode", s.Cluster.SecurityMode, modeNonSecure, modeMixed)
	if time.Duration(s.Entropy.Interval) < time.Second {
		fault("entropy.interval", "%s is shorter than 1s", time.Duration(s.Entropy.Interval))
	}
	oneOf("cluster.itl_signer_version", s.Cluster.ITLSignerVersion, "1.0", "1.1")
	oneOf("cluster.file_signature_algorithm", s.Cluster.FileSignatureAlgorithm, "SHA-1", "SHA-512")
	within("tftp.max_transfers", s.TFTP.MaxTransfers, 1, 1<<20)
	within("tftp.max_per_address", s.TFTP.MaxPerAddress, 1, 1<<20)
	within("tftp.block_size", s.TFTP.BlockSize, 512, 65464)
	within("https.max_connections", s.HTTPS.MaxConnections, 1, 1<<20)
	within("https.max_per_address", s.HTTPS.MaxPerAddress, 1, 1<<20)
	oneOf("tls.min_version", s.TLS.MinVersion, "1.2", "1.3")
	oneOf("tls.https_ciphers", s.TLS.HTTPSCiphers, httpsCipherChoices()...)
	if v := s.TLS.Phones.HTTPSCiphers; v != "" {
		oneOf("tls.phones.https_ciphers", v, httpsCipherChoices()...)
	}
	if v := s.TLS.Jabber.HTTPSCiphers; v != "" {
		oneOf("tls.jabber.https_ciphers", v, httpsCipherChoices()...)
	}
	oneOf("tls.tls_ciphers", s.TLS.TLSCiphers, tlsCipherChoices()...)
	oneOf("tls.tls13_certificate_preference", s.TLS.TLS13CertificatePreference,
		preferOurOrder, preferClientOrder)
	oneOf("capf.key_order", s.CAPF.KeyOrder, "RSA Only", "EC Only", "EC Preferred, RSA Backup")
	s.checkCAPFKeySizes(fault)
	within("capf.validity_days", s.CAPF.ValidityDays, 1, 7300)
	oneOf("capf.tls_min_version", s.CAPF.TLSMinVersion, "1.0", "1.1", "1.2", "1.3")
	oneOf("tvs.tls_min_version", s.TVS.TLSMinVersion, "1.0", "1.1", "1.2", "1.3")
	if s.Entropy.MinEntropyBits < 0 || s.Entropy.MinEntropyBits > 8 {
		fault("entropy.min_entropy_bits", "%g is not between 0 and 8", s.Entropy.MinEntropyBits)
	}
	if _, err := entropy.Sources(s.Entropy.Source); err != nil {
		fault("entropy.source", "%v", err)
	}
	s.checkFIPS(fault)
	return faults
}

func (s *settings) checkCAPFKeySizes(fault func(key, format string, a ...any)) {
	sizes := []int{2048, 3072, 4096}
	if s.CAPF.AllowSmallKeys {
		sizes = append([]int{512, 1024}, sizes...)
	}
	if !slices.Contains(sizes, s.CAPF.RSAKeySize) {
		hint := ""
		if s.CAPF.RSAKeySize == 512 || s.CAPF.RSAKeySize == 1024 {
			hint = "; 512 and 1024 need capf.allow_small_keys = true"
		}
		fault("capf.rsa_key_size", "%d is not allowed; choose one of %v%s", s.CAPF.RSAKeySize, sizes, hint)
	}
	if ec := []int{256, 384, 521}; !slices.Contains(ec, s.CAPF.ECKeySize) {
		fault("capf.ec_key_size", "%d is not allowed; choose one of %v", s.CAPF.ECKeySize, ec)
	}
}

func quoteAll(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = strconv.Quote(w)
	}
	return strings.Join(q, ", ")
}

// off is the address of a listener that is not wanted.
const off = "off"

type listenAddress struct{ name, addr string }

// all lists the listeners in the order of DESIGN 1.
func (l listenSettings) all() []listenAddress {
	return []listenAddress{
		{"tftp", l.TFTP}, {"http", l.HTTP}, {"phones", l.Phones}, {"jabber", l.Jabber},
		{"capf", l.CAPF}, {"tvs", l.TVS}, {"status", l.Status},
	}
}

func checkListenAddress(addr string) error {
	if addr == off {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address; write HOST:PORT, :PORT or off", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port between 0 and 65535", addr)
	}
	return nil
}

// dataPath is DATA: the flag, else systemd's $STATE_DIRECTORY, else
// /var/lib/cfgsrv.
func dataPath(flag string, lookup func(string) (string, bool)) string {
	if flag != "" {
		return flag
	}
	if v, ok := lookup("STATE_DIRECTORY"); ok && v != "" {
		first, _, _ := strings.Cut(v, ":") // systemd joins several with colons
		return first
	}
	return "/var/lib/cfgsrv"
}

// data is the data directory of DESIGN 3.
type data struct{ root string }

func (d data) settings() string { return filepath.Join(d.root, "cfgsrv.toml") }
func (d data) lsc() string      { return filepath.Join(d.root, "lsc") }
func (d data) state() string    { return filepath.Join(d.root, "state") }

// under is path below DATA unless it is absolute or empty; fallback is the
// folder's name there.
func (d data) under(path, fallback string) string {
	path = cmp.Or(path, fallback)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.root, path)
}

// fields are the addresses by the listener's name, to be set.
func (l *listenSettings) fields() map[string]*string {
	return map[string]*string{
		"tftp": &l.TFTP, "http": &l.HTTP, "phones": &l.Phones, "jabber": &l.Jabber,
		"capf": &l.CAPF, "tvs": &l.TVS, "status": &l.Status,
	}
}
