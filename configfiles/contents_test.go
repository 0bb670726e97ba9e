// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shelf is a Directory over a new folder.
type shelf struct {
	*Directory
	t   testing.TB
	dir string
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{t: t, dir: t.TempDir()}
	d, err := OpenDirectory(s.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s.Directory = d
	return s
}

func (s *shelf) at(name string) string { return filepath.Join(s.dir, name) }

func (s *shelf) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) write(name, content string) {
	s.t.Helper()
	s.do(os.MkdirAll(filepath.Dir(s.at(name)), 0o700))
	s.do(os.WriteFile(s.at(name), []byte(content), 0o600))
}

// settle waits until a later change of the file cannot be missed.
func (s *shelf) settle(name string) {
	s.t.Helper()
	for {
		now, err := stampAt(s.at(name))
		s.do(err)
		if now.stateAt(time.Now()) != (State{}) {
			return
		}
	}
}

func (s *shelf) open(name string) (*File, error) {
	return s.Open(s.t.Context(), Request{Name: Name{Asked: name, Base: name}})
}

// ask is the content of a file, "not found" or a fault.
func (s *shelf) ask(name string) string {
	s.t.Helper()
	f, err := s.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "not found"
	}
	if err != nil {
		return "fault"
	}
	defer f.Content.Close()
	b, err := io.ReadAll(f.Content)
	s.do(err)
	if int64(len(b)) != f.Size || f.Data != nil && string(f.Data) != string(b) {
		s.t.Errorf("%s: the content is %.20q, Data %.20q, Size %d", name, b, f.Data, f.Size)
	}
	return string(b)
}

func (s *shelf) keeps(name string) bool {
	_, ok := s.tree.Load().contents.get(name)
	return ok
}

// keep writes a file and asks for it until its content is kept.
func (s *shelf) keep(name, content string) {
	s.t.Helper()
	if content != "" {
		s.write(name, content)
	}
	s.settle(name)
	f, err := os.Open(s.at(name))
	s.do(err)
	defer f.Close()
	if !tellsChanges(f) {
		s.t.Skip("this file system is none on which content is kept")
	}
	s.ask(name)
	if s.ask(name); !s.keeps(name) {
		s.t.Fatalf("%s is not kept, it was asked for twice", name)
	}
}

// Whatever happens to a file whose content is kept, the next request sees it.
func TestKeptContentFollowsTheDisk(t *testing.T) {
	const before, after = "content before", "content after."
	replace := func(s *shelf, name, content string) {
		s.write("new", content)
		s.do(os.Rename(s.at("new"), s.at(name)))
	}
	backdate := func(s *shelf, name string, change func()) {
		info, err := os.Stat(s.at(name))
		s.do(err)
		change()
		s.do(os.Chtimes(s.at(name), info.ModTime(), info.ModTime()))
	}
	tooLarge := strings.Repeat("x", maxContent+1)
	for name, c := range map[string]struct {
		change func(s *shelf)
		want   string
	}{
		"written in its place": {func(s *shelf) { s.write("a", "other") }, "other"},
		"the same size and time of modification": {func(s *shelf) {
			backdate(s, "a", func() { s.write("a", after) })
		}, after},
		"replaced": {func(s *shelf) { replace(s, "a", after) }, after},
		"replaced by the same size and time of modification": {func(s *shelf) {
			backdate(s, "a", func() { replace(s, "a", after) })
		}, after},
		"exchanged with another": {func(s *shelf) {
			s.keep("b", after)
			s.do(unix.Renameat2(unix.AT_FDCWD, s.at("a"), unix.AT_FDCWD, s.at("b"), unix.RENAME_EXCHANGE))
		}, after},
		"truncated":       {func(s *shelf) { s.do(os.Truncate(s.at("a"), 7)) }, "content"},
		"grown too large": {func(s *shelf) { s.write("a", tooLarge) }, tooLarge},
		"removed":         {func(s *shelf) { s.do(os.Remove(s.at("a"))) }, "not found"},
		"removed and made again": {func(s *shelf) {
			s.do(os.Remove(s.at("a")))
			s.write("a", after)
		}, after},
		"no file any more": {func(s *shelf) {
			s.do(os.Remove(s.at("a")))
			s.do(syscall.Mkfifo(s.at("a"), 0o600))
		}, "not found"},
		"a folder in its place": {func(s *shelf) {
			s.do(os.Remove(s.at("a")))
			s.do(os.Mkdir(s.at("a"), 0o700))
		}, "not found"},
		"a link out of the folder in its place": {func(s *shelf) {
			s.do(os.Remove(s.at("a")))
			s.do(os.Symlink("/etc/hostname", s.at("a")))
		}, "not found"},
		"moved out, and a link to it in its place": {func(s *shelf) {
			outside := filepath.Join(s.t.TempDir(), "a")
			s.do(os.Rename(s.at("a"), outside))
			s.do(os.Symlink(outside, s.at("a")))
		}, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.keep("a", before)
			if got := s.ask("a"); got != before {
				t.Fatalf("kept: %q, want %q", got, before)
			}
			c.change(s)
			for range 3 {
				if got := s.ask("a"); got != c.want {
					t.Fatalf("got %.40q, want %.40q", got, c.want)
				}
			}
		})
	}
}

func TestKeptContentFollowsLinks(t *testing.T) {
	s := newShelf(t)
	s.write("v1/a", "one")
	s.write("v2/a", "two")
	for _, link := range []string{"file", "folder"} {
		target := map[string]string{"file": "/a", "folder": ""}[link]
		asked := map[string]string{"file": "file", "folder": "folder/a"}[link]
		s.do(os.Symlink("v1"+target, s.at(link)))
		s.settle("v1/a")
		s.keep(asked, "")
		s.do(os.Symlink("v2"+target, s.at("new")))
		s.do(os.Rename(s.at("new"), s.at(link)))
		if got := s.ask(asked); got != "two" {
			t.Errorf("%s: got %q, want two", link, got)
		}
	}
}

func TestKeptContentNeedsPermission(t *testing.T) {
	s := newShelf(t)
	s.keep("a", "content")
	s.keep("sub/b", "content")
	was, _ := s.tree.Load().contents.get("a")
	s.do(os.Chmod(s.at("a"), 0))
	s.do(os.Chmod(s.at("sub"), 0))
	t.Cleanup(func() { os.Chmod(s.at("sub"), 0o700) })
	a, b := s.ask("a"), s.ask("sub/b")
	if now, ok := s.tree.Load().contents.get("a"); ok && now == was {
		t.Error("what had its permissions changed is taken for unchanged")
	}
	if os.Getuid() == 0 {
		t.Skip("to root everything is readable")
	}
	if a != "fault" || b != "fault" {
		t.Errorf("got %q and %q, want faults", a, b)
	}
}

// A folder that was moved out takes its files along, though a link to it stands
// in its place and the files themselves are unchanged.
func TestKeptContentLeavesWithItsFolder(t *testing.T) {
	s := newShelf(t)
	s.keep("sub/a", "content")
	outside := filepath.Join(t.TempDir(), "sub")
	s.do(os.Rename(s.at("sub"), outside))
	s.do(os.Symlink(outside, s.at("sub")))
	for range 3 {
		if got := s.ask("sub/a"); got != "not found" {
			t.Fatalf("got %q from outside", got)
		}
	}
}

// TestRootThatCannotBeOpened has something else than a folder in the folder's
// place.
func TestRootThatCannotBeOpened(t *testing.T) {
	parent := newShelf(t)
	parent.write("files/a.xml", "content")
	d, err := OpenDirectory(parent.at("files"), nil)
	parent.do(err)
	defer d.Close()
	g := &Guard{Directory: d}
	parent.do(os.Rename(parent.at("files"), parent.at("away")))
	parent.write("files", "no folder")
	for _, asked := range []string{"a.xml", "a.xml.sgn", "CTLFile.tlv", "ITLFile.tlv.sgn", "SEP001122334455.cnf.xml", "SEP001122334455.cnf.xml.sgn"} {
		name, err := ParseName(asked)
		parent.do(err)
		if f, err := g.Open(t.Context(), Request{Name: name}); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, %v, want a fault", asked, f, err)
		}
	}
}

func TestContentsBelongToTheirRoot(t *testing.T) {
	parent := newShelf(t)
	parent.write("v1/a", "one")
	parent.write("v2/a", "two")
	s := &shelf{t: t, dir: parent.at("files")}
	s.do(os.Symlink("v1", s.dir))
	var err error
	s.Directory, err = OpenDirectory(s.dir, nil)
	s.do(err)
	defer s.Close()
	s.keep("a", "")
	s.do(os.Symlink("v2", parent.at("new")))
	s.do(os.Rename(parent.at("new"), s.dir))
	if got := s.ask("a"); got != "two" {
		t.Errorf("got %q, want two", got)
	}
	if s.keeps("a") {
		t.Error("what was kept for another root counts as asked for in this one")
	}
}

// A content is kept only if every later change will show in the stamp; else a
// write in the same tick of the clock would be missed.
func TestUnsettledContentIsNotKept(t *testing.T) {
	s := newShelf(t)
	for i := range 100 {
		want := fmt.Sprintf("%05d", i)
		s.write("a", want)
		for range 3 {
			if got := s.ask("a"); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		if c, ok := s.tree.Load().contents.get("a"); ok && c.stamp.stateAt(c.opened) == (State{}) {
			t.Fatal("a content is kept that was not settled")
		}
	}
}

// After a power cut each phone asks for its own file once, and all for a few.
func TestOnlyWhatIsAskedForAgainIsKept(t *testing.T) {
	s := newShelf(t)
	s.keep("everybody's", "content")
	phone := func(i int) string { return fmt.Sprintf("phone %d", i) }
	const phones = 200
	for i := range phones {
		s.write(phone(i), "content")
	}
	s.settle(phone(phones - 1))
	for i := range phones {
		name := phone(i)
		s.ask(name)
		s.ask("everybody's")
		if s.keeps(name) {
			t.Fatalf("%s is kept, it was asked for once", name)
		}
	}
	if !s.keeps("everybody's") {
		t.Error("what everybody asks for is not kept")
	}
}

func TestLargeFilesAreNotKept(t *testing.T) {
	s := newShelf(t)
	for size, small := range map[int]bool{0: true, 1: true, maxContent: true, maxContent + 1: false} {
		name := fmt.Sprint(size)
		s.write(name, strings.Repeat("x", size))
		s.settle(name)
		for range 3 {
			f, err := s.open(name)
			s.do(err)
			if (f.Data != nil) != small || f.State == (State{}) {
				t.Errorf("%d bytes: in memory %v, want %v; State %v", size, f.Data != nil, small, f.State)
			}
			f.Content.Close()
		}
		if s.keeps(name) && !small {
			t.Errorf("%d bytes are kept", size)
		}
	}
}

// One state of a file has one State, whether it is kept or not, and no other
// has it.
func TestStates(t *testing.T) {
	s := newShelf(t)
	seen := map[State]bool{{}: true}
	for i := range 4 {
		s.write("a", fmt.Sprint(i))
		s.settle("a")
		var states [3]State
		for j := range states {
			f, err := s.open("a")
			s.do(err)
			states[j] = f.State
		}
		if states[0] != states[1] || states[1] != states[2] || seen[states[0]] {
			t.Errorf("the states %v are not one new one", states)
		}
		seen[states[0]] = true
	}
}

// A file that is written to while it is read stays open, like one that is large:
// it has no content yet.
func TestLoadOfAFileThatChanges(t *testing.T) {
	s := newShelf(t)
	s.write("a", "content")
	h, err := s.tree.Load().open("a")
	s.do(err)
	defer h.close()
	s.write("a", "CONTENT and more")
	if h.load(); h.inMemory() || h.file == nil {
		t.Error("a content of two states is taken for one")
	}
	f := h.take()
	defer f.Content.Close()
	if f.Data != nil || f.Unchanged() {
		t.Errorf("Data = %q, Unchanged = %v", f.Data, f.Unchanged())
	}
}

func TestContentsAreBounded(t *testing.T) {
	c := newContents()
	r := rand.New(rand.NewPCG(1, 2))
	most, bytes := 0, make([]byte, maxContent)
	for i := range 3000 {
		c.put(fmt.Sprint("path ", r.IntN(1000)), &content{data: bytes[:r.IntN(maxContent+1)]})
		if i%5 == 0 {
			c.drop(fmt.Sprint("path ", r.IntN(1000)), stamp{})
		}
		most = max(most, c.bytes)
	}
	sum := 0
	for _, path := range c.kept.Keys() {
		one, _ := c.kept.Peek(path)
		sum += one.cost(path)
	}
	if sum != c.bytes || most > maxContents || most < maxContents-2*maxContent {
		t.Errorf("%d bytes are kept, %d are counted, at most %d were, %d are allowed", sum, c.bytes, most, maxContents)
	}
}

func TestContentsDropWhatWasAskedForTheLongestAgo(t *testing.T) {
	c := newContents()
	c.put("popular", &content{})
	for i := range 2 * maxContents / maxContent {
		c.put(fmt.Sprint(i), &content{data: make([]byte, maxContent)})
		if _, ok := c.get("popular"); !ok {
			t.Fatalf("what is asked for all the time is gone after %d others", i)
		}
	}
	if _, ok := c.get("0"); ok {
		t.Error("the first of the others is still there")
	}
}

// Only the content that is no longer valid is dropped, not one that came since.
func TestDropLeavesANewerContent(t *testing.T) {
	c := newContents()
	c.put("a", &content{stamp: stamp{ino: 2}})
	c.drop("a", stamp{ino: 1})
	if _, ok := c.get("a"); !ok {
		t.Error("the newer content is gone")
	}
}

// A storm of paths asked for once each is taken for nothing else.
func TestAskedBefore(t *testing.T) {
	c := newContents()
	again := 0
	for i := range 10_000 {
		if c.askedBefore(fmt.Sprint(i)) {
			again++
		}
	}
	if again > 1 { // by chance, one in 400,000 times
		t.Errorf("%d paths of 10000 are taken for asked before", again)
	}
	if !c.askedBefore("9999") {
		t.Error("the last path is not remembered")
	}
}

func TestFileSystemsThatTellChanges(t *testing.T) {
	for name, c := range map[string]struct {
		magic int64
		want  bool
	}{
		"ext4": {unix.EXT4_SUPER_MAGIC, true}, "xfs": {unix.XFS_SUPER_MAGIC, true}, "btrfs": {unix.BTRFS_SUPER_MAGIC, true},
		"tmpfs": {unix.TMPFS_MAGIC, true}, "zfs": {0x2fc12fc1, true}, "overlay": {unix.OVERLAYFS_SUPER_MAGIC, false},
		"nfs": {unix.NFS_SUPER_MAGIC, false}, "cifs": {unix.CIFS_SUPER_MAGIC, false}, "smb2": {unix.SMB2_SUPER_MAGIC, false},
		"fuse": {unix.FUSE_SUPER_MAGIC, false}, "9p": {unix.V9FS_MAGIC, false}, "vfat": {unix.MSDOS_SUPER_MAGIC, false},
		"ceph": {unix.CEPH_SUPER_MAGIC, false}, "proc": {unix.PROC_SUPER_MAGIC, false}, "none": {0, false},
	} {
		if got := keepsStamps(c.magic); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	f, err := os.Open("/proc/version")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	if tellsChanges(f) {
		t.Error("/proc counts as telling")
	}
}

// However often a file is replaced, no answer is older than what lay there when
// it was asked for, and each is whole.
func TestKeptContentUnderFire(t *testing.T) {
	s := newShelf(t)
	const size, last = 8 << 10, 60
	text := func(i int) string { return strings.Repeat(string(rune('0'+i)), size) }
	s.write("a", text(0))
	var written atomic.Int64
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for oldest := 0; oldest < last; {
				oldest = int(written.Load())
				f, err := s.open("a")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(f.Content)
				f.Content.Close()
				if err != nil || len(b) != size || strings.Trim(string(b), string(b[:1])) != "" || int(b[0]-'0') < oldest {
					t.Errorf("got %.1q… of %d bytes, %v, after %d was there", b, len(b), err, oldest)
					return
				}
			}
		})
	}
	for i := 1; i <= last; i++ {
		if i%4 == 0 {
			s.settle("a")
		}
		s.write("new", text(i))
		s.do(os.Rename(s.at("new"), s.at("a")))
		written.Store(int64(i))
	}
	askers.Wait()
}

// A kept content costs one system call and few pieces of memory.
func TestAllocationsOfKeptContent(t *testing.T) {
	s := newShelf(t)
	s.keep("a", strings.Repeat("x", 12<<10))
	root := s.tree.Load()
	got := testing.AllocsPerRun(200, func() {
		h, err := root.open("a")
		s.do(err)
		h.take()
	})
	if got > 6 {
		t.Errorf("%v allocations, want at most 6", got)
	}
}

func BenchmarkContent(b *testing.B) {
	s := newShelf(b)
	s.keep("a", strings.Repeat("x", 12<<10))
	t := s.tree.Load()
	take := func(b *testing.B, open func() (handle, error)) {
		b.ReportAllocs()
		for b.Loop() {
			h, err := open()
			if err != nil {
				b.Fatal(err)
			}
			h.take()
		}
	}
	b.Run("kept", func(b *testing.B) { take(b, func() (handle, error) { return t.open("a") }) })
	b.Run("read", func(b *testing.B) { take(b, func() (handle, error) { return openIn(t.root, "a") }) })
	b.Run("open and read as before", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h, err := openIn(t.root, "a")
			if err != nil {
				b.Fatal(err)
			}
			h.file.Seek(0, io.SeekEnd) // as http.ServeContent does
			h.file.Seek(0, io.SeekStart)
			io.ReadFull(h.file, make([]byte, h.stamp.size))
			h.close()
		}
	})
}
