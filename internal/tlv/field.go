// SPDX-License-Identifier: Apache-2.0

package tlv

import (
	"bytes"
	"encoding/binary"
)

const prefix = 3 // bytes of tag and length before a value

// Field is one tag as it stands in a file.
type Field struct {
	Tag    byte
	Offset int // of the tag in the file
	// Value aliases the bytes that were parsed. Of a container it is empty,
	// because the fields inside follow as fields of their own. Neighbouring
	// padding bytes are one field, and its value is the padding itself.
	Value []byte
	// Claim is the length that a container states.
	Claim uint16
	kind  Kind
}

// Fields are the fields of a header or a record, in the order of the file.
type Fields []Field

// Parse takes data apart, which stands at offset base of its file. No tag but
// padding may stand twice, since two readers could go by different ones.
// Everything is checked before anything is allocated.
func Parse(data []byte, base int, rules Rules) (Fields, error) {
	n, err := count(data, base, rules)
	if err != nil {
		return nil, err
	}
	fields := make(Fields, 0, n)
	for at := 0; at < len(data); {
		f, size, err := next(data, at, base, rules)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		at += size
	}
	return fields, nil
}

// count is the number of fields in data, each of which keeps to rules.
func count(data []byte, base int, rules Rules) (n int, err error) {
	var seen [256]bool
	for at := 0; at < len(data); n++ {
		f, size, err := next(data, at, base, rules)
		if err != nil {
			return 0, err
		}
		if seen[f.Tag] && f.kind != Padding {
			return 0, Malformed(f.Offset, "%s stands twice", rules.of(f.Tag).Name)
		}
		seen[f.Tag] = true
		if err := f.check(rules.of(f.Tag)); err != nil {
			return 0, err
		}
		at += size
	}
	return n, nil
}

// next is the field at data[at:] and the number of bytes it takes.
func next(data []byte, at, base int, rules Rules) (Field, int, error) {
	f := Field{Tag: data[at], Offset: base + at, kind: rules.of(data[at]).Kind}
	rest := data[at:]
	if f.kind == Padding {
		n := len(rest) - len(bytes.TrimLeft(rest, string(rest[:1])))
		f.Value = rest[:n:n]
		return f, n, nil
	}
	if len(rest) < prefix {
		return f, 0, Malformed(f.Offset, "%s is cut off", rules.of(f.Tag).Name)
	}
	length := binary.BigEndian.Uint16(rest[1:])
	if f.kind == Container {
		f.Claim = length
		return f, prefix, nil
	}
	end := prefix + int(length)
	if end > len(rest) {
		return f, 0, Malformed(f.Offset, "%s states %d bytes where %d are left", rules.of(f.Tag).Name, length, len(rest)-prefix)
	}
	f.Value = rest[prefix:end:end]
	return f, end, nil
}

func (f Field) check(rule Rule) error {
	if rule.Size != 0 && len(f.Value) != rule.Size {
		return Malformed(f.Offset, "%s has %d bytes instead of %d", rule.Name, len(f.Value), rule.Size)
	}
	ends := bytes.HasSuffix(f.Value, []byte{0})
	if rule.Kind == Host && !ends {
		return Malformed(f.Offset, "%s does not end with a NUL", rule.Name)
	}
	if rule.Kind == Text && (!ends || bytes.IndexByte(f.Value, 0) != len(f.Value)-1) {
		return Malformed(f.Offset, "%s does not end with its only NUL", rule.Name)
	}
	return nil
}

// Field is the field of tag, and whether there is one.
func (fs Fields) Field(tag byte) (Field, bool) {
	for _, f := range fs {
		if f.Tag == tag {
			return f, true
		}
	}
	return Field{}, false
}

// Value is the value of tag, and whether the tag is there at all.
func (fs Fields) Value(tag byte) ([]byte, bool) {
	f, ok := fs.Field(tag)
	return f.Value, ok
}

// Text is the value of tag up to its NUL; empty if the tag is not there.
func (fs Fields) Text(tag byte) string {
	v, _ := fs.Value(tag)
	v, _, _ = bytes.Cut(v, []byte{0})
	return string(v)
}

// Append appends the fields as they were parsed.
func (fs Fields) Append(dst []byte) []byte {
	for _, f := range fs {
		dst = f.append(dst)
	}
	return dst
}

func (f Field) append(dst []byte) []byte {
	switch f.kind {
	case Padding:
		return append(dst, f.Value...)
	case Container:
		return AppendHead(dst, f.Tag, int(f.Claim))
	default:
		return AppendBytes(dst, f.Tag, f.Value...)
	}
}

// AppendBytes appends one field. The length has 16 bits: whoever writes checks
// that the whole, a header or a record, stays below 64 KiB.
func AppendBytes(dst []byte, tag byte, value ...byte) []byte {
	return append(AppendHead(dst, tag, len(value)), value...)
}

// AppendText appends one NUL-ended field.
func AppendText(dst []byte, tag byte, text string) []byte {
	dst = append(AppendHead(dst, tag, len(text)+1), text...)
	return append(dst, 0)
}

// AppendHead appends the tag and length of a value, or of a container's fields,
// size bytes that are appended next.
func AppendHead(dst []byte, tag byte, size int) []byte {
	return binary.BigEndian.AppendUint16(append(dst, tag), uint16(size))
}
