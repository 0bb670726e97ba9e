// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"cfgsrv/device"
)

// Faults looks through all of files/ for what will disappoint somebody: folders
// that cannot be listed, names that two files bear, and master files that
// cannot be read to the point of decision. It reads every master, a third of a
// millisecond each.
func (d *Directory) Faults(ctx context.Context) []error {
	d.Changed()
	t, x, err := d.index(ctx)
	if err != nil {
		return []error{err}
	}
	v := &view{tree: t, settled: true, index: x}
	faults := slices.Concat(x.unlisted(), v.ambiguities(ctx), v.unreadable(ctx))
	if err := ctx.Err(); err != nil {
		faults = append(faults, fmt.Errorf("looking for faults: %w", err))
	}
	return faults
}

func (x *index) unlisted() []error {
	var faults []error
	for _, f := range x.folders {
		if f.err != nil {
			faults = append(faults, fmt.Errorf("listing %s: %w", f.path, f.err))
		}
	}
	return faults
}

// ambiguities returns the names that requests do not find because two files
// bear them.
func (v *view) ambiguities(ctx context.Context) []error {
	var faults []error
	note := func(h handle, err error) {
		h.close()
		if missing := new(NotFoundError); errors.As(err, &missing) && missing.twice {
			faults = append(faults, err)
		}
	}
	for paths := range v.index.namesakes() {
		slices.SortFunc(paths, compareFold)
		for i := 1; i < len(paths); i++ {
			if equalFold(paths[i-1], paths[i]) {
				note(only(paths[i], v.found(ctx, paths[i], false), nil))
			}
		}
		if slices.ContainsFunc(paths, askedAlone) {
			note(v.open(ctx, lastElement(paths[0])))
		}
	}
	return faults
}

// namesakes yields the paths of each base name that two or more files bear.
func (x *index) namesakes() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for i := range x.entries {
			name := x.name(x.entries[i])
			first := *x.head(name)
			for !equalFold(x.name(x.entries[first-1]), name) {
				first = x.entries[first-1].next
			}
			if int(first-1) != i {
				continue // its namesakes are yielded with the first of the list
			}
			if paths := slices.Collect(x.named(name)); len(paths) > 1 && !yield(paths) {
				return
			}
		}
	}
}

// askedAlone says whether devices may ask for a file by its base name alone.
// They do not for what belongs to a language or a screen (FORMATS 1.2, rows 6
// and 8); there the same names in several folders are what is wanted.
func askedAlone(path string) bool {
	for _, suffix := range []string{".jar", "-tones.xml"} {
		if i := len(path) - len(suffix); i >= 0 && equalFold(path[i:], suffix) {
			return false
		}
	}
	return !hasPrefixFold(path, "Desktops/")
}

// unreadable returns the masters that count as encrConfig true because they
// cannot be read, in the order of their paths.
func (v *view) unreadable(ctx context.Context) []error {
	var (
		mu     sync.Mutex
		faults = map[string]error{}
		group  errgroup.Group
	)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for path := range v.index.paths() {
		if ctx.Err() != nil {
			break
		}
		if !device.IsMaster(path) {
			continue
		}
		group.Go(func() error {
			if err := v.check(path); err != nil {
				mu.Lock()
				defer mu.Unlock()
				faults[path] = fmt.Errorf("%w; it counts as encrConfig true", err)
			}
			return nil
		})
	}
	group.Wait()
	var sorted []error
	for _, path := range slices.Sorted(maps.Keys(faults)) {
		sorted = append(sorted, faults[path])
	}
	return sorted
}

func (v *view) check(path string) error {
	h, err := openIn(v.tree.root, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer h.close()
	_, err = readWish(&h)
	return err
}
