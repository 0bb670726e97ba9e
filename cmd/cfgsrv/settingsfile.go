// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxNonsense bounds how many statements that are no TOML are told.
const maxNonsense = 100

// places are where the settings and sections stand that the file has, as
// PATH:LINE:COLUMN by their names, such as tftp.block_size.
type places map[string]string

// settingsFile is cfgsrv.toml while it is read. The decoder ends at the first
// fault and tells it in the names of Go, so it is given one statement at a
// time, and only what suits the setting.
type settingsFile struct {
	path     string
	text     []byte
	parser   unstable.Parser
	settings *settings
	places   places
	faults   []settingsFault
}

type settingsFault struct {
	line, column int
	words        string
}

// readSettings reads the settings file over the defaults. A file that does not
// exist is an empty one. Every fault of the file is one error of the returned
// list, with line and column; what has none counts all the same.
func readSettings(path string) (settings, places, []error) {
	s := defaultSettings()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, []error{fmt.Errorf("reading the settings: %w", err)}
	}
	f := &settingsFile{path: path, text: text, settings: &s, places: places{}}
	f.leaveOutNonsense()
	f.read()
	if len(f.faults) == 0 {
		f.readWhole()
	}
	return s, f.places, f.errors()
}

// errors lists the faults in the order of their lines.
func (f *settingsFile) errors() []error {
	slices.SortStableFunc(f.faults, func(a, b settingsFault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var all []error
	for _, one := range f.faults {
		all = append(all, fmt.Errorf("%s:%d:%d: %s", f.path, one.line, one.column, one.words))
	}
	return all
}

func (f *settingsFile) fault(at unstable.Range, format string, a ...any) {
	start := f.parser.Shape(at).Start
	f.faults = append(f.faults, settingsFault{start.Line, start.Column, fmt.Sprintf(format, a...)})
}

// leaveOutNonsense blanks what is no TOML and tells it, so that what follows is
// read all the same.
func (f *settingsFile) leaveOutNonsense() {
	for range maxNonsense {
		f.parser.Reset(f.text)
		end := 0
		for f.parser.NextExpression() {
			end = expressionEnd(f.parser.Expression())
		}
		var e *unstable.ParserError
		if !errors.As(f.parser.Error(), &e) {
			return
		}
		at := f.parser.Range(e.Highlight)
		// A fault in a comment is before the next statement, one in a value of
		// several lines is after where that begins.
		line := min(f.nextStatement(end), f.lineStart(int(at.Offset)))
		if f.isHead(line) {
			f.fault(at, "%s; write a section as [name]", e.Message)
		} else {
			f.fault(at, "%s; write a setting as name = value, and text in quotes", e.Message)
		}
		f.blank(line)
	}
}

// expressionEnd is where the line of an expression may end, but for a comment.
func expressionEnd(e *unstable.Node) int {
	if e.Kind == unstable.KeyValue {
		return int(e.Raw.Offset + e.Raw.Length)
	}
	at := keyRange(e)
	return int(at.Offset + at.Length)
}

// keyRange is where the name of a setting or section stands.
func keyRange(e *unstable.Node) unstable.Range {
	var all unstable.Range
	for keys := e.Key(); keys.Next(); {
		at := keys.Node().Raw
		if all.Length == 0 {
			all.Offset = at.Offset
		}
		all.Length = at.Offset + at.Length - all.Offset
	}
	return all
}

// nextStatement is the first byte of the statement after the one that ends at
// end; 0 is before the first.
func (f *settingsFile) nextStatement(end int) int {
	at := end
	if end > 0 {
		at = f.lineEnd(end) + 1
	}
	for at < len(f.text) {
		line := f.text[at:f.lineEnd(at)]
		words := bytes.TrimLeft(line, " \t\r")
		if len(words) > 0 && words[0] != '#' {
			return at + len(line) - len(words)
		}
		at += len(line) + 1
	}
	return len(f.text)
}

func (f *settingsFile) lineStart(at int) int { return bytes.LastIndexByte(f.text[:at], '\n') + 1 }

func (f *settingsFile) lineEnd(at int) int {
	if n := bytes.IndexByte(f.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(f.text)
}

// blank leaves out a line. If that is the head of a section it takes the
// section along: its settings would be taken for those of the section before.
func (f *settingsFile) blank(at int) {
	section := f.isHead(at)
	for at < len(f.text) {
		end := f.lineEnd(at)
		copy(f.text[at:end], bytes.Repeat([]byte{' '}, end-at))
		at = end + 1
		if !section || f.isHead(at) {
			return
		}
	}
}

// isHead says whether the line at a place is the head of a section.
func (f *settingsFile) isHead(at int) bool {
	line := bytes.TrimLeft(f.text[min(at, len(f.text)):], " \t")
	return bytes.HasPrefix(line, []byte{'['})
}

// read goes through the statements. What stands in a section that there is not
// is not told besides.
func (f *settingsFile) read() {
	f.parser.Reset(f.text)
	in := rootSetting()
	for f.parser.NextExpression() {
		switch e := f.parser.Expression(); {
		case e.Kind != unstable.KeyValue:
			in = f.section(e)
		case in.isSection():
			f.statement(in, e)
		}
	}
}

func (f *settingsFile) section(e *unstable.Node) setting {
	s, at := rootSetting().below(e.Key()), keyRange(e)
	switch {
	case !s.known():
		f.fault(at, "unknown section [%s]; see the README for the sections", s.name)
	case !s.isSection():
		f.fault(at, "setting %s: %s is wanted, not a section", s.name, s.wanted())
	case e.Kind == unstable.ArrayTable:
		f.fault(at, "[[%s]] is a list of sections; write [%s]", s.name, s.name)
	default:
		f.place(s, at)
	}
	return s
}

// place notes where s stands, and tells it if it stands elsewhere already.
func (f *settingsFile) place(s setting, at unstable.Range) {
	if first, twice := f.places[s.name]; twice {
		f.fault(at, "%s stands here a second time, after %s; keep one", s.name, first)
		return
	}
	start := f.parser.Shape(at).Start
	f.places[s.name] = fmt.Sprintf("%s:%d:%d", f.path, start.Line, start.Column)
}

// statement reads one setting of a section.
func (f *settingsFile) statement(in setting, e *unstable.Node) {
	before := len(f.faults)
	f.check(in, e)
	if len(f.faults) > before {
		return
	}
	text := string(f.parser.Raw(e.Raw))
	if in.name != "" {
		text = "[" + in.name + "]\n" + text
	}
	if err := toml.Unmarshal([]byte(text), f.settings); err != nil {
		f.fault(e.Raw, "setting %s: %s", in.below(e.Key()).name, decodeWords(err))
	}
}

// check tells what does not suit a setting, or those of a section that is
// written in one line.
func (f *settingsFile) check(in setting, e *unstable.Node) {
	s, at, value := in.below(e.Key()), keyRange(e), e.Value()
	switch {
	case !s.known():
		f.fault(at, "unknown key %s; see the README for the keys", s.name)
	case !s.takes(value.Kind):
		f.fault(at, "setting %s: %s is wanted, not %s", s.name, s.wanted(), f.valueText(e))
	default:
		f.place(s, at)
	}
	if !s.isSection() || value.Kind != unstable.InlineTable {
		return
	}
	for inner := value.Children(); inner.Next(); {
		f.check(s, inner.Node())
	}
}

// valueText is a value as the file has it.
func (f *settingsFile) valueText(e *unstable.Node) string {
	switch e.Value().Kind {
	case unstable.Array:
		return "a list"
	case unstable.InlineTable:
		return "a section"
	}
	name := keyRange(e)
	end := name.Offset + name.Length
	rest := f.parser.Raw(unstable.Range{Offset: end, Length: e.Raw.Offset + e.Raw.Length - end})
	_, value, _ := strings.Cut(string(rest), "=")
	return strings.TrimSpace(value)
}

// readWhole tells what is no TOML although each statement is.
func (f *settingsFile) readWhole() {
	var e *toml.DecodeError
	if err := toml.Unmarshal(f.text, new(settings)); errors.As(err, &e) {
		line, column := e.Position()
		f.faults = append(f.faults, settingsFault{line, column, decodeWords(err)})
	}
}

func decodeWords(err error) string { return strings.TrimPrefix(err.Error(), "toml: ") }
