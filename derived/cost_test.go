// SPDX-License-Identifier: Apache-2.0

package derived

import (
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"cfgsrv/configfiles"
	"cfgsrv/internal/tlv/tlvtest"
)

// usualMaster is a configuration of the usual 14 KiB.
func usualMaster() string {
	return "<device><encrConfig>false</encrConfig>" + strings.Repeat("<x>0123456789</x>\n", 800) + "</device>"
}

func drain(t testing.TB, s configfiles.Source, req configfiles.Request, buf []byte) {
	f, err := s.Open(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Content.Read(buf)
	}
	if f.Content.Close(); err != io.EOF {
		t.Fatal(err)
	}
}

// A signed answer that was made before costs little more than the plain one:
// what is in the file is neither hashed nor held.
func TestAllocationsOfKeptAnswers(t *testing.T) {
	s := newSite(t, map[string]string{
		open.Master(): usualMaster(), keyed.Master(): master(keyed, true) + strings.Repeat(" ", 14<<10),
	}, nil)
	s.settle(open.Master())
	s.settle(keyed.Master())
	buf := make([]byte, 32<<10)
	for _, c := range []struct {
		name  string
		as    configfiles.Form
		path  string
		limit float64
		bytes uint64
	}{
		{open.Master() + ".sgn", configfiles.Signed, open.Master(), 14, 1536},
		{keyed.Master() + ".enc.sgn", configfiles.Encrypted, keyed.Master(), 18, 1536},
		{"ITLFile.tlv", configfiles.TrustList, "", 3, 256},
	} {
		req := request(t, c.name, overTFTP)
		req.As, req.Path = c.as, c.path
		drain(t, s.Source, req, buf)
		if got := testing.AllocsPerRun(100, func() { drain(t, s.Source, req, buf) }); got > c.limit {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.limit)
		}
		if got := tlvtest.AllocatedBytes(func() { drain(t, s.Source, req, buf) }); !tlvtest.Race && got > c.bytes {
			t.Errorf("%s: %d bytes, want at most %d", c.name, got, c.bytes)
		}
	}
}

// Behind the guard a signed answer asks the disk for nothing that the plain one
// does not, and copies nothing.
func TestAllocationsOfSignedAnswers(t *testing.T) {
	s := newSite(t, map[string]string{open.Master(): usualMaster()}, nil)
	s.settle(open.Master())
	buf := make([]byte, 32<<10)
	cost := func(name string) (allocations float64, bytes uint64) {
		req := request(t, name, overTFTP)
		for range 3 { // made, kept, kept whole
			drain(t, s.guard, req, buf)
		}
		return testing.AllocsPerRun(100, func() { drain(t, s.guard, req, buf) }),
			tlvtest.AllocatedBytes(func() { drain(t, s.guard, req, buf) })
	}
	plain, plainBytes := cost(open.Master())
	signed, signedBytes := cost(open.Master() + ".sgn")
	if signed > plain+6 || !tlvtest.Race && signedBytes > plainBytes+1024 {
		t.Errorf("%v allocations of %d bytes, the plain one has %v of %d", signed, signedBytes, plain, plainBytes)
	}
}

// A file of hundreds of MiB is never in memory, neither when it is signed nor
// when it is served.
func TestLargeFilesAreStreamed(t *testing.T) {
	const size = 200 << 20
	s := newSite(t, map[string]string{"load.bin": ""}, nil)
	if err := os.Truncate(s.path("load.bin"), size); err != nil {
		t.Fatal(err)
	}
	req := request(t, "load.bin.sgn", overHTTP)
	for _, what := range []string{"made", "kept"} {
		before := allocated()
		f, err := s.guard.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if grown := allocated() - before; grown > 1<<20 {
			t.Errorf("%s: opening took %d bytes of memory", what, grown)
		}
		if what == "kept" {
			// Beginning and end are as good as all.
			if _, err := f.Content.Seek(-1<<20, io.SeekEnd); err != nil {
				t.Fatal(err)
			}
		}
		before = allocated()
		n, err := io.Copy(io.Discard, f.Content)
		if err != nil || what == "made" && n != f.Size || f.Size < size {
			t.Errorf("%s: read %d of %d bytes, %v", what, n, f.Size, err)
		}
		if grown := allocated() - before; grown > 1<<20 {
			t.Errorf("%s: reading took %d bytes of memory", what, grown)
		}
		f.Content.Close()
	}
	if got := s.signed.Load(); got != 1 {
		t.Errorf("signed %d times, want once", got)
	}
}

// allocated is how many bytes were ever taken.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func BenchmarkAnswer(b *testing.B) {
	s := newSite(b, map[string]string{
		open.Master(): usualMaster(), keyed.Master(): master(keyed, true) + strings.Repeat(" ", 14<<10),
	}, nil)
	s.settle(open.Master())
	s.settle(keyed.Master())
	buf := make([]byte, 32<<10)
	for _, c := range []struct{ what, name string }{
		{"plain", open.Master()}, {"signed", open.Master() + ".sgn"}, {"short", keyed.Master() + ".sgn"},
		{"encrypted", keyed.Master() + ".enc.sgn"}, {"list", "ITLFile.tlv"},
	} {
		b.Run(c.what, func(b *testing.B) {
			req := request(b, c.name, overTFTP)
			b.ReportAllocs()
			for b.Loop() {
				drain(b, s.guard, req, buf)
			}
		})
	}
}
