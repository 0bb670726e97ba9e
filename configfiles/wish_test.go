// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The wishes are bounded, and forgetting one costs only a reading.
func TestWishesAreBounded(t *testing.T) {
	var w wishes
	for i := range uint64(maxWishes + 100) {
		w.put(stamp{ino: i}, i%2 == 0)
	}
	if got := len(w.known); got != maxWishes {
		t.Errorf("%d wishes are kept, want %d", got, maxWishes)
	}
	last := stamp{ino: maxWishes + 99}
	if wish, ok := w.get(last); !ok || wish {
		t.Errorf("the last wish = %v, %v, want false, true", wish, ok)
	}
}

// A master that is written to in its place is judged anew, even by the same
// size and with its time of modification set back.
func TestWishFollowsTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "SEP001122334455.cnf.xml")
	write := func(wish string) {
		if err := os.WriteFile(path, []byte("<a><encrConfig>"+wish+"</encrConfig></a>"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("true")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var w wishes
	read := func() bool {
		h, err := openIn(root, filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		defer h.close()
		wish, err := w.of(&h)
		if err != nil {
			t.Error(err)
		}
		return wish
	}
	for i := range 100 {
		want := []string{"true", "fals"}[i%2]
		write(want)
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if got := read(); got != (want == "true") {
			t.Fatalf("change %d: the wish is %v of %q", i, got, want)
		}
	}
}

func TestWishOfAFileThatChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("<a/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h, err := openIn(root, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	if err := os.WriteFile(path, []byte("<a><b/></a>"), 0o600); err != nil {
		t.Fatal(err)
	}
	var w wishes
	if wish, err := w.of(&h); !wish || err == nil || !strings.Contains(err.Error(), "changes") {
		t.Errorf("of = %v, %v, want true and an error that says so", wish, err)
	}
}
