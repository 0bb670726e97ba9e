// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/device"
)

// TestAllocations guards the paths that every phone goes when it boots.
func TestAllocations(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"Ringlist.xml": "rings", open.Master(): master("", "false"), keyed.Master(): master("", "true"),
	})
	for _, name := range []string{"Ringlist.xml", open.Master(), keyed.Master(), "."} {
		waitUntilSettled(t, filepath.Join(dir, name))
	}
	g := &configfiles.Guard{Directory: openDirectory(t, dir, nil), Devices: known}
	for name, limit := range map[string]float64{
		"Ringlist.xml": 9,
		open.Master():  14,
		keyed.Master(): 14,
		"missing":      16,
		"ITLFile.tlv":  4,
		"RINGLIST.xml": 22,
	} {
		req := request(t, name)
		got := testing.AllocsPerRun(200, func() {
			if f, err := g.Open(t.Context(), req); err == nil {
				f.Content.Close()
			}
		})
		if got > limit {
			t.Errorf("%s: %v allocations, want at most %v", name, got, limit)
		}
	}
	if got := testing.AllocsPerRun(200, func() { configfiles.ParseName("New_Zealand/g3-tones.xml.sgn") }); got > 0 {
		t.Errorf("ParseName: %v allocations, want none", got)
	}
}

// A small file is read and closed when it is opened, kept or not.
func TestSmallFilesHoldNoDescriptor(t *testing.T) {
	dir := writeFiles(t, map[string]string{"small": strings.Repeat("x", 64<<10), "large": strings.Repeat("x", 64<<10+1)})
	d := openDirectory(t, dir, nil)
	for name, want := range map[string]bool{"small": false, "large": true} {
		f, err := d.Open(t.Context(), request(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := isOpen(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s is open: %v, want %v", name, got, want)
		}
		f.Content.Close()
	}
}

func isOpen(t *testing.T, path string) bool {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to == path {
			return true
		}
	}
	return false
}

// Every answer but one that is served closes what was opened for it.
func TestNoDescriptorIsLost(t *testing.T) {
	files := map[string]string{
		"Ringlist.xml": "rings", "a/x.xml": "", "b/x.xml": "", "c/X.xml": "", "ITLFile.tlv": "list",
		"a/" + damaged.Master(): master("", "false"), "b/" + damaged.Master(): master("", "true"), "c/" + damaged.Master(): "<a>",
	}
	for n, wish := range map[device.Name]string{open: "false", keyed: "true", bare: "true", presenter: "true", enrolling: "true"} {
		files[n.Master()], files[n.Master()+".bak"], files["x/"+n.Master()+".sgn"] = master("", wish), "", ""
	}
	g := &configfiles.Guard{Directory: openDirectory(t, writeFiles(t, files), nil), Devices: known, Next: makes{}}
	everything := func() {
		for name := range files {
			for _, suffix := range []string{"", ".sgn", ".enc.sgn"} {
				for _, from := range []configfiles.Requester{overTFTP, overTLS, provedToBe(keyed)} {
					ask(t, g, filepath.Base(name)+suffix, from)
					ask(t, g, name+suffix, from)
				}
			}
		}
		g.Directory.Faults(t.Context())
	}
	everything()
	before := descriptors(t)
	everything()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(entries)
}

// manyFiles is a folder of 100,000 masters in ten folders.
func manyFiles(b *testing.B) string {
	dir := b.TempDir()
	for i := range 10 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	content := []byte(master("", "false"))
	for i := range 100_000 {
		n := device.Name(fmt.Sprintf("SEP%012X", i))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i%10), n.Master()), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func BenchmarkGuard(b *testing.B) {
	small := writeFiles(b, map[string]string{
		"Ringlist.xml": "rings", "fw/sip88xx.loads": "fw", open.Master(): master("", "false"),
	})
	for _, tree := range []struct{ name, dir string }{{"3 files", small}, {"100000 files", manyFiles(b)}} {
		d := openDirectory(b, tree.dir, nil)
		if tree.name != "3 files" {
			writeFile(b, filepath.Join(tree.dir, "Ringlist.xml"), "rings")
			writeFile(b, filepath.Join(tree.dir, open.Master()), master("", "false"))
			writeFile(b, filepath.Join(tree.dir, "3/sip88xx.loads"), "fw")
		}
		waitUntilSettled(b, tree.dir)
		g := &configfiles.Guard{Directory: d, Devices: known, Next: makes{}}
		for _, c := range []struct{ name, ask string }{
			{"exact", "Ringlist.xml"}, {"master", open.Master()}, {"signed", "Ringlist.xml.sgn"}, {"miss", "missing.xml"},
			{"any case", "ringlist.XML"}, {"anywhere", "sip88xx.loads"},
		} {
			req := request(b, c.ask)
			b.Run(tree.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f, err := g.Open(b.Context(), req)
					if err == nil {
						f.Content.Close()
					} else if !errors.Is(err, fs.ErrNotExist) {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkIndex(b *testing.B) {
	dir := manyFiles(b)
	d := openDirectory(b, dir, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := d.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	memory := float64(after.HeapAlloc - before.HeapAlloc)
	b.Run("from nothing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d := openDirectory(b, dir, nil)
			if err := d.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(memory/100_000, "B/file")
	})
	b.Run("one folder changed", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			writeFile(b, filepath.Join(dir, "5", fmt.Sprintf("new%d", i)), "")
			if err := d.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nothing changed", func(b *testing.B) {
		waitUntilSettled(b, filepath.Join(dir, "5"))
		for b.Loop() {
			if err := d.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFaults(b *testing.B) {
	d := openDirectory(b, manyFiles(b), nil)
	for b.Loop() {
		if faults := d.Faults(b.Context()); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}

func BenchmarkParseName(b *testing.B) {
	for b.Loop() {
		if _, err := configfiles.ParseName("SEP001122334455.cnf.xml.enc.sgn"); err != nil {
			b.Fatal(err)
		}
	}
}
