// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"cfgsrv/capf"
	"cfgsrv/certs"
	"cfgsrv/configfiles"
	"cfgsrv/derived"
	"cfgsrv/device"
	"cfgsrv/trustlist"
	"cfgsrv/tvs"
)

// loader makes generations from the disk. Its methods are not for use from
// several goroutines at once.
type loader struct {
	data data
	// override lays the command line over the settings of the file.
	override func(*settings)
	log      *slog.Logger
	// lenient is for check: a unit without a certificate is no fault, because
	// serve would make one.
	lenient bool
	// healthy says why no key may be made, made counts what was made; nil: not
	// asked, not counted.
	healthy func() error
	// enrolments is the record of state/; nil: none is pending and none revoked.
	enrolments *capf.Store
	// memory is what trust lists ever held; nil: nothing.
	memory *tvs.Memory
	made   func(configfiles.Form)

	number    uint64 // of the running generation
	directory *configfiles.Directory
	opened    string                   // its path
	retired   []*configfiles.Directory // closed at the end: older generations may read there
}

// findings are what is wrong with the disk. Faults keep a generation from
// running; complaints hold up one device or one file; warnings nobody.
type findings struct {
	faults, complaints, warnings []error
}

// asError is the faults as one error with a line each, or nil.
func (f findings) asError() error {
	if len(f.faults) == 0 {
		return nil
	}
	lines := make([]string, len(f.faults))
	for i, err := range f.faults {
		lines[i] = err.Error()
	}
	if len(lines) == 1 {
		return f.faults[0]
	}
	return fmt.Errorf("%d faults:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// settings reads cfgsrv.toml, lays the command line over it, and makes the
// folders absolute.
func (l *loader) settings() (settings, []error) {
	s, places, faults := readSettings(l.data.settings())
	l.override(&s)
	s.Files = l.data.under(s.Files, "files")
	s.Certs = l.data.under(s.Certs, "certs")
	if s.Cluster.Host == "" {
		s.Cluster.Host, _ = os.Hostname() // an empty name is replaced below
	}
	s.Cluster.Host = cmp.Or(s.Cluster.Host, "localhost")
	cluster, err := readClusterState(l.data)
	if err != nil {
		faults = append(faults, err)
	}
	s.explicitMode = s.Cluster.SecurityMode != ""
	s.Cluster.SecurityMode = cmp.Or(s.Cluster.SecurityMode, cluster.SecurityMode, modeNonSecure)
	s.cluster = cluster
	return s, append(faults, s.check(places)...)
}

// load makes the next generation, and tells everything that is wrong. The
// generation is nil if there is a fault, and for a lenient loader also where
// serve has something to make first.
func (l *loader) load(ctx context.Context) (*generation, findings) {
	var f findings
	s, faults := l.settings()
	f.faults = append(f.faults, faults...)
	g := &generation{loaded: time.Now(), settings: s}
	l.loadCertificates(g, &f)
	l.loadDevices(g, &f)
	if g.certs != nil {
		l.prepareCAPF(g, &f)
	}
	if err := l.openDirectory(s.Files); err != nil && !(l.lenient && errors.Is(err, fs.ErrNotExist)) {
		f.faults = append(f.faults, err)
	}
	if len(f.faults) == 0 && !l.unmade(g) {
		l.derive(g, &f)
	}
	if len(f.faults) == 0 && g.derived != nil {
		l.prepareTVS(g, &f)
	}
	if len(f.faults) > 0 || g.derived == nil {
		return nil, f
	}
	g.number, g.directory = l.number+1, l.directory
	g.capf.Number, g.tvs.Number = g.number, g.number
	g.files = &configfiles.Guard{
		Directory: l.directory,
		Devices:   knownDevices{g.devices, l.enrolments},
		Next:      g.derived,
	}
	return g, f
}

// unmade says that a generation lacks what serve would make before it. Of files/
// nothing follows that is made at once.
func (l *loader) unmade(g *generation) bool {
	return l.lenient && (g.certs == nil || missing(g.certs)(certs.CallManager))
}

func (l *loader) loadCertificates(g *generation, f *findings) {
	if _, err := os.Stat(g.settings.Certs); l.lenient && errors.Is(err, fs.ErrNotExist) {
		return
	}
	snapshot, err := certs.Load(os.DirFS(g.settings.Certs))
	if err != nil {
		f.faults = append(f.faults, separate(err)...)
		return
	}
	for _, w := range snapshot.Warnings() {
		f.warnings = append(f.warnings, w)
	}
	g.certs = snapshot
	g.tls = map[string]*tls.Config{}
	for _, t := range g.settings.tlsListeners() {
		if l.lenient && slices.ContainsFunc(t.units, missing(snapshot)) {
			continue
		}
		conf, err := snapshot.ServerConfig(t.profile, t.units...)
		if err != nil {
			f.faults = append(f.faults, fmt.Errorf("%s: %w", t.name, err))
			continue
		}
		g.tls[t.name] = conf
	}
}

func missing(s *certs.Snapshot) func(certs.Unit) bool {
	return func(u certs.Unit) bool {
		_, ok := s.Pair(u)
		return !ok
	}
}

func (l *loader) loadDevices(g *generation, f *findings) {
	devices, complaints := device.LoadCertificates(l.data.lsc())
	if devices == nil { // nobody's certificate is known: that must not open anything
		f.faults = append(f.faults, complaints...)
		return
	}
	f.complaints = append(f.complaints, complaints...)
	f.warnings = append(f.warnings, devices.Warnings()...)
	g.devices = devices
	if g.certs == nil {
		return
	}
	g.judges = map[string]*device.Judge{
		"phones": l.judge(g, certs.CallManagerTrust),
		"jabber": l.judge(g, certs.TomcatTrust),
	}
}

// judge accepts what the store, CAPF-trust or our own CAPF has signed.
func (l *loader) judge(g *generation, store certs.Store) *device.Judge {
	roots := g.certs.Pool(store, certs.CAPFTrust)
	if capf, ok := g.certs.Pair(certs.CAPF); ok {
		roots.AddCert(capf.Leaf())
	}
	judge := &device.Judge{Roots: roots, Known: g.devices}
	if l.enrolments != nil {
		judge.Revoked = l.enrolments.Revoked
	}
	return judge
}

// derive makes the source of what follows from the certificates.
func (l *loader) derive(g *generation, f *findings) {
	c := &g.settings.Cluster
	conf := derived.Config{
		Certs: g.certs, Files: l.directory, Devices: knownDevices{g.devices, l.enrolments}, Time: g.loaded.Truncate(time.Second),
		Digest: signatureDigest(c.FileSignatureAlgorithm), CAPFPort: capfPort(&g.settings),
		Lists: derived.Lists{
			Host: c.Host, Mixed: c.SecurityMode == modeMixed, SignerVersion: signerVersion(c.ITLSignerVersion),
			ITLByCallManager: g.settings.cluster.ITLByCallManager, CTLByCallManager: g.settings.cluster.CTLByCallManager,
			Emptied: g.settings.cluster.PrepareMigration,
		},
		NoCertHash: g.settings.approvedFormatsOnly(), Healthy: l.mayEncrypt, Made: l.made,
	}
	source, err := derived.New(conf)
	if err != nil {
		f.faults = append(f.faults, err)
		return
	}
	g.derived = source
	f.warnings = append(f.warnings, listWarnings(&conf)...)
	f.warnings = append(f.warnings, g.settings.fipsWarnings()...)
}

// listWarnings tells what is unusual about the trust lists.
func listWarnings(conf *derived.Config) []error {
	var all []error
	if recovery, ok := conf.Certs.Pair(certs.ITLRecovery); ok && recovery.Key == nil {
		all = append(all, errors.New("the key of ITLRecovery is not here: CallManager signs the trust lists"))
	}
	if conf.Lists.ITLByCallManager {
		all = append(all, errors.New("the ITL is signed by CallManager since 'utils itl reset localkey'; return with 'utils itl update ITLFile'"))
	}
	if conf.Lists.Mixed && conf.Lists.CTLByCallManager {
		all = append(all, errors.New("the CTL is signed by CallManager since 'utils ctl reset localkey'; return with 'utils ctl update CTLFile'"))
	}
	if conf.Lists.Emptied {
		all = append(all, errors.New("phones get an ITL without servers and then trust any server; end it with 'utils itl prepare-migration off'"))
	}
	return all
}

func signatureDigest(setting string) crypto.Hash {
	if setting == "SHA-512" {
		return crypto.SHA512
	}
	return crypto.SHA1
}

func signerVersion(setting string) trustlist.Version {
	if setting == "1.0" {
		return trustlist.Version{Major: 1, Minor: 0}
	}
	return trustlist.Version{Major: 1, Minor: 1}
}

// capfPort is where phones enrol.
func capfPort(s *settings) string {
	if _, port, err := net.SplitHostPort(s.Listen.CAPF); err == nil && port != "0" {
		return port
	}
	return "3804"
}

// openDirectory opens files/, again if the setting has changed.
func (l *loader) openDirectory(path string) error {
	if l.directory != nil && l.opened == path {
		return nil
	}
	d, err := configfiles.OpenDirectory(path, l.log)
	if err != nil {
		return err
	}
	if l.directory != nil {
		l.retired = append(l.retired, l.directory)
	}
	l.directory, l.opened = d, path
	return nil
}

func (l *loader) close() {
	for _, d := range append(l.retired, l.directory) {
		if d != nil {
			d.Close()
		}
	}
}

// separate takes an error of certs apart, one for each fault.
func separate(err error) []error {
	faults := certs.Faults(err)
	if len(faults) == 0 {
		return []error{err}
	}
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return all
}
