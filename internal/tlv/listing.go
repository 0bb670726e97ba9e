// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"crypto/md5"
	"crypto/sha1"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Row is one field as the show commands print it.
type Row struct {
	Tag    int    `json:"tag"`
	Name   string `json:"name"`
	Length int    `json:"length"`
	Value  string `json:"value,omitempty"`
	hex    bool
}

// Rows lists fields. Value gives the text of those that show one; padding and
// the tags in omit are left out.
func Rows(fields Fields, rules Rules, value func(Field) string, omit ...byte) []Row {
	rows := make([]Row, 0, len(fields))
	for _, f := range fields {
		if f.kind == Padding || strings.IndexByte(string(omit), f.Tag) >= 0 {
			continue
		}
		r := Row{Tag: int(f.Tag), Name: rules.of(f.Tag).Name, Length: len(f.Value)}
		switch f.kind {
		case Container:
			r.Length, r.Value = 2, strconv.Itoa(int(f.Claim))
		case Hex:
			r.Value, r.hex = spaced(f.Value, " ", false), true
		default:
			r.Value = Printable(value(f))
		}
		rows = append(rows, r)
	}
	return rows
}

// Rows lists a header from its third field on, as Unified CM does, which
// prints the first two above the table.
func (h *Header) Rows() []Row {
	return Rows(h.Fields, HeaderRules, headerValue, TagVersion, TagHeaderLength)
}

func headerValue(f Field) string {
	switch f.Tag {
	case TagSignerName, TagCAName:
		return string(f.Value[:len(f.Value)-1])
	case TagSerialNumber:
		return FormatSerial(f.Value)
	case TagSignerVersion:
		return Version{f.Value[0], f.Value[1]}.String()
	case TagPaddingLength, TagKeySize:
		return strconv.Itoa(int(f.Value[0])<<8 | int(f.Value[1]))
	default:
		return ""
	}
}

// Checksums takes the sums that listings show of everything written to it.
type Checksums struct {
	md5, sha1 hash.Hash
	length    int64
}

// NewChecksums makes the sums of nothing yet.
func NewChecksums() *Checksums { return &Checksums{md5: md5.New(), sha1: sha1.New()} }

// Write never fails.
func (c *Checksums) Write(p []byte) (int, error) {
	c.md5.Write(p)
	c.sha1.Write(p)
	c.length += int64(len(p))
	return len(p), nil
}

// MD5 is the sum in hexadecimal. It identifies a file as phones show it, and
// protects nothing.
func (c *Checksums) MD5() string { return fmt.Sprintf("%x", c.md5.Sum(nil)) }

// SHA1 is the other sum; see [Checksums.MD5].
func (c *Checksums) SHA1() string { return fmt.Sprintf("%x", c.sha1.Sum(nil)) }

// Length is the number of bytes written.
func (c *Checksums) Length() int64 { return c.length }

// FormatTime is t as Unified CM prints times, in UTC.
func FormatTime(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 MST 2006") }

// WriteTable writes rows under the heads that Unified CM prints. Its BYTEPOS
// is the tag.
func WriteTable(b *strings.Builder, rows []Row) {
	b.WriteString("BYTEPOS TAG             LENGTH  VALUE\n")
	b.WriteString("------- ---             ------  -----\n")
	for _, r := range rows {
		line := column(strconv.Itoa(r.Tag), 8) + r.Name
		line = column(line, 24) + strconv.Itoa(r.Length)
		for i, part := range r.lines() {
			if i > 0 {
				line = ""
			}
			b.WriteString(strings.TrimRight(column(line, 32)+part, " ") + "\n")
		}
	}
}

// column is s filled up to width, with a blank after it in any case.
func column(s string, width int) string { return s + strings.Repeat(" ", max(1, width-len(s))) }

// lines is the value, cut where it is a long row of bytes.
func (r Row) lines() []string {
	const line = 16 * len("00 ")
	lines, rest := []string(nil), r.Value
	for ; r.hex && len(rest) > line; rest = rest[line:] {
		lines = append(lines, rest[:line])
	}
	return append(lines, rest)
}

// Printable is s with everything that could steer a terminal written as an
// escape, since names come from files that anyone may have made.
func Printable(s string) string {
	if strings.IndexFunc(s, steers) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if steers(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
