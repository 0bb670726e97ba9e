// SPDX-License-Identifier: Apache-2.0

// Package transcript reads recorded CAPF sessions for tests.
package transcript

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// Session is one recorded connection.
type Session struct {
	Title    string
	Messages []Message
}

// Message is what one side sent in one go.
type Message struct {
	FromServer bool
	Bytes      []byte
}

// Load reads a file of recordings: "#### title" begins a session, "S->C" or
// "C->S" a message, whose lines are an offset, up to 16 bytes in hex, and the
// same bytes as text.
func Load(path string) ([]Session, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Session
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if all, err = add(all, lines.Text()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return all, lines.Err()
}

func add(all []Session, line string) ([]Session, error) {
	if title, ok := strings.CutPrefix(line, "#### "); ok {
		return append(all, Session{Title: title}), nil
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("line %q stands before the first title", line)
	}
	s := &all[len(all)-1]
	switch {
	case strings.HasPrefix(line, "S->C"), strings.HasPrefix(line, "C->S"):
		s.Messages = append(s.Messages, Message{FromServer: line[0] == 'S'})
	case strings.HasPrefix(line, "    ") && len(s.Messages) > 0:
		b, err := hex.DecodeString(strings.ReplaceAll(line[10:min(58, len(line))], " ", ""))
		if err != nil {
			return nil, err
		}
		m := &s.Messages[len(s.Messages)-1]
		m.Bytes = append(m.Bytes, b...)
	}
	return all, nil
}
