// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Order is what an administrator wants to happen at a device's next
// connection. The zero value is nothing.
type Order struct {
	Operation  Operation  `json:"operation"`
	Auth       Auth       `json:"auth"`
	AuthString AuthString `json:"authString,omitempty"` // what ByAuthString compares with
	KeyOrder   KeyOrder   `json:"keyOrder,omitempty"`   // zero: as Settings say
	RSAKeySize int        `json:"rsaKeySize,omitempty"` // bits; zero: as Settings say
	ECKeySize  int        `json:"ecKeySize,omitempty"`  // bits; zero: as Settings say
	Until      time.Time  `json:"until,omitzero"`       // the order ends here; zero: never
}

// Pending tells whether there is something to do at that time.
func (o Order) Pending(now time.Time) bool {
	return o.Operation != None && (o.Until.IsZero() || now.Before(o.Until))
}

// Validate says in one sentence what no session could carry out.
func (o Order) Validate() error {
	switch {
	case o.Auth == ByAuthString && o.Operation != None && o.AuthString == "":
		return errors.New("authentication by string needs an authentication string")
	case o.AuthString != "" && !validAuthString(o.AuthString):
		return errors.New("an authentication string has 4 to 15 digits")
	case o.RSAKeySize != 0 && !slices.Contains(rsaKeySizes[:], o.RSAKeySize):
		return fmt.Errorf("RSA keys have %v bits, not %d", rsaKeySizes, o.RSAKeySize)
	case o.ECKeySize != 0 && !slices.Contains(ecKeySizes[:], o.ECKeySize):
		return fmt.Errorf("EC keys have %v bits, not %d", ecKeySizes, o.ECKeySize)
	}
	return nil
}

// The sizes that the protocol can ask for (FORMATS 6.3). The place of an EC
// size is its number on the wire.
var (
	rsaKeySizes = [...]int{512, 1024, 2048, 3072, 4096}
	ecKeySizes  = [...]int{256, 384, 521}
)

// Settings are the section [capf] of the settings, as far as they say what is
// asked of a device whose Order does not.
type Settings struct {
	KeyOrder       KeyOrder // zero: ECPreferred
	RSAKeySize     int      // bits; zero: 2048
	ECKeySize      int      // bits; zero: 384
	AllowSmallKeys bool     // RSA keys below 2048 bits are not refused
}

// Operation is what happens to a device's LSC.
type Operation uint8

// The operations.
const (
	None Operation = iota
	Install
	Delete
	Fetch
)

var operations = []string{"none", "install", "delete", "fetch"}

func (o Operation) String() string                { return operations[o] }
func (o Operation) MarshalText() ([]byte, error)  { return []byte(o.String()), nil }
func (o *Operation) UnmarshalText(b []byte) error { return choose(o, "operation", operations, b) }

// Auth is how a device must show that it is the one.
type Auth uint8

// The ways of FORMATS 6.6.
const (
	ByNullString Auth = iota // not at all: its name is its only claim
	ByAuthString
	ByLSC // by an existing certificate; the phone prefers its LSC
	ByMIC // by an existing certificate; the phone prefers its MIC
)

var auths = []string{"null-string", "auth-string", "lsc", "mic"}

func (a Auth) String() string                { return auths[a] }
func (a Auth) MarshalText() ([]byte, error)  { return []byte(a.String()), nil }
func (a *Auth) UnmarshalText(b []byte) error { return choose(a, "authentication", auths, b) }

// Mode is the value of capfAuthMode that tells the phone so (FORMATS 8).
func (a Auth) Mode() int { return [...]int{2, 1, 3, 4}[a] }

func (a Auth) byCertificate() bool { return a == ByLSC || a == ByMIC }

// KeyOrder is which kind of key a device is asked for.
type KeyOrder uint8

// The orders. EC keys need version 3 of the protocol; by ECPreferred a client
// of version 2, and one that makes no EC key, is asked for an RSA key.
const (
	DefaultKeyOrder KeyOrder = iota
	RSAOnly
	ECOnly
	ECPreferred
)

var (
	keyOrders = []string{"", "rsa-only", "ec-only", "ec-preferred"}
	// ciscoKeyOrders are the same as Cisco's own pages print them.
	ciscoKeyOrders = []string{"", "RSA Only", "EC Only", "EC Preferred, RSA Backup"}
)

func (k KeyOrder) String() string               { return keyOrders[k] }
func (k KeyOrder) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText takes the words of our commands, and Cisco's in any case.
func (k *KeyOrder) UnmarshalText(b []byte) error {
	for i, name := range ciscoKeyOrders {
		if strings.EqualFold(name, string(b)) {
			*k = KeyOrder(i)
			return nil
		}
	}
	return choose(k, "key order", keyOrders, b)
}

// choose finds the value that a word stands for.
func choose[T ~uint8](v *T, what string, names []string, word []byte) error {
	i := slices.Index(names, string(word))
	if i < 0 {
		return fmt.Errorf("%q is no %s; there are %s", word, what, strings.TrimPrefix(strings.Join(names, ", "), ", "))
	}
	*v = T(i)
	return nil
}

// AuthString is what a user types into the phone. It prints and logs as dots.
type AuthString string

const dots = "…"

func (AuthString) String() string       { return dots }
func (AuthString) GoString() string     { return dots }
func (AuthString) LogValue() slog.Value { return slog.StringValue(dots) }

// RandomAuthString makes an authentication string of ten digits, as CUCM does.
func RandomAuthString() (AuthString, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(1e10))
	if err != nil {
		return "", fmt.Errorf("making an authentication string: %w", err)
	}
	return AuthString(fmt.Sprintf("%010d", n)), nil
}

func validAuthString(s AuthString) bool {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	return len(s) >= 4 && len(s) <= 15 && !strings.ContainsFunc(string(s), notDigit)
}
