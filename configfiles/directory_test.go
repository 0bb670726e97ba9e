// SPDX-License-Identifier: Apache-2.0

package configfiles_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"cfgsrv/configfiles"
)

func TestLookup(t *testing.T) {
	files := map[string]string{}
	for _, path := range []string{
		"Ringlist.xml", "fw/ringlist.xml", "fw/sip88xx.loads", "Fold.xml", "fold.XML",
		"List.xml", "Desktops/800/List.xml", "Desktops/320/list.xml",
		"en/tones.xml", "nz/tones.xml", "A/b/C.xml", "One/x.xml", "one/x.xml",
		".hidden", "sub/.hidden", ".git/config", "sub/.d/deep.xml", "with space/\xfcmlaut.xml",
	} {
		files[path] = "content of " + path
	}
	d := openDirectory(t, writeFiles(t, files), nil)
	for _, c := range []struct{ name, ask, want string }{
		{"exact", "Ringlist.xml", "Ringlist.xml"},
		{"exact in a folder", "fw/ringlist.xml", "fw/ringlist.xml"},
		{"exact before any case", "fold.XML", "fold.XML"},
		{"exact before anywhere", "List.xml", "List.xml"},
		{"any case", "RINGLIST.XML", "Ringlist.xml"},
		{"any case before anywhere", "ringlist.xml", "Ringlist.xml"},
		{"any case in a folder", "FW/SIP88XX.loads", "fw/sip88xx.loads"},
		{"any case in folders", "a/B/c.xml", "A/b/C.xml"},
		{"anywhere", "sip88xx.loads", "fw/sip88xx.loads"},
		{"anywhere in any case", "SIP88xx.LOADS", "fw/sip88xx.loads"},
		{"anywhere, deep", "c.XML", "A/b/C.xml"},
		{"bytes", "\xfcmlaut.xml", "with space/\xfcmlaut.xml"},
		{"hidden, exact", ".hidden", ".hidden"},
		{"hidden folder, exact", ".git/config", ".git/config"},
		{"two in any case", "FOLD.xml", ""},
		{"two anywhere", "tones.xml", ""},
		{"two folders in any case", "ONE/x.xml", ""},
		{"two anywhere in folders of one name", "x.xml", ""},
		{"not anywhere with a folder", "b/C.xml", ""},
		{"not anywhere with another folder", "x/sip88xx.loads", ""},
		{"hidden, any case", ".HIDDEN", ""},
		{"hidden, anywhere", "config", ""},
		{"hidden folder, anywhere", "deep.xml", ""},
		{"other case of no ASCII letter", "with space/\xdcmlaut.xml", ""},
		{"folder", "fw", ""},
		{"file as a folder", "Ringlist.xml/x", ""},
		{"missing", "missing.xml", ""},
		{"in a missing folder", "missing/Ringlist.xml", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := "not found"
			if c.want != "" {
				want = files[c.want]
			}
			if got := ask(t, d, c.ask, overTFTP); got != want {
				t.Errorf("%q: got %q, want %q", c.ask, got, want)
			}
		})
	}

	for name, both := range map[string][]string{
		"tones.xml": {"en/tones.xml", "nz/tones.xml"}, "FOLD.xml": {"Fold.xml", "fold.XML"},
	} {
		_, err := d.Open(t.Context(), request(t, name))
		missing := new(configfiles.NotFoundError)
		if !errors.As(err, &missing) || !strings.Contains(missing.Reason, both[0]) || !strings.Contains(missing.Reason, both[1]) {
			t.Errorf("%s: %v, want a NotFoundError that names %q", name, err, both)
		}
	}
}

func request(t testing.TB, name string) configfiles.Request {
	t.Helper()
	n, err := configfiles.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return configfiles.Request{Name: n}
}

func TestDirectoryOpensPath(t *testing.T) {
	d := openDirectory(t, writeFiles(t, map[string]string{"a/x": "one", "b/x": "two"}), nil)
	req := request(t, "x.sgn")
	req.Path = "b/x"
	if f, err := d.Open(t.Context(), req); err != nil || f.Size != 3 {
		t.Errorf("Open(Path b/x) = %v, %v", f, err)
	} else {
		f.Content.Close()
	}
	req.As = configfiles.Signed
	if _, err := d.Open(t.Context(), req); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(As Signed) = %v, want fs.ErrNotExist", err)
	}
	req.As, req.Path = configfiles.Plain, "../x"
	if _, err := d.Open(t.Context(), req); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open(Path ../x) = %v, want fs.ErrNotExist", err)
	}
}

// TestLinks is about links, and about what is no regular file.
func TestLinks(t *testing.T) {
	outside := writeFiles(t, map[string]string{"secret.xml": "outside", "d/inner.xml": "outside"})
	dir := writeFiles(t, map[string]string{
		"real/file.xml": "inside", "real/deep/other.xml": "other", ".data/x/hidden.xml": "hidden",
	})
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("real/file.xml", "in.xml")
	link("real", "folder")
	link("..", "real/up")
	link(".", "self")
	link(".data/x", "first")
	link(".data", "second")
	link("loop2", "loop1")
	link("loop1", "loop2")
	link("nowhere", "dangling.xml")
	link(filepath.Join(outside, "secret.xml"), "absolute.xml")
	link("../"+filepath.Base(outside)+"/secret.xml", "relative.xml")
	link(outside, "out")
	link(filepath.Join(dir, "real/file.xml"), "absolute-inside.xml")
	if err := syscall.Mkfifo(filepath.Join(dir, "real", "pipe.xml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe2.xml"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDirectory(t, dir, nil)
	for name, want := range map[string]string{
		"in.xml":                "inside",
		"IN.xml":                "inside",
		"folder/file.xml":       "inside",
		"real/up/real/file.xml": "inside",
		"self/self/in.xml":      "inside",
		"file.xml":              "inside", // once, though links lead to it too
		"other.xml":             "other",
		"HIDDEN.xml":            "hidden",
		"second/x/hidden.xml":   "hidden",
		"loop1":                 "not found",
		"LOOP1":                 "not found",
		"dangling.xml":          "not found",
		"absolute.xml":          "not found",
		"ABSOLUTE.xml":          "not found",
		"relative.xml":          "not found",
		"out/secret.xml":        "not found",
		"out/d/inner.xml":       "not found",
		"secret.xml":            "not found",
		"inner.xml":             "not found",
		"absolute-inside.xml":   "not found",
		"pipe2.xml":             "not found",
		"real/pipe.xml":         "not found",
		"pipe.xml":              "not found",
		"PIPE2.xml":             "not found",
		"real":                  "not found",
		"folder":                "not found",
	} {
		if got := ask(t, d, name, overTFTP); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if faults := d.Faults(t.Context()); len(faults) > 0 {
		t.Errorf("faults = %v, want none", faults)
	}
	folders, err := d.Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(folders)
	if want := []string{dir, dir + "/first", dir + "/real", dir + "/real/deep", dir + "/second"}; !slices.Equal(folders, want) {
		t.Errorf("Folders() = %q, want %q", folders, want)
	}
}

// TestProjectedVolume is the layout that Kubernetes gives a volume: links to
// ..data, which is a link that is replaced.
func TestProjectedVolume(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"..v1/Ringlist.xml": "rings 1", "..v1/Desktops/List.xml": "list 1",
		"..v2/Ringlist.xml": "rings 2", "..v2/Desktops/List.xml": "list 2", "..v2/Desktops/New.xml": "new",
	})
	for name, target := range map[string]string{"..data": "..v1", "Ringlist.xml": "..data/Ringlist.xml", "Desktops": "..data/Desktops"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	d := openDirectory(t, dir, nil)
	check := func(want map[string]string) {
		t.Helper()
		for name, want := range want {
			if got := ask(t, d, name, overTFTP); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	check(map[string]string{"ringlist.xml": "rings 1", "list.xml": "list 1", "desktops/list.xml": "list 1", "new.xml": "not found"})
	if err := os.Symlink("..v2", filepath.Join(dir, "..data2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data2"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{"ringlist.xml": "rings 2", "list.xml": "list 2", "desktops/list.xml": "list 2", "new.xml": "new"})
}

// The next request sees each change, without anybody telling.
func TestChangesAreSeenAtOnce(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a/x": "x"})
	d := openDirectory(t, dir, nil)
	for i := range 200 {
		name := fmt.Sprintf("File%d.xml", i)
		path := filepath.Join(dir, "a", name)
		if got := ask(t, d, strings.ToUpper(name), overTFTP); got != "not found" {
			t.Fatalf("%s before it is there: %q", name, got)
		}
		writeFile(t, path, "new")
		if got := ask(t, d, strings.ToUpper(name), overTFTP); got != "new" {
			t.Fatalf("%s just made: %q", name, got)
		}
		if i%2 == 0 {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Rename(path, filepath.Join(dir, name+".old")); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, d, strings.ToUpper(name), overTFTP); got != "not found" {
			t.Fatalf("%s just removed: %q", name, got)
		}
	}
}

// With many folders the index waits to be told, or for a second.
func TestChangedAmongManyFolders(t *testing.T) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("d%d/f%d.xml", i, i)] = "old"
	}
	dir := writeFiles(t, files)
	d := openDirectory(t, dir, nil)
	if got := ask(t, d, "F7.xml", overTFTP); got != "old" {
		t.Fatalf("F7.xml: %q", got)
	}
	writeFile(t, filepath.Join(dir, "d42/New.xml"), "new")
	d.Changed()
	if got := ask(t, d, "new.XML", overTFTP); got != "new" {
		t.Errorf("new.XML after Changed: %q", got)
	}
	writeFile(t, filepath.Join(dir, "d43/Newer.xml"), "newer")
	if err := d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, d, "newer.XML", overTFTP); got != "newer" {
		t.Errorf("newer.XML after Refresh: %q", got)
	}
	writeFile(t, filepath.Join(dir, "d44/Newest.xml"), "newest")
	for ask(t, d, "newest.XML", overTFTP) != "newest" {
		if t.Context().Err() != nil {
			t.Fatal("never seen")
		}
	}
}

func TestFolderIsReplaced(t *testing.T) {
	parent := writeFiles(t, map[string]string{"v1/a.xml": "one", "v2/a.xml": "two", "v2/sub/B.xml": "b"})
	current := filepath.Join(parent, "files")
	if err := os.Symlink("v1", current); err != nil {
		t.Fatal(err)
	}
	d := openDirectory(t, current, nil)
	if got := ask(t, d, "A.xml", overTFTP); got != "one" {
		t.Errorf("got %q, want one", got)
	}
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, d, "A.xml", overTFTP); got != "one" {
		t.Errorf("while there is no folder: got %q, want one", got)
	}
	if err := os.Symlink("v2", current); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a.xml": "two", "A.xml": "two", "b.XML": "b"} {
		if got := ask(t, d, name, overTFTP); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	writeFile(t, current, "no folder")
	if got := ask(t, d, "a.xml", overTFTP); !strings.HasPrefix(got, "fault: ") {
		t.Errorf("a file in its place: got %q, want a fault", got)
	}
}

func TestOpenDirectoryFails(t *testing.T) {
	if _, err := configfiles.OpenDirectory(filepath.Join(t.TempDir(), "missing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v, want fs.ErrNotExist", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	if _, err := configfiles.OpenDirectory(file, nil); err == nil {
		t.Error("a file: no error")
	}
}

func TestClosedDirectory(t *testing.T) {
	d := openDirectory(t, writeFiles(t, map[string]string{"a": "a"}), nil)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]configfiles.Source{"Directory": d, "Guard": &configfiles.Guard{Directory: d}} {
		if got := ask(t, s, "a", overTFTP); !strings.HasPrefix(got, "fault: ") {
			t.Errorf("%s: got %q, want a fault", name, got)
		}
	}
	if err := d.Refresh(t.Context()); err == nil {
		t.Error("Refresh: no error")
	}
}

func TestUnreadableFolderAndFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("to root everything is readable")
	}
	dir := writeFiles(t, map[string]string{"shut/x.xml": "x", "y.xml": "y"})
	for _, name := range []string{"shut", "y.xml"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "shut"), 0o700) })
	d := openDirectory(t, dir, nil)
	if got := ask(t, d, "x.xml", overTFTP); got != "not found" {
		t.Errorf("in the folder: %q", got)
	}
	if got := ask(t, d, "y.xml", overTFTP); !strings.HasPrefix(got, "fault: ") {
		t.Errorf("the file: %q, want a fault", got)
	}
	if faults := d.Faults(t.Context()); len(faults) != 1 || !strings.Contains(faults[0].Error(), "listing shut") {
		t.Errorf("faults = %v, want one about the folder", faults)
	}
}

// A search that its request gives up does not spoil the next.
func TestEndedContext(t *testing.T) {
	d := openDirectory(t, writeFiles(t, map[string]string{"a/File": "x"}), nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Open(ended, request(t, "file")); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context: %v", err)
	}
	if got := ask(t, d, "file", overTFTP); got != "x" {
		t.Errorf("the next request: %q", got)
	}
}

// Requests and changes at the same time: each answer is one of the states.
func TestManyAtOnce(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a/Steady.xml": "steady", "a/Other.xml": "1"})
	d := openDirectory(t, dir, nil)
	g := &configfiles.Guard{Directory: d, Next: makes{}}
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for range 200 {
				if got := ask(t, g, "steady.XML", overTFTP); got != "steady" {
					t.Errorf("steady.XML: %q", got)
				}
				if got := ask(t, g, "other.XML", overTFTP); got != "1" && got != "not found" {
					t.Errorf("other.XML: %q", got)
				}
			}
		})
	}
	for i := range 200 {
		from, to := filepath.Join(dir, "a/Other.xml"), filepath.Join(dir, "Other.xml")
		if i%2 == 1 {
			from, to = to, from
		}
		if err := os.Rename(from, to); err != nil {
			t.Error(err)
		}
	}
	askers.Wait()
}
