// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// setting is a setting or a section of cfgsrv.toml, known or not.
type setting struct {
	name string       // tftp.block_size; empty for the whole file
	kind reflect.Type // of its field; nil if there is no such setting
}

// rootSetting is the whole file, a section without a name.
func rootSetting() setting { return setting{kind: reflect.TypeFor[settings]()} }

func (s setting) known() bool { return s.kind != nil }

func (s setting) isSection() bool { return s.known() && s.kind.Kind() == reflect.Struct }

// below is the setting that keys lead to.
func (s setting) below(keys unstable.Iterator) setting {
	for keys.Next() {
		s = s.child(string(keys.Node().Data))
	}
	return s
}

// child finds a setting in any case, as the decoder does.
func (s setting) child(key string) setting {
	prefix := ""
	if s.name != "" {
		prefix = s.name + "."
	}
	if s.isSection() {
		for field := range s.kind.Fields() {
			if tag := field.Tag.Get("toml"); tag != "" && strings.EqualFold(tag, key) {
				return setting{prefix + tag, field.Type}
			}
		}
	}
	return setting{name: prefix + key}
}

// takes says whether a value of that kind suits the setting.
func (s setting) takes(value unstable.Kind) bool {
	kinds, _ := s.form()
	return slices.Contains(kinds, value)
}

// wanted says what suits the setting.
func (s setting) wanted() string {
	_, words := s.form()
	return words
}

func (s setting) form() (kinds []unstable.Kind, words string) {
	switch {
	case s.kind == reflect.TypeFor[duration]():
		return []unstable.Kind{unstable.String}, `a duration in quotes, such as "10s" or "24h",`
	case s.kind.Kind() == reflect.Struct:
		return []unstable.Kind{unstable.InlineTable}, "a section"
	case s.kind.Kind() == reflect.Bool:
		return []unstable.Kind{unstable.Bool}, "true or false without quotes"
	case s.kind.Kind() == reflect.Int:
		return []unstable.Kind{unstable.Integer}, "a whole number"
	case s.kind.Kind() == reflect.Float64:
		return []unstable.Kind{unstable.Integer, unstable.Float}, "a number"
	}
	return []unstable.Kind{unstable.String}, "text in quotes"
}
