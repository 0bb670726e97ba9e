// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func fakeSource(name string, kind Kind, open func() (io.ReadCloser, error)) Source {
	return Source{Name: name, Kind: kind, open: open}
}

// readers is a source whose every open gives the next reader.
func readers(all ...io.Reader) Source {
	return fakeSource("fake", Other, func() (io.ReadCloser, error) {
		next := all[0]
		all = all[1:]
		return io.NopCloser(next), nil
	})
}

func TestDrawFromRealSources(t *testing.T) {
	dir := t.TempDir()
	short, missing, pipe := filepath.Join(dir, "short"), filepath.Join(dir, "missing"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(short, make([]byte, StartUpSamples-1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		source Source
		want   error
	}{
		{"getrandom", getrandomSource(), nil},
		{"urandom", fileSource("/dev/urandom"), nil},
		{"zero", fileSource("/dev/zero"), nil},
		{"too short", fileSource(short), errEnded},
		{"missing", fileSource(missing), unix.ENOENT},
		{"folder", fileSource(dir), unix.EISDIR},
		{"pipe that nobody writes", fileSource(pipe), errEnded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			samples, err := newSampler(test.source).draw(t.Context(), StartUpSamples)
			if err != test.want {
				t.Fatalf("got error %v, want %v", err, test.want)
			}
			if err == nil && len(samples) != StartUpSamples {
				t.Errorf("got %d samples", len(samples))
			}
		})
	}
}

// TestDrawFromSilentPipe shows that a real read that waits is ended by ctx.
func TestDrawFromSilentPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s := newSampler(fileSource(pipe))
	if _, err := s.draw(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v", err)
	}
	if _, err := writer.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	if samples, err := s.draw(t.Context(), 1); err != nil || samples[0] != 7 {
		t.Errorf("once there is a byte: %v, %v", samples, err)
	}
}

func TestDrawPiecewise(t *testing.T) {
	want := repeated(symbols(256), StartUpSamples)
	s := newSampler(readers(
		iotest.OneByteReader(bytes.NewReader(want)),
		iotest.DataErrReader(bytes.NewReader(want)),
		io.MultiReader(bytes.NewReader(want[:10]), iotest.ErrReader(unix.EIO)),
	))
	for _, name := range []string{"byte by byte", "with io.EOF at the last byte"} {
		if got, err := s.draw(t.Context(), len(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d samples, error %v", name, len(got), err)
		}
	}
	if _, err := s.draw(t.Context(), len(want)); err != unix.EIO {
		t.Errorf("fault after ten bytes: got error %v", err)
	}
}

// reluctant gives one byte for every n reads, EAGAIN for the others.
type reluctant struct{ n, reads int }

func (r *reluctant) Read(b []byte) (int, error) {
	if r.reads++; r.reads%r.n != 0 {
		return 0, unix.EAGAIN
	}
	b[0] = byte(r.reads)
	return 1, nil
}

func TestDrawRetriesWhenNothingIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if _, err := newSampler(readers(&reluctant{n: 2})).draw(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 100*retryPause {
			t.Errorf("took %s", took)
		}
	})
}

func TestDrawGivesUpWhenNothingIsEverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, r := range map[string]io.Reader{
			"EAGAIN":         iotest.ErrReader(unix.EAGAIN),
			"no byte at all": readerFunc(func([]byte) (int, error) { return 0, nil }),
		} {
			began := time.Now()
			if _, err := newSampler(readers(r)).draw(t.Context(), 1); err != errSilent {
				t.Errorf("%s: got error %v", name, err)
			}
			if took := time.Since(began); took != drawLimit {
				t.Errorf("%s: took %s", name, took)
			}
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// hang is a stream whose Read waits until it is let go, by Close too if it is
// polite.
type hang struct {
	polite bool
	once   sync.Once
	gone   chan struct{}
}

func newHang(polite bool) *hang { return &hang{polite: polite, gone: make(chan struct{})} }

func (h *hang) letGo() { h.once.Do(func() { close(h.gone) }) }

func (h *hang) Read([]byte) (int, error) {
	<-h.gone
	return 0, os.ErrClosed
}

func (h *hang) Close() error {
	if h.polite {
		h.letGo()
	}
	return nil
}

func TestDrawFromBlockingSource(t *testing.T) {
	tests := []struct {
		name   string
		polite bool
		took   time.Duration
	}{
		{"ended by Close", true, drawLimit},
		{"not ended by Close", false, drawLimit + closeLimit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stuck := newHang(test.polite)
				streams := []io.ReadCloser{stuck, io.NopCloser(bytes.NewReader(make([]byte, 1)))}
				s := newSampler(fakeSource("fake", Other, func() (io.ReadCloser, error) {
					next := streams[0]
					streams = streams[1:]
					return next, nil
				}))
				began := time.Now()
				if _, err := s.draw(t.Context(), 1); err != errSilent {
					t.Errorf("got error %v", err)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %s, want %s", took, test.took)
				}
				if !test.polite {
					if _, err := s.draw(t.Context(), 1); err != errBusy {
						t.Errorf("while the read hangs: got error %v", err)
					}
				}
				stuck.letGo()
				synctest.Wait()
				if _, err := s.draw(t.Context(), 1); err != nil {
					t.Errorf("after the read returned: got error %v", err)
				}
			})
		})
	}
}
