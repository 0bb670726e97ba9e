// SPDX-License-Identifier: Apache-2.0

// Package tlvtest gives tests the reference vectors, which other programs
// wrote, and the worthless keys that they were made with.
package tlvtest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"io/fs"
	"path"
	"strings"
	"testing"

	"cfgsrv/internal/tlv"
)

//go:embed testdata/vectors
var files embed.FS

// Vector is one file by the path it has below testdata/vectors.
type Vector struct {
	Path string
	Data []byte
}

// Vectors are the files that match pattern, at least one.
func Vectors(tb testing.TB, pattern string) []Vector {
	tb.Helper()
	const root = "testdata/vectors/"
	names, err := fs.Glob(files, root+pattern)
	if err != nil || len(names) == 0 {
		tb.Fatalf("no vectors match %q (%v)", pattern, err)
	}
	all := make([]Vector, 0, len(names))
	for _, n := range names {
		data, err := files.ReadFile(n)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, Vector{Path: strings.TrimPrefix(n, root), Data: data})
	}
	return all
}

// Read is the content of the one file that pattern matches.
func Read(tb testing.TB, pattern string) []byte {
	tb.Helper()
	all := Vectors(tb, pattern)
	if len(all) != 1 {
		tb.Fatalf("%d vectors match %q", len(all), pattern)
	}
	return all[0].Data
}

// Distinct is all without the vectors whose content came before.
func Distinct(all []Vector) []Vector {
	seen := map[string]bool{}
	var some []Vector
	for _, v := range all {
		if !seen[string(v.Data)] {
			seen[string(v.Data)] = true
			some = append(some, v)
		}
	}
	return some
}

// Pair is a certificate of the vectors with its private key.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Key is the pair in keys/NAME.pem.
func Key(tb testing.TB, name string) Pair {
	tb.Helper()
	var p Pair
	rest := Read(tb, path.Join("keys", name+".pem"))
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		var err error
		switch block.Type {
		case "CERTIFICATE":
			p.Cert, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			p.Key, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			var key any
			if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				p.Key = key.(crypto.Signer)
			}
		}
		if err != nil {
			tb.Fatalf("parsing %s: %v", name, err)
		}
	}
	return p
}

// SignerOf is the pair whose key made h's signature.
func SignerOf(tb testing.TB, h *tlv.Header) Pair {
	tb.Helper()
	for _, v := range Vectors(tb, "keys/*.pem") {
		p := Key(tb, strings.TrimSuffix(path.Base(v.Path), ".pem"))
		if bytes.Equal(tlv.Serial(p.Cert), h.Signer().Serial) {
			return p
		}
	}
	tb.Fatalf("no key for %s", h.Signer())
	return Pair{}
}

// CertutilsName is a name in the spelling of the vectors: the certificate's
// own order, joined with commas (FORMATS 2.4).
func CertutilsName(n pkix.Name) string {
	var parts []string
	for _, a := range n.Names {
		parts = append(parts, tlv.NameKey(a)+"="+tlv.EscapeValue(a))
	}
	return strings.Join(parts, ",")
}

// Facts are the lines of the reference parser's output for v, by their word;
// a word that comes again, as in each record, has several values.
func Facts(tb testing.TB, v Vector) map[string][]string {
	tb.Helper()
	facts := map[string][]string{}
	name := strings.ReplaceAll(v.Path, "/", "_") + ".txt"
	for line := range strings.Lines(string(Read(tb, "parse/"+name))) {
		if word, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":"); ok {
			facts[word] = append(facts[word], strings.TrimLeft(value, " "))
		}
	}
	return facts
}
