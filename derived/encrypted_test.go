// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

// Each build has a key and an IV of its own: the same configuration, and even
// the same first block of one that changed, never gives the same bytes again.
func TestEveryEncryptionIsFresh(t *testing.T) {
	name := keyed.Master() + ".enc.sgn"
	seen := map[string]bool{}
	for range 2 {
		s := newSite(t, map[string]string{keyed.Master(): master(keyed, true)}, nil)
		for _, change := range []string{"", "<!-- changed -->"} {
			s.write(keyed.Master(), master(keyed, true)+change)
			b, err := s.get(name, overTFTP)
			if err != nil {
				t.Fatal(err)
			}
			first := string(parseSigned(t, b).Body[:16])
			if seen[first] {
				t.Error("two builds begin with the same block")
			}
			seen[first] = true
			if again, err := s.get(name, overTFTP); err != nil || !bytes.Equal(again, b) {
				t.Errorf("the same configuration was encrypted twice in a generation, %v", err)
			}
		}
	}
}

var errWeak = errors.New("the random source repeats itself")

// No key is made while the random source is not healthy; what needs none is
// served, and so is what was made before.
func TestNoKeyWithoutARandomSource(t *testing.T) {
	var health error
	files := map[string]string{keyed.Master(): master(keyed, true), renewing.Master(): master(renewing, true)}
	s := newSite(t, files, func(c *Config) { c.Healthy = func() error { return health } })
	was := s.ask(keyed.Master()+".enc.sgn", overTFTP)
	health = errWeak
	if _, err := s.get(renewing.Master()+".enc.sgn", overTFTP); !errors.Is(err, errWeak) {
		t.Errorf("got %v, want %v", err, errWeak)
	}
	if got := s.ask(renewing.Master()+".sgn", overTFTP); !strings.HasPrefix(got, "signed ") {
		t.Errorf("the short form: %q", got)
	}
	if got := s.ask(keyed.Master()+".enc.sgn", overTFTP); got != was {
		t.Errorf("what was made before: %q", got)
	}
	health = nil
	if got := s.ask(renewing.Master()+".enc.sgn", overTFTP); got != "encrypted for "+string(renewing)+" "+master(renewing, true) {
		t.Errorf("healthy again: %q", got)
	}
}

// The guard never asks for these; if it did, nothing would come out.
func TestNothingIsEncryptedWithoutAnRSAKey(t *testing.T) {
	files := map[string]string{}
	for _, n := range []device.Name{presenter, damaged, bare} {
		files[n.Master()] = master(n, true)
	}
	s := newSite(t, files, nil)
	for _, n := range []device.Name{presenter, damaged, bare} {
		req := request(t, n.Master()+".enc.sgn", overTFTP)
		req.As, req.Path = configfiles.Encrypted, n.Master()
		if f, err := s.Open(t.Context(), req); f != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, %v", n, f, err)
		}
	}
}

func TestConfigurationTooLargeToEncrypt(t *testing.T) {
	s := newSite(t, map[string]string{keyed.Master(): master(keyed, true) + strings.Repeat(" ", maxConfiguration)}, nil)
	if got := s.ask(keyed.Master()+".enc.sgn", overTFTP); !strings.HasPrefix(got, "fault: encrypting: the file has 83") {
		t.Errorf("got %q", got)
	}
}
