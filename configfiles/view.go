// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
)

// view is how one request sees files/. The root folder is looked at once in it,
// and the index is compared with the disk once, or twice where files are on the
// move; neither if a content that is kept is all it takes.
type view struct {
	directory *Directory
	tree      *tree // the one that stands at the path, once the view is settled
	settled   bool
	root      stamp // of the root folder when it was looked at; zero if unknown
	index     *index
}

// settle looks which tree now stands at the path: the folder may have been
// replaced by another, or be a link that now leads elsewhere.
func (v *view) settle() error {
	if v.settled {
		return nil
	}
	s, err := stampAt(v.directory.path)
	switch {
	case err != nil:
		// While one folder takes another's place there may be none; what is
		// open is then the best there is.
	case s.place() == v.tree.place:
		v.root = s
	default:
		t, err := v.directory.reopen(s.place())
		if err != nil {
			return err
		}
		v.tree = t
	}
	v.settled = true
	return nil
}

// recall is the file of that name in the root folder, if its content is kept. It
// needs no settled view: a file that is the same and unchanged is what open would
// find, whichever folder now stands at the path. That is so in the root folder
// alone: a folder below it may by now be a link out of it.
func (v *view) recall(name string) (handle, bool) {
	if strings.Contains(name, "/") {
		return handle{}, false
	}
	c, ok := v.tree.contents.get(name)
	if !ok {
		return handle{}, false
	}
	s, err := stampOfEntry(v.tree.path + "/" + name)
	if err != nil || s != c.stamp {
		return handle{}, false
	}
	return handle{path: name, content: c}, true
}

// open opens the one file that bears the name by the rules of Directory.
func (v *view) open(ctx context.Context, name string) (handle, error) {
	if err := v.settle(); err != nil {
		return handle{}, err
	}
	h, err := v.tree.open(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	return only(name, v.found(ctx, name, true), err)
}

// openUnlikely is open for a name that hardly any file bears.
func (v *view) openUnlikely(ctx context.Context, name string) (handle, error) {
	if err := v.settle(); err != nil {
		return handle{}, err
	}
	if v.lacks(ctx, name) {
		return handle{}, fs.ErrNotExist
	}
	return v.open(ctx, name)
}

// lacks says whether it is sure by the index alone that no file bears the name,
// so that the disk need not be asked for it. It needs a settled view. The index
// does not know where links and hidden folders lead, nor what is hidden in the
// root.
func (v *view) lacks(ctx context.Context, name string) bool {
	if name[0] == '.' || strings.Contains(name, "/") {
		return false
	}
	if v.index == nil {
		x, err := v.tree.upToDate(ctx, v.root)
		if err != nil {
			return false
		}
		v.index = x
	}
	return v.index.complete() && !v.index.has(name)
}

// openSpelled is open without the last rule: a file in a folder does not bear
// a name that has none.
func (v *view) openSpelled(ctx context.Context, name string) (handle, error) {
	if err := v.settle(); err != nil {
		return handle{}, err
	}
	if v.lacks(ctx, name) {
		return handle{}, fs.ErrNotExist
	}
	h, err := v.tree.open(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	return only(name, v.found(ctx, name, false), err)
}

// bearers yields every file that bears the name at the first rule that has
// any. The receiver closes each.
func (v *view) bearers(ctx context.Context, name string) iter.Seq2[handle, error] {
	return func(yield func(handle, error) bool) {
		if err := v.settle(); err != nil {
			yield(handle{}, err)
			return
		}
		h, err := v.tree.open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			yield(h, err)
			return
		}
		v.found(ctx, name, true)(yield)
	}
}

// found yields the files that bear the name by the rules after the first. Where
// there are none although the index names one, it may have been moved just now:
// then the index is compared with the disk once more. An error that is
// fs.ErrNotExist says that it still seems to be on the move.
func (v *view) found(ctx context.Context, name string, anywhere bool) iter.Seq2[handle, error] {
	return func(yield func(handle, error) bool) {
		for again := false; ; again = true {
			if v.index == nil || again {
				if again {
					v.root = stamp{}
				}
				x, err := v.tree.upToDate(ctx, v.root)
				if err != nil {
					yield(handle{}, err)
					return
				}
				if x == v.index {
					return // what it names are links that lead nowhere
				}
				v.index = x
			}
			found, gone := v.byIndex(name, anywhere, yield)
			if found || !gone && !v.index.torn {
				return
			}
			if again {
				yield(handle{}, &NotFoundError{Reason: "files are being moved, among them perhaps " + name})
				return
			}
		}
	}
}

func (v *view) byIndex(name string, anywhere bool, yield func(handle, error) bool) (found, gone bool) {
	found, gone = v.each(v.index.spelled(name), yield)
	if found || !anywhere || strings.Contains(name, "/") {
		return found, gone
	}
	found, alsoGone := v.each(v.index.named(name), yield)
	return found, gone || alsoGone
}

// each opens those of the paths that are files: the index is a hint. It says
// whether there were any, and whether there were others that are none.
func (v *view) each(paths iter.Seq[string], yield func(handle, error) bool) (found, gone bool) {
	for path := range paths {
		h, err := v.tree.open(path)
		if errors.Is(err, fs.ErrNotExist) {
			gone = true
			continue
		}
		found = true
		if !yield(h, err) {
			break
		}
	}
	return found, gone
}

// only returns the one file that bears the name, or the error missing if there
// is none. One file under several names, by links, is still one.
func only(name string, bearers iter.Seq2[handle, error], missing error) (handle, error) {
	var first handle
	for h, err := range bearers {
		switch {
		case err != nil:
			first.close()
			return handle{}, err
		case !first.exists():
			first = h
		case first.stamp.place() == h.stamp.place():
			h.close()
		default:
			first.close()
			h.close()
			return handle{}, bothBear(name, first.path, h.path)
		}
	}
	if !first.exists() {
		return handle{}, missing
	}
	return first, nil
}

func bothBear(name, first, second string) error {
	return &NotFoundError{Reason: "both " + first + " and " + second + " bear the name " + name, twice: true}
}
