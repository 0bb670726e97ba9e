// SPDX-License-Identifier: Apache-2.0

package signedfile

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"cfgsrv/internal/tlv"
)

const (
	keySize      = 16   // bytes of an AES-128 key
	fill         = 0x0D // what the plaintext is filled up with; not PKCS#7
	rsaWrapping  = 1    // tag 24
	minPhoneBits = 1024 // a shorter key is refused by crypto/rsa
	maxPhoneBits = 4096
)

// PhoneError says why nothing can be encrypted for a phone's key, or decrypted
// with it, and what to do instead.
type PhoneError struct {
	Subject string // what the key is for: a file's name, or just a word
	Reason  string
}

func (e *PhoneError) Error() string {
	return fmt.Sprintf("no encrypted configuration for %s: %s", e.Subject, e.Reason)
}

// encryption is what tags 16 to 27 tell.
type encryption struct {
	iv      []byte
	padding int    // bytes at the end of the plaintext that are not the file's
	wrapped []byte // the AES key under the phone's key
	digest  crypto.Hash
	sum     []byte // of the plaintext without padding
}

// parseEncryption reads tags 16 to 27, which a version 2 file needs and no
// other may have; nil means that the file is not encrypted. The lengths of the
// containers and tag 23 mean nothing: they changed over time (FORMATS 9.1).
func parseEncryption(h *tlv.Header) (*encryption, error) {
	v := h.Version()
	if v.Major != signedVersion.Major && v.Major != encryptedVersion.Major {
		return nil, tlv.Malformed(0, "version %s is not that of a signed file", v)
	}
	if v.Major == encryptedVersion.Major {
		return newEncryption(h)
	}
	for _, f := range h.Fields {
		if f.Tag >= tlv.TagEncryptionInfo && f.Tag <= tlv.TagPlainSum {
			return nil, tlv.Malformed(f.Offset, "%s stands in a file of version %s, which is not encrypted", tlv.HeaderRules[f.Tag].Name, v)
		}
	}
	return nil, nil
}

func newEncryption(h *tlv.Header) (*encryption, error) {
	for _, tag := range []byte{tlv.TagIV, tlv.TagPaddingLength, tlv.TagWrappedKey, tlv.TagPlainDigest, tlv.TagPlainSum} {
		if _, ok := h.Field(tag); !ok {
			return nil, tlv.Malformed(h.Size, "the header has no %s", tlv.HeaderRules[tag].Name)
		}
	}
	if f, ok := h.Field(tlv.TagKeyAlgorithm); ok && f.Value[0] != rsaWrapping {
		return nil, tlv.Malformed(f.Offset, "key algorithm %d is not known, only %d (RSA) is", f.Value[0], rsaWrapping)
	}
	e := &encryption{}
	e.iv, _ = h.Value(tlv.TagIV)
	e.wrapped, _ = h.Value(tlv.TagWrappedKey)
	padding, _ := h.Field(tlv.TagPaddingLength)
	if e.padding = int(binary.BigEndian.Uint16(padding.Value)); e.padding < 1 || e.padding > aes.BlockSize {
		return nil, tlv.Malformed(padding.Offset, "PADDINGLENGTH is %d and has to be 1 to %d", e.padding, aes.BlockSize)
	}
	return e, e.readSum(h)
}

func (e *encryption) readSum(h *tlv.Header) (err error) {
	digest, _ := h.Field(tlv.TagPlainDigest)
	sum, _ := h.Field(tlv.TagPlainSum)
	if e.digest, err = tlv.DigestOf(digest.Value[0]); err != nil {
		return tlv.Malformed(digest.Offset, "inside, %s", err)
	}
	if e.sum = sum.Value; len(e.sum) != e.digest.Size() {
		return tlv.Malformed(sum.Offset, "PLAINDIGEST has %d bytes and %s makes %d", len(e.sum), e.digest, e.digest.Size())
	}
	return nil
}

// checkContent says whether content of this length can follow the header.
func (h *Header) checkContent(length int64) error {
	if h.Encrypted() && (length == 0 || length%aes.BlockSize != 0) {
		return tlv.Malformed(h.Size(), "the encrypted content has %d bytes, which is not a whole number of blocks", length)
	}
	return nil
}

// Recipient is for whom a configuration is encrypted.
type Recipient struct {
	// Key is the key of the phone's certificate, of 1024 to 4096 bits.
	Key *rsa.PublicKey
	// Rand gives the AES key and the IV; nil means crypto/rand.
	Rand io.Reader
	// Name is the name inside, exactly as it was asked for.
	Name string
	// Time is in whole seconds.
	Time time.Time
}

func (r Recipient) check() error {
	if bits := r.Key.N.BitLen(); bits < minPhoneBits || bits > maxPhoneBits {
		return &PhoneError{
			Subject: r.Name,
			Reason:  fmt.Sprintf("the phone's key is RSA-%d; enrol it anew with RSA of %d to %d bits", bits, minPhoneBits, maxPhoneBits),
		}
	}
	return nil
}

// Encrypt encrypts plain for one phone, under a key and an IV that are fresh
// each time, and signs the result (FORMATS 4). If the phone's key cannot be
// used the error is a [*PhoneError].
func (s *Signer) Encrypt(to Recipient, plain []byte) ([]byte, error) {
	if err := to.check(); err != nil {
		return nil, err
	}
	random := to.Rand
	if random == nil {
		random = rand.Reader
	}
	secret := make([]byte, keySize+aes.BlockSize)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	//lint:ignore SA1019 phones know no other way to wrap a key (FORMATS 4.1)
	wrapped, err := rsa.EncryptPKCS1v15(random, to.Key, secret[:keySize])
	if err != nil {
		return nil, fmt.Errorf("wrapping the key of %s: %w", to.Name, err)
	}
	return s.seal(to, sealing{key: secret[:keySize], iv: secret[keySize:], wrapped: wrapped}, plain)
}

// sealing is what is different in every encrypted file.
type sealing struct{ key, iv, wrapped []byte }

func (s *Signer) seal(to Recipient, k sealing, plain []byte) ([]byte, error) {
	body, padding, err := encrypt(k.key, k.iv, plain)
	if err != nil {
		return nil, err
	}
	id, err := tlv.DigestID(s.tlv.Digest())
	if err != nil {
		return nil, err
	}
	sum := s.tlv.Digest().New()
	sum.Write(plain)
	extra := appendEncryption(nil, k, padding)
	extra = tlv.AppendBytes(extra, tlv.TagPlainDigest, id)
	extra = tlv.AppendBytes(extra, tlv.TagPlainSum, sum.Sum(nil)...)
	d := tlv.Draft{Version: encryptedVersion, FileName: to.Name, Time: to.Time, Extra: extra}
	header, err := s.tlv.Header(d, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return append(header, body...), nil
}

// appendEncryption appends tags 16 to 25.
func appendEncryption(dst []byte, k sealing, padding int) []byte {
	iv := tlv.AppendBytes(nil, tlv.TagIVUnknown, 0)
	iv = tlv.AppendBytes(iv, tlv.TagIV, k.iv...)
	iv = tlv.AppendBytes(iv, tlv.TagPaddingLength, 0, byte(padding))

	bits := uint16(len(k.wrapped) * 8)
	key := tlv.AppendBytes(nil, tlv.TagKeyUnknown, 0)
	key = tlv.AppendBytes(key, tlv.TagKeySize, byte(bits>>8), byte(bits))
	key = tlv.AppendBytes(key, tlv.TagKeyAlgorithm, rsaWrapping)
	key = tlv.AppendBytes(key, tlv.TagWrappedKey, k.wrapped...)

	info := tlv.AppendBytes(tlv.AppendBytes(nil, tlv.TagIVInfo, iv...), tlv.TagKeyInfo, key...)
	return tlv.AppendBytes(dst, tlv.TagEncryptionInfo, info...)
}

// encrypt fills plain up to whole blocks, always by at least one byte.
func encrypt(key, iv, plain []byte) (body []byte, padding int, err error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, 0, fmt.Errorf("encrypting: %w", err)
	}
	padding = aes.BlockSize - len(plain)%aes.BlockSize
	body = append(slices.Clone(plain), bytes.Repeat([]byte{fill}, padding)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, body)
	return body, padding, nil
}

// ErrNotEncrypted means that a file needs no decryption.
var ErrNotEncrypted = errors.New("the file is not encrypted")

// ErrWrongKey means that a file was encrypted for another key, or is damaged.
var ErrWrongKey = errors.New("this key does not decrypt the file")

// Decrypt gives the configuration inside, with the phone's RSA key. It does not
// look at the signature; see [File.Verify]. The error is [ErrNotEncrypted],
// wraps [ErrWrongKey], or is a [*PhoneError] if the key is not RSA.
func (f *File) Decrypt(key crypto.Decrypter) ([]byte, error) {
	e := f.encryption
	if e == nil {
		return nil, ErrNotEncrypted
	}
	if err := checkKey(key, len(e.wrapped)); err != nil {
		return nil, err
	}
	// A key that does not fit gives a random secret instead of an error, and
	// the digest below tells: nobody learns from the time which it was.
	//lint:ignore SA1019 phones know no other way to wrap a key (FORMATS 4.1)
	opts := &rsa.PKCS1v15DecryptOptions{SessionKeyLen: keySize}
	secret, err := key.Decrypt(rand.Reader, e.wrapped, opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongKey, err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongKey, err)
	}
	plain := slices.Clone(f.Body)
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, plain)
	plain = plain[:len(plain)-e.padding]
	sum := e.digest.New()
	sum.Write(plain)
	if !bytes.Equal(sum.Sum(nil), e.sum) {
		return nil, fmt.Errorf("%w: the digest inside differs", ErrWrongKey)
	}
	return plain, nil
}

// checkKey says why key cannot unwrap size bytes.
func checkKey(key crypto.Decrypter, size int) error {
	pub, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return &PhoneError{Subject: "this key", Reason: "it is not RSA; use the phone's RSA key"}
	}
	if pub.Size() != size {
		return fmt.Errorf("%w: it has %d bits and the file was made for one of %d", ErrWrongKey, pub.Size()*8, size*8)
	}
	return nil
}
