// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run is one call of a Func, and what it saw.
type run struct{ reason, saw string }

// start runs w until the end of the test. Each call of its Func waits until the
// test receives what look has returned.
func start(t *testing.T, w *Watcher, look func() (string, error)) <-chan run {
	t.Helper()
	runs := make(chan run)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx, func(ctx context.Context, reason string) error {
			saw, err := look()
			select {
			case runs <- run{reason, saw}:
			case <-ctx.Done():
			}
			return err
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return runs
}

// content returns a look at a file; a missing one is empty.
func content(path string) func() (string, error) {
	return func() (string, error) {
		b, _ := os.ReadFile(path)
		return string(b), nil
	}
}

// await receives runs until one saw what is wanted.
func await(t *testing.T, runs <-chan run, want string) {
	t.Helper()
	for {
		r := receive(t, runs)
		if r.reason != Start && r.reason != Change {
			t.Fatalf("a run for the reason %q, want events alone", r.reason)
		}
		if r.saw == want {
			return
		}
	}
}

func TestRunSeesChanges(t *testing.T) {
	type step struct {
		do   func(t *testing.T, root string)
		want string // content of certs/x.pem, or of cfgsrv.toml where that is all there is
	}
	const pem = "certs/x.pem"
	for _, tt := range []struct {
		name  string
		make  func(t *testing.T, root string)
		file  string // watched alone; else certs is
		steps []step
	}{
		{
			name: "written, replaced, moved away, removed",
			make: func(t *testing.T, root string) { mkdir(t, root, "certs") },
			steps: []step{
				{func(t *testing.T, root string) { write(t, "1", root, pem) }, "1"},
				{func(t *testing.T, root string) { write(t, "2", root, pem) }, "2"},
				{func(t *testing.T, root string) {
					write(t, "3", root, "certs/.x.tmp")
					rename(t, filepath.Join(root, "certs/.x.tmp"), filepath.Join(root, pem))
				}, "3"},
				{func(t *testing.T, root string) {
					write(t, "4", root, "outside")
					rename(t, filepath.Join(root, "outside"), filepath.Join(root, pem))
				}, "4"},
				{func(t *testing.T, root string) {
					rename(t, filepath.Join(root, pem), filepath.Join(root, "certs/x.bak"))
				}, ""},
				{func(t *testing.T, root string) { write(t, "5", root, pem) }, "5"},
				{func(t *testing.T, root string) { remove(t, root, pem) }, ""},
			},
		}, {
			name: "folder removed and made again",
			make: func(t *testing.T, root string) { mkdir(t, root, "certs"); write(t, "1", root, pem) },
			steps: []step{
				{func(t *testing.T, root string) { remove(t, root, "certs") }, ""},
				{func(t *testing.T, root string) { mkdir(t, root, "certs"); write(t, "2", root, pem) }, "2"},
				{func(t *testing.T, root string) { write(t, "3", root, pem) }, "3"},
				{func(t *testing.T, root string) {
					remove(t, root, "certs")
					mkdir(t, root, "certs")
					write(t, "4", root, pem)
				}, "4"},
				{func(t *testing.T, root string) { write(t, "5", root, pem) }, "5"},
			},
		}, {
			name: "folder exchanged for another",
			make: func(t *testing.T, root string) { mkdir(t, root, "certs"); write(t, "1", root, pem) },
			steps: []step{
				{func(t *testing.T, root string) {
					mkdir(t, root, "new")
					write(t, "2", root, "new/x.pem")
					rename(t, filepath.Join(root, "certs"), filepath.Join(root, "old"))
					rename(t, filepath.Join(root, "new"), filepath.Join(root, "certs"))
				}, "2"},
				{func(t *testing.T, root string) { write(t, "3", root, pem) }, "3"},
			},
		}, {
			name: "folder that does not exist yet, nor its parent",
			make: func(t *testing.T, root string) { link(t, "data/etc/certs", root, "certs") },
			steps: []step{
				{func(t *testing.T, root string) { mkdir(t, root, "data/etc/certs"); write(t, "1", root, pem) }, "1"},
				{func(t *testing.T, root string) { write(t, "2", root, pem) }, "2"},
			},
		}, {
			name: "folder behind a link that is exchanged",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "v1")
				write(t, "1", root, "v1/x.pem")
				link(t, "v1", root, "certs")
			},
			steps: []step{
				{func(t *testing.T, root string) {
					mkdir(t, root, "v2")
					write(t, "2", root, "v2/x.pem")
					link(t, "v2", root, "certs.new")
					rename(t, filepath.Join(root, "certs.new"), filepath.Join(root, "certs"))
				}, "2"},
				{func(t *testing.T, root string) { write(t, "3", root, "v2/x.pem") }, "3"},
			},
		}, {
			name: "certificate renewed by certbot",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "certs")
				mkdir(t, root, "le/live/ucm1")
				mkdir(t, root, "le/archive/ucm1")
				write(t, "1", root, "le/archive/ucm1/fullchain1.pem")
				link(t, "../../archive/ucm1/fullchain1.pem", root, "le/live/ucm1/fullchain.pem")
				link(t, filepath.Join(root, "le/live/ucm1/fullchain.pem"), root, pem)
			},
			steps: []step{
				{func(t *testing.T, root string) {
					write(t, "2", root, "le/archive/ucm1/fullchain2.pem")
					remove(t, root, "le/live/ucm1/fullchain.pem")
					link(t, "../../archive/ucm1/fullchain2.pem", root, "le/live/ucm1/fullchain.pem")
				}, "2"},
				{func(t *testing.T, root string) { write(t, "3", root, "le/archive/ucm1/fullchain2.pem") }, "3"},
			},
		}, {
			name: "secret updated by Kubernetes",
			make: func(t *testing.T, root string) {
				mkdir(t, root, "certs/..2024_1")
				write(t, "1", root, "certs/..2024_1/x.pem")
				link(t, "..2024_1", root, "certs/..data")
				link(t, "..data/x.pem", root, pem)
			},
			steps: []step{
				{func(t *testing.T, root string) {
					mkdir(t, root, "certs/..2024_2")
					write(t, "2", root, "certs/..2024_2/x.pem")
					link(t, "..2024_2", root, "certs/..data_tmp")
					rename(t, filepath.Join(root, "certs/..data_tmp"), filepath.Join(root, "certs/..data"))
					remove(t, root, "certs/..2024_1")
				}, "2"},
				{func(t *testing.T, root string) { write(t, "3", root, "certs/..2024_2/x.pem") }, "3"},
			},
		}, {
			name: "single file",
			make: func(t *testing.T, root string) {},
			file: "cfgsrv.toml",
			steps: []step{
				{func(t *testing.T, root string) { write(t, "1", root, "cfgsrv.toml") }, "1"},
				{func(t *testing.T, root string) {
					write(t, "2", root, "cfgsrv.toml~")
					rename(t, filepath.Join(root, "cfgsrv.toml~"), filepath.Join(root, "cfgsrv.toml"))
				}, "2"},
				{func(t *testing.T, root string) { remove(t, root, "cfgsrv.toml") }, ""},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tempDir(t)
			tt.make(t, root)
			cfg := Config{Settle: 20 * time.Millisecond, Every: never}
			path := filepath.Join(root, pem)
			if tt.file != "" {
				path = filepath.Join(root, tt.file)
				cfg.Files = []string{path}
			} else {
				cfg.Folders = func() []string { return []string{filepath.Join(root, "certs")} }
			}
			runs := start(t, New(cfg), content(path))
			if r := receive(t, runs); r.reason != Start {
				t.Errorf("the first run is for the reason %q, want %q", r.reason, Start)
			}
			for _, s := range tt.steps {
				s.do(t, root)
				await(t, runs, s.want)
			}
		})
	}
}

// TestRunFollowsFolders checks that a folder which comes up in a run is watched
// from then on, and looked at again for what went unseen in between.
func TestRunFollowsFolders(t *testing.T) {
	root := tempDir(t)
	mkdir(t, root, "a")
	mkdir(t, root, "b")
	folder := filepath.Join(root, "a")
	look := func() (string, error) {
		folder = filepath.Join(root, "b")
		return content(filepath.Join(root, "b/x"))()
	}
	w := New(Config{Folders: func() []string { return []string{folder} }, Settle: time.Millisecond, Every: never})
	runs := start(t, w, look)
	for _, want := range []string{Start, Change} {
		if r := receive(t, runs); r.reason != want {
			t.Errorf("a run for the reason %q, want %q", r.reason, want)
		}
	}
	write(t, "1", root, "b/x")
	await(t, runs, "1")
}

func TestEventsDuringARunAreOneMore(t *testing.T) {
	root := tempDir(t)
	w := New(Config{Folders: func() []string { return []string{root} }, Settle: 300 * time.Millisecond, Every: never})
	runs := start(t, w, content(filepath.Join(root, "x")))
	// The first run goes on until it is received.
	for i := range 300 {
		write(t, strings.Repeat("x", i), root, "x")
	}
	if r := receive(t, runs); r.reason != Start {
		t.Fatalf("the first run is for the reason %q", r.reason)
	}
	if r, want := receive(t, runs), (run{Change, strings.Repeat("x", 299)}); r != want {
		t.Errorf("the next run is %v, want %v", r, want)
	}
	w.Trigger("end")
	if r := receive(t, runs); r.reason != "end" {
		t.Errorf("a run for the reason %q after the one for the burst", r.reason)
	}
}

func TestTrigger(t *testing.T) {
	w := New(Config{Every: never})
	w.Trigger("early")
	runs := start(t, w, func() (string, error) { return "", nil })
	for _, want := range []string{Start, "early"} {
		if r := receive(t, runs); r.reason != want {
			t.Errorf("a run for the reason %q, want %q", r.reason, want)
		}
	}
	w.Trigger("SIGHUP")
	if r := receive(t, runs); r.reason != "SIGHUP" {
		t.Errorf("a run for the reason %q, want SIGHUP", r.reason)
	}
}

func TestRunGoesOnAfterAnError(t *testing.T) {
	root := tempDir(t)
	book := new(logBook)
	path := filepath.Join(root, "x")
	w := New(Config{Folders: func() []string { return []string{root} }, Settle: time.Millisecond, Every: never, Log: book.logger()})
	runs := start(t, w, func() (string, error) {
		saw, _ := content(path)()
		if saw == "bad" {
			return saw, errors.New("reading x: it is bad")
		}
		return saw, nil
	})
	receive(t, runs)
	write(t, "bad", path)
	await(t, runs, "bad")
	write(t, "good", path)
	await(t, runs, "good")
	want := `level=ERROR msg="reload failed" reason=change`
	if log := book.String(); !strings.Contains(log, want) || !strings.Contains(log, `err="reading x: it is bad"`) {
		t.Errorf("want %s and the error logged, got\n%s", want, log)
	}
}

func TestTimerLogsAKnownErrorOnce(t *testing.T) {
	book := new(logBook)
	fault := errors.New("one")
	w := New(Config{Every: time.Millisecond, Log: book.logger()})
	runs := start(t, w, func() (string, error) { return "", fault })
	for range 5 {
		receive(t, runs)
	}
	w.Trigger("SIGHUP")
	for receive(t, runs).reason != "SIGHUP" {
	}
	receive(t, runs) // so that the run before has been logged
	if got, want := strings.Count(book.String(), "err=one"), 2; got != want {
		t.Errorf("logged %d times, want %d: at the start and for SIGHUP\n%s", got, want, book)
	}
}

func TestRunEndsAfterItsFunc(t *testing.T) {
	book := new(logBook)
	w := New(Config{Log: book.logger()})
	ctx, cancel := context.WithCancel(t.Context())
	returned := false
	w.Run(ctx, func(ctx context.Context, _ string) error {
		cancel()
		<-ctx.Done()
		returned = true
		return ctx.Err()
	})
	if !returned {
		t.Error("Run returned before its Func")
	}
	if log := book.String(); log != "" {
		t.Errorf("the end was logged as a fault: %s", log)
	}
}

// TestRunWithoutInotify takes all file descriptors away while Run starts.
func TestRunWithoutInotify(t *testing.T) {
	root := tempDir(t)
	path := filepath.Join(root, "x")
	book := new(logBook)
	w := New(Config{Folders: func() []string { return []string{root} }, Every: 10 * time.Millisecond, Log: book.logger()})
	restore := limitDescriptors(t, 3)
	runs := start(t, w, content(path))
	r := receive(t, runs)
	restore()
	write(t, "1", path)
	var reasons []string
	for r.saw != "1" {
		r = receive(t, runs)
		reasons = append(reasons, r.reason)
	}
	if slices.ContainsFunc(reasons, func(reason string) bool { return reason != Timer }) {
		t.Errorf("runs for the reasons %q, want the timer alone", reasons)
	}
	if got := strings.Count(book.String(), "fs.inotify.max_user_watches"); got != 1 {
		t.Errorf("%d warnings that name the limit, want 1:\n%s", got, book)
	}
}

// limitDescriptors sets the number of files that this process may have open.
func limitDescriptors(t *testing.T, n uint64) (restore func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limited := before
	limited.Cur = n
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limited); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}
