// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

const allOps = ^fsnotify.Op(0)

func newSight(t *testing.T, ops fsnotify.Op, log *slog.Logger) *sight {
	t.Helper()
	s := openSight(ops, log)
	t.Cleanup(s.close)
	if s.inner == nil {
		t.Fatal("no inotify")
	}
	return s
}

// takeUntil takes what s sees until there is something on account of owner, and
// returns all owners up to then.
func takeUntil(t *testing.T, s *sight, owner string) []string {
	t.Helper()
	var all []string
	for !slices.Contains(all, owner) {
		receive(t, s.woken)
		all = append(all, s.take().names()...)
	}
	return all
}

func TestSightSeesOnlyWhatMatters(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "a")
	mkdir(t, root, "mark")
	write(t, "", root, "a/written")
	for _, tt := range []struct {
		name string
		ops  fsnotify.Op
		look lookout
		do   func()
		want bool
	}{
		{"any entry", allOps, lookout{dir: "a"}, func() { write(t, "", root, "a/x") }, true},
		{"the entry", allOps, lookout{dir: "a", name: "y"}, func() { write(t, "", root, "a/y") }, true},
		{"another entry", allOps, lookout{dir: "a", name: "y"}, func() { write(t, "", root, "a/yy") }, false},
		{"an operation that counts", fsnotify.Write, lookout{dir: "a"}, func() { write(t, "1", root, "a/written") }, true},
		{"an operation that does not", fsnotify.Create, lookout{dir: "a"}, func() { write(t, "1", root, "a/written") }, false},
		{"the folder goes", fsnotify.Write, lookout{dir: "a", name: "y"}, func() { remove(t, root, "a") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSight(t, tt.ops, slog.New(slog.DiscardHandler))
			tt.look.dir = filepath.Join(root, tt.look.dir)
			tt.look.owner = "looked at"
			s.follow([]lookout{tt.look, {dir: filepath.Join(root, "mark"), owner: "mark"}})
			tt.do()
			write(t, "1", root, "mark", filepath.Base(t.Name())) // comes after all else in the queue
			got := slices.Contains(takeUntil(t, s, "mark"), "looked at")
			if got != tt.want {
				t.Errorf("seen: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestSightTellsWhatWentUnseen(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "a")
	mkdir(t, root, "b")
	a := lookout{dir: filepath.Join(root, "a"), owner: "a"}
	b := lookout{dir: filepath.Join(root, "b"), owner: "b"}
	gone := lookout{dir: filepath.Join(root, "gone"), owner: "gone"}
	s := newSight(t, allOps, slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		name   string
		before func()
		wanted []lookout
		want   []string
	}{
		{"new", nil, []lookout{a}, []string{"a"}},
		{"known", nil, []lookout{a}, nil},
		{"one more", nil, []lookout{a, b}, []string{"b"}},
		{"one less", nil, []lookout{b}, nil},
		{"back again", nil, []lookout{a, b}, []string{"a"}},
		{"in doubt", s.doubt, []lookout{a, b}, []string{"a", "b"}},
		{"gone", nil, []lookout{a, b, gone}, nil},
		{"made again", func() {
			remove(t, root, "b")
			mkdir(t, root, "b")
			takeUntil(t, s, "b")
		}, []lookout{a, b}, []string{"b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				tt.before()
			}
			if got := s.follow(tt.wanted); !slices.Equal(got, tt.want) {
				t.Errorf("unseen %q, want %q", got, tt.want)
			}
			if seen := s.take(); tt.name == "gone" && (!seen.owners["gone"] || !seen.moved) {
				t.Errorf("a folder that has gone since it was found is not noted: %+v", seen)
			}
		})
	}
	write(t, "", root, "a/x")
	write(t, "", root, "b/x")
	takeUntil(t, s, "a")
}

// TestSightOverflow makes the kernel's queue overflow.
func TestSightOverflow(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Skip(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || limit > 100_000 {
		t.Skipf("the queue holds %s events", b)
	}
	root := tempDir(t)
	write(t, "", root, "a")
	write(t, "", root, "b")
	book := new(logBook)
	s := newSight(t, allOps, book.logger())
	s.follow([]lookout{{dir: root, owner: "root"}})
	s.mu.Lock() // holds collect up
	for i := range 2*limit + 10_000 {
		// Two in turn, because the kernel drops an event equal to the one before.
		if err := os.Chmod(filepath.Join(root, string("ab"[i%2])), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Unlock()
	for seen := (changes{}); !seen.all; seen = s.take() {
		receive(t, s.woken)
	}
	if got := s.follow([]lookout{{dir: root, owner: "root"}}); !slices.Equal(got, []string{"root"}) {
		t.Errorf("after an overflow %q are placed anew, want root", got)
	}
}

func TestSightWarnsOnceOfAFolder(t *testing.T) {
	book := new(logBook)
	s := newSight(t, allOps, book.logger())
	wanted := []lookout{{dir: "/" + strings.Repeat("x", 5000), owner: "x"}} // ENAMETOOLONG
	for range 3 {
		if got := s.follow(wanted); got != nil {
			t.Errorf("%q are under watch", got)
		}
	}
	if got := strings.Count(book.String(), "folder cannot be watched"); got != 1 {
		t.Errorf("%d warnings, want 1", got)
	}
}

// TestSightAtTheLimit runs itself once more in a user namespace of its own, in
// which the kernel allows four watches.
func TestSightAtTheLimit(t *testing.T) {
	const sign = "RELOAD_TEST_LIMITED"
	if os.Getenv(sign) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSightAtTheLimit$", "-test.v")
		cmd.Env = append(os.Environ(), sign+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		switch {
		case len(out) == 0 && err != nil:
			t.Skipf("no user namespace here: %v", err)
		case strings.Contains(string(out), "--- SKIP"):
			t.Skipf("%s", out)
		case err != nil:
			t.Errorf("%s", out)
		}
		return
	}

	if err := os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("4"), 0); err != nil {
		t.Skip(err)
	}
	root := tempDir(t)
	var wanted []lookout
	for i := range 10 {
		dir := filepath.Join(root, fmt.Sprint(i))
		mkdir(t, dir)
		wanted = append(wanted, lookout{dir: dir, owner: fmt.Sprint(i)})
	}
	book := new(logBook)
	s := newSight(t, allOps, book.logger())
	if got := s.follow(wanted); len(got) != 4 {
		t.Errorf("%d folders are under watch, want 4", len(got))
	}
	s.follow(wanted)
	if got := strings.Count(book.String(), "fs.inotify.max_user_watches"); got != 1 {
		t.Errorf("%d warnings that name the limit, want 1:\n%s", got, book)
	}
	s.follow(wanted[6:]) // now there is room
	for _, owner := range []string{"6", "7", "8", "9"} {
		write(t, "", root, owner, "x")
		takeUntil(t, s, owner)
	}
}

func TestSightClosesWhileEventsCome(t *testing.T) {
	root := tempDir(t)
	s := openSight(allOps, slog.New(slog.DiscardHandler))
	s.follow([]lookout{{dir: root, owner: "root"}})
	for range 100 {
		write(t, "1", root, "x")
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.close()
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("close does not return")
	}
}
