// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cfgsrv/configfiles"
	"cfgsrv/configfiles/configfilestest"
	"cfgsrv/signedfile"
)

func parseSigned(t testing.TB, b []byte) *signedfile.File {
	t.Helper()
	f, err := signedfile.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSource(t *testing.T) {
	s := newSite(t, map[string]string{"a.xml": "<a/>", open.Master(): master(open, false), keyed.Master(): master(keyed, true)}, nil)
	want := func(name string, as configfiles.Form, path string) configfilestest.Want {
		b, err := s.get(name, overTFTP)
		if err != nil {
			t.Fatal(err)
		}
		req := request(t, name, overTFTP)
		req.As, req.Path = as, path
		return configfilestest.Want{Request: req, Content: string(b), As: as}
	}
	missing := request(t, "missing.xml.sgn", overTFTP)
	missing.As, missing.Path = configfiles.Signed, "missing.xml"
	configfilestest.TestSource(t, s.Source, missing,
		want("a.xml.sgn", configfiles.Signed, "a.xml"),
		want("ITLFile.tlv", configfiles.TrustList, ""),
		want(keyed.Master()+".sgn", configfiles.Short, keyed.Master()),
		want(keyed.Master()+".enc.sgn", configfiles.Encrypted, keyed.Master()),
	)
}

// However many ask at once, and in whatever form, each is made once.
func TestManyRequestsMakeOne(t *testing.T) {
	const many = 500
	s := newSite(t, map[string]string{"Ringlist.xml": "rings", keyed.Master(): master(keyed, true)}, nil)
	for _, c := range []struct {
		name              string
		signed, encrypted int64
	}{
		{"Ringlist.xml.sgn", 1, 0}, {keyed.Master() + ".enc.sgn", 0, 1}, {keyed.Master() + ".sgn", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.signed.Store(0)
			s.encrypted.Store(0)
			var group sync.WaitGroup
			answers := make([][]byte, many)
			start := make(chan struct{})
			for i := range many {
				group.Go(func() {
					<-start
					b, err := s.get(c.name, overTFTP)
					if err != nil {
						t.Error(err)
					}
					answers[i] = b
				})
			}
			close(start)
			group.Wait()
			for _, b := range answers {
				if !bytes.Equal(b, answers[0]) {
					t.Fatal("the answers differ")
				}
			}
			if signed, encrypted := s.signed.Load(), s.encrypted.Load(); signed != c.signed || encrypted != c.encrypted {
				t.Errorf("%d requests signed %d times and encrypted %d times, want %d and %d", many, signed, encrypted, c.signed, c.encrypted)
			}
		})
	}
}

// A change on disk shows in the next answer, also where the clock of the file
// system is too slow to tell and the length stays.
func TestChangesAreNeverMissed(t *testing.T) {
	s := newSite(t, map[string]string{"a.xml": "start"}, nil)
	for i := range 80 {
		content := fmt.Sprintf("%05d", i)
		s.write("a.xml", content)
		if got, want := s.ask("a.xml.sgn", overTFTP), "signed "+content; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// The same bytes keep their signature, whatever happened to the file.
func TestSignaturesFollowTheContent(t *testing.T) {
	s := newSite(t, map[string]string{"a.xml": "content"}, nil)
	first, err := s.get("a.xml.sgn", overTFTP)
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func() error{
		"asked again":   func() error { return nil },
		"touched":       func() error { return os.Chtimes(s.path("a.xml"), time.Time{}, time.Now().Add(-time.Hour)) },
		"written again": func() error { return os.WriteFile(s.path("a.xml"), []byte("content"), 0o600) },
		"replaced": func() error {
			return errors.Join(os.WriteFile(s.path(".new"), []byte("content"), 0o600), os.Rename(s.path(".new"), s.path("a.xml")))
		},
		"settled": func() error { s.settle("a.xml"); return nil },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if b, err := s.get("a.xml.sgn", overTFTP); err != nil || !bytes.Equal(b, first) {
			t.Errorf("%s: the answer is another, %v", what, err)
		}
	}
	if got := s.signed.Load(); got != 1 {
		t.Errorf("signed %d times, want once", got)
	}
}

// What is being sent when the file is written to does not end as if nothing had
// happened: its signature would not go with it.
func TestFileChangedWhileItIsServed(t *testing.T) {
	body := strings.Repeat("0123456789", 10<<10)
	for name, test := range map[string]struct {
		change func(path string) error
		want   error
	}{
		"truncated": {func(p string) error { return os.Truncate(p, 10) }, errChanged},
		"appended to": {func(p string) error {
			f, err := os.OpenFile(p, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("more")
			return errors.Join(err, f.Close())
		}, errChanged},
		"rewritten": {func(p string) error { return os.WriteFile(p, []byte(strings.ToUpper(body)), 0o600) }, errChanged},
		"replaced": {func(p string) error {
			return errors.Join(os.WriteFile(p+".new", []byte("other"), 0o600), os.Rename(p+".new", p))
		}, nil},
		"removed": {os.Remove, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, map[string]string{"a.bin": body}, nil)
			s.settle("a.bin")
			f, err := s.open(t.Context(), "a.bin.sgn")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Content.Close()
			if _, err := io.ReadFull(f.Content, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := test.change(s.path("a.bin")); err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, f.Content)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if whole := 1000+n == f.Size; whole != (test.want == nil) {
				t.Errorf("%d of %d bytes came", 1000+n, f.Size)
			}
		})
	}
}

// long is a content that is too large to be in memory when its file is opened.
func long(content string) string { return content + strings.Repeat(".", 64<<10) }

// interrupted is a Source whose files do something when they are read.
type interrupted struct {
	configfiles.Source
	opened int
	read   func(nth int) // nth is which opening of the file it is, from 1
}

func (i *interrupted) Open(ctx context.Context, req configfiles.Request) (*configfiles.File, error) {
	f, err := i.Source.Open(ctx, req)
	if err != nil {
		return nil, err
	}
	i.opened++
	nth := i.opened
	f.Content = &onRead{File: f.Content.(*os.File), do: func() { i.read(nth) }}
	return f, nil
}

type onRead struct {
	*os.File
	do func()
}

func (o *onRead) Read(p []byte) (int, error) {
	o.do()
	return o.File.Read(p)
}

func (o *onRead) WriteTo(io.Writer) (int64, error) { panic("not for this test") }

// A file that is written to while it is signed gets no signature at all, and
// the next request signs what is there then.
func TestFileChangedWhileItIsSigned(t *testing.T) {
	for name, pass := range map[string]int{"while its content is taken": 1, "while it is signed": 2} {
		t.Run(name, func(t *testing.T) {
			src := &interrupted{}
			s := newSite(t, map[string]string{"a.xml": long("old content")}, func(c *Config) { src.Source = c.Files; c.Files = src })
			s.settle("a.xml")
			src.read = func(nth int) {
				if nth == pass {
					s.write("a.xml", long("new content"))
				}
			}
			if _, err := s.get("a.xml.sgn", overTFTP); !errors.Is(err, errChanged) {
				t.Errorf("got %v, want %v", err, errChanged)
			}
			src.read = func(int) {}
			if got := s.ask("a.xml.sgn", overTFTP); got != "signed "+long("new content") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestCancelledRequests(t *testing.T) {
	src := &interrupted{read: func(int) {}}
	s := newSite(t, map[string]string{"a.xml": long("content")}, func(c *Config) { src.Source = c.Files; c.Files = src })
	ctx, cancel := context.WithCancel(t.Context())
	src.read = func(int) { cancel() }
	if _, err := s.open(ctx, "a.xml.sgn"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if got := s.signed.Load(); got != 0 {
		t.Errorf("signed %d times for nobody", got)
	}

	// One that ends while it signs does not take the others' signature along.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	src.opened = 0
	src.read = func(nth int) {
		if nth == 2 {
			cancel()
		}
	}
	f, err := s.open(ctx, "a.xml.sgn")
	if err != nil {
		t.Fatal(err)
	}
	f.Content.Close()
	src.read = func(int) {}
	if got := s.ask("a.xml.sgn", overTFTP); got != "signed "+long("content") || s.signed.Load() != 1 {
		t.Errorf("got %q, signed %d times", got, s.signed.Load())
	}
}

// The name inside is the name as it was asked for, byte for byte.
func TestNameInsideIsTheNameAskedFor(t *testing.T) {
	s := newSite(t, map[string]string{"New_Zealand/g3-tones.xml": "tones"}, nil)
	for _, name := range []string{"New_Zealand/g3-tones.xml.sgn", "new_zealand/G3-TONES.XML.SGN", "g3-tones.xml.sgn", "G3-tones.xml.Sgn"} {
		b, err := s.get(name, overHTTP)
		if err != nil {
			t.Fatal(err)
		}
		if got := parseSigned(t, b).FileName(); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	if got := s.signed.Load(); got != 4 {
		t.Errorf("signed %d times, want once for each name", got)
	}
}

// A signed file that comes from a source without a disk is signed all the same.
func TestSignsWhatLiesOnNoDisk(t *testing.T) {
	s := newSite(t, nil, func(c *Config) { c.Files = configfilestest.Map{"a.xml.sgn": "content"} })
	req := request(t, "a.xml.sgn", overTFTP)
	req.As = configfiles.Signed
	for range 2 {
		f, err := s.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f.Content)
		if err != nil || string(parseSigned(t, b).Body) != "content" {
			t.Errorf("got %q, %v", b, err)
		}
	}
	if got := s.signed.Load(); got != 1 {
		t.Errorf("signed %d times, want once", got)
	}
}
