// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// markable is a data directory with something in each place that a mark looks
// at, and the path of its certificates.
func markable(t *testing.T) (data, string) {
	t.Helper()
	d := data{t.TempDir()}
	certs := filepath.Join(d.root, "certs")
	for _, path := range []string{
		d.settings(), filepath.Join(certs, "TVS.pem"), filepath.Join(certs, "TVS-trust", "a.pem"), filepath.Join(certs, ".old", "a.pem"),
		filepath.Join(d.lsc(), "SEP001122334455.pem"), filepath.Join(d.generationState(), "cluster"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("SEP001122334455.pem", filepath.Join(d.lsc(), "link.pem")); err != nil {
		t.Fatal(err)
	}
	return d, certs
}

func TestMarkDisk(t *testing.T) {
	rewrite := func(path string) error {
		if err := os.WriteFile(path, []byte("new"), 0o600); err != nil {
			return err
		}
		later := time.Now().Add(time.Second) // the clock of a file system may stand still
		return os.Chtimes(path, later, later)
	}
	for _, tt := range []struct {
		name   string
		change func(d data, certs string) error
		same   bool
	}{
		{"nothing", func(data, string) error { return nil }, true},
		{"a name with a dot", func(d data, certs string) error { return rewrite(filepath.Join(certs, ".old", "a.pem")) }, true},
		{"settings", func(d data, _ string) error { return rewrite(d.settings()) }, false},
		{"settings removed", func(d data, _ string) error { return os.Remove(d.settings()) }, false},
		{"unit", func(_ data, certs string) error { return rewrite(filepath.Join(certs, "TVS.pem")) }, false},
		{"unit's mode", func(_ data, certs string) error { return os.Chmod(filepath.Join(certs, "TVS.pem"), 0o644) }, false},
		{"trust store", func(_ data, certs string) error { return rewrite(filepath.Join(certs, "TVS-trust", "a.pem")) }, false},
		{"device", func(d data, _ string) error { return rewrite(filepath.Join(d.lsc(), "SEP001122334455.pem")) }, false},
		{"device renamed", func(d data, _ string) error {
			return os.Rename(filepath.Join(d.lsc(), "SEP001122334455.pem"), filepath.Join(d.lsc(), "SEP00112233449A.pem"))
		}, false},
		{"device removed", func(d data, _ string) error { return os.Remove(filepath.Join(d.lsc(), "SEP001122334455.pem")) }, false},
		{"link leads elsewhere", func(d data, _ string) error {
			link := filepath.Join(d.lsc(), "link.pem")
			if err := os.Remove(link); err != nil {
				return err
			}
			return os.Symlink("../cfgsrv.toml", link)
		}, false},
		{"folder removed", func(d data, _ string) error { return os.RemoveAll(d.generationState()) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, certs := markable(t)
			before := markDisk(d, certs)
			if err := tt.change(d, certs); err != nil {
				t.Fatal(err)
			}
			if same := markDisk(d, certs) == before; same != tt.same {
				t.Errorf("the mark is the same: %v, want %v", same, tt.same)
			}
		})
	}
}

// The disk is marked before each generation and every minute.
func TestMarkDiskAllocations(t *testing.T) {
	d, certs := markable(t)
	few := testing.AllocsPerRun(20, func() { markDisk(d, certs) })
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(d.lsc(), fmt.Sprintf("%d.pem", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := testing.AllocsPerRun(20, func() { markDisk(d, certs) })
	t.Logf("%v allocations, and with 1,000 files more %v", few, many)
	if perFile := (many - few) / 1000; perFile > 2.5 { // its name, and that again with a NUL for the system
		t.Errorf("%v allocations for each file, want 2", perFile)
	}
}
