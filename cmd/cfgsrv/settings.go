// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
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
	BlockSize     int  `toml:"block_size"` // bytes, RFC 2348: 8 to 65464
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
