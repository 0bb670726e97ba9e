// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// KeySpec is the size of a key in bits and the hash of the signatures on what
// is made with it. [Unit.KeySpec] makes only what the unit may have.
type KeySpec struct {
	Size int
	Hash crypto.Hash
}

// NotAllowedError refuses a wish for a certificate and names what is allowed.
type NotAllowedError struct {
	Unit    Unit
	What    string // such as "key size 1024"
	Allowed string // such as "2048, 4096"
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("%s: %s is not allowed; allowed is %s", e.Unit, e.What, e.Allowed)
}

// sizeRule says which hashes go with a size; the first is the default.
type sizeRule struct {
	size   int
	hashes []crypto.Hash
}

var (
	// ecRules are Cisco's: a hash is at least as strong as the curve. SHA-384
	// is the default wherever it may be.
	ecRules = []sizeRule{
		{384, []crypto.Hash{crypto.SHA384, crypto.SHA512}},
		{256, []crypto.Hash{crypto.SHA384, crypto.SHA256, crypto.SHA512}},
		{521, []crypto.Hash{crypto.SHA512}},
	}
	rsaHashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	rsaRules  = []sizeRule{{2048, rsaHashes}, {3072, rsaHashes}, {4096, rsaHashes}}
	// listRules: the phones' lists and signed files have a code for 2048 and
	// for 4096, and none for 3072.
	listRules = []sizeRule{{2048, rsaHashes}, {4096, rsaHashes}}
)

// rules returns what the unit's key may be; the first is the default.
func (u Unit) rules() []sizeRule {
	switch {
	case u.EC():
		return ecRules
	case u.signsLists():
		return listRules
	}
	return rsaRules
}

// KeySpec returns the specification of a key for the unit. Zero for size or
// hash takes the default: P-384 with SHA-384, RSA-2048 with SHA-256, and
// SHA-512 for P-521. A pair that the unit may not have is a
// [NotAllowedError].
func (u Unit) KeySpec(size int, hash crypto.Hash) (KeySpec, error) {
	rules := u.rules()
	if size == 0 {
		size = rules[0].size
	}
	at := slices.IndexFunc(rules, func(r sizeRule) bool { return r.size == size })
	if at < 0 {
		return KeySpec{}, &NotAllowedError{u, fmt.Sprintf("key size %d", size), u.sizes()}
	}
	hashes := rules[at].hashes
	if hash == 0 {
		hash = hashes[0]
	}
	if !slices.Contains(hashes, hash) {
		what := fmt.Sprintf("%s with key size %d", hash, size)
		return KeySpec{}, &NotAllowedError{u, what, hashNames(hashes)}
	}
	return KeySpec{Size: size, Hash: hash}, nil
}

// sizes lists the key sizes of the unit, as in "256, 384, 521".
func (u Unit) sizes() string {
	var sizes []int
	for _, r := range u.rules() {
		sizes = append(sizes, r.size)
	}
	slices.Sort(sizes)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(sizes), " ", ", "), "[]")
}

func hashNames(hashes []crypto.Hash) string {
	var names []string
	for _, h := range slices.Sorted(slices.Values(hashes)) {
		names = append(names, h.String())
	}
	return strings.Join(names, ", ")
}

// ParseHash reads the name of a hash as administrators type it: SHA256,
// SHA-256, sha384.
func ParseHash(name string) (crypto.Hash, error) {
	plain := strings.ReplaceAll(strings.ToUpper(name), "-", "")
	for _, h := range rsaHashes {
		if plain == strings.ReplaceAll(h.String(), "-", "") {
			return h, nil
		}
	}
	return 0, fmt.Errorf("%q is not a hash for certificates; these are %s", name, hashNames(rsaHashes))
}

// newKey makes a key of the size for the unit.
func newKey(u Unit, size int) (crypto.Signer, error) {
	if !u.EC() {
		return rsa.GenerateKey(rand.Reader, size)
	}
	curves := map[int]elliptic.Curve{256: elliptic.P256(), 384: elliptic.P384(), 521: elliptic.P521()}
	return ecdsa.GenerateKey(curves[size], rand.Reader)
}

// keySize returns the kind of key, "RSA" or "EC", and its size in bits; no
// unit has any other kind, whose name is that of its Go type.
func keySize(pub crypto.PublicKey) (kind string, bits int) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "EC", k.Curve.Params().BitSize
	}
	return fmt.Sprintf("%T", pub), 0
}

// keyName names a key, as in "EC-384".
func keyName(pub crypto.PublicKey) string {
	kind, bits := keySize(pub)
	if bits == 0 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, bits)
}

// fits says whether a key is of the unit's kind and of a size it may have.
func (u Unit) fits(pub crypto.PublicKey) bool {
	kind, bits := keySize(pub)
	return kind == u.keyKind() && slices.ContainsFunc(u.rules(), func(r sizeRule) bool { return r.size == bits })
}

func (u Unit) keyKind() string {
	if u.EC() {
		return "EC"
	}
	return "RSA"
}

// signatureAlgorithm is that of what a key of the unit signs.
func (u Unit) signatureAlgorithm(h crypto.Hash) x509.SignatureAlgorithm {
	ec := map[crypto.Hash]x509.SignatureAlgorithm{
		crypto.SHA256: x509.ECDSAWithSHA256, crypto.SHA384: x509.ECDSAWithSHA384, crypto.SHA512: x509.ECDSAWithSHA512,
	}
	rsa := map[crypto.Hash]x509.SignatureAlgorithm{
		crypto.SHA256: x509.SHA256WithRSA, crypto.SHA384: x509.SHA384WithRSA, crypto.SHA512: x509.SHA512WithRSA,
	}
	if u.EC() {
		return ec[h]
	}
	return rsa[h]
}
