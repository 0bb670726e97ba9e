// SPDX-License-Identifier: Apache-2.0

package trustlist

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cfgsrv/internal/tlv"
	"cfgsrv/internal/tlv/tlvtest"
)

// lists are the reference lists and the genuine one.
func lists(tb testing.TB) []tlvtest.Vector {
	tb.Helper()
	return slices.Concat(tlvtest.Vectors(tb, "itl/*.tlv"), tlvtest.Vectors(tb, "ctl/*.tlv"), tlvtest.Vectors(tb, "cucm/*.tlv"))
}

func mustParse(tb testing.TB, data []byte) *List {
	tb.Helper()
	l, err := Parse(data)
	if err != nil {
		tb.Fatalf("Parse: %v", err)
	}
	return l
}

func eachList(t *testing.T, f func(*testing.T, tlvtest.Vector, *List)) {
	t.Helper()
	for _, v := range lists(t) {
		t.Run(v.Path, func(t *testing.T) { f(t, v, mustParse(t, v.Data)) })
	}
}

func TestVectorsVerify(t *testing.T) {
	eachList(t, func(t *testing.T, _ tlvtest.Vector, l *List) {
		if err := l.Verify(); err != nil {
			t.Error(err)
		}
	})
}

func TestVectorsMarshalToTheSameBytes(t *testing.T) {
	eachList(t, func(t *testing.T, v tlvtest.Vector, l *List) {
		if !bytes.Equal(l.Marshal(), v.Data) {
			t.Error("marshalled to other bytes")
		}
	})
}

// The reference parser agrees about what is in the lists.
func TestVectorsSayWhatTheReferenceParserSays(t *testing.T) {
	for _, v := range slices.Concat(tlvtest.Vectors(t, "itl/*.tlv"), tlvtest.Vectors(t, "ctl/*.tlv")) {
		t.Run(v.Path, func(t *testing.T) {
			want := tlvtest.Facts(t, v)
			l := mustParse(t, v.Data)
			who := l.SignedBy()
			got := map[string][]string{
				"Version":        {l.header.Version().String()},
				"Header Length":  {fmt.Sprint(l.header.Size, " bytes")},
				"Signer Version": {l.SignerVersion().String()},
				"Signer Name":    {who.Name},
				"Issuer Name":    {who.Issuer},
				"Serial Number":  {hex.EncodeToString(who.Serial)},
				"Filename":       {l.FileName()},
				"Timestamp":      {l.Time().Format("2006-01-02 15:04:05")},
				"Signature":      {fmt.Sprint(len(l.header.Signature()), " bytes")},
			}
			for _, r := range l.Records() {
				v := r.listing(false)
				got["Subject Name"] = append(got["Subject Name"], r.Subject())
				got["Issuer Name"] = append(got["Issuer Name"], r.Issuer())
				got["Serial Numer"] = append(got["Serial Numer"], hex.EncodeToString(r.Serial()))
				got["Role"] = append(got["Role"], r.Role().String())
				got["Public Key"] = append(got["Public Key"], fmt.Sprint(len(r.PublicKey()), " bytes"))
				got["Signature"] = append(got["Signature"], fmt.Sprint(len(r.Signature()), " bytes"))
				got["Certificate"] = append(got["Certificate"], fmt.Sprint(len(r.DER()), " bytes"))
				got["Certificate Hash"] = append(got["Certificate Hash"], v.SHA1)
			}
			for word, values := range got {
				if diff := cmp.Diff(want[word], values); diff != "" {
					t.Errorf("%s (-reference +ours):\n%s", word, diff)
				}
			}
		})
	}
}

// What a list says of each certificate follows from the certificate, and its
// signature from the key that the vectors came with.
func TestVectorsFollowFromTheirParts(t *testing.T) {
	for _, v := range slices.Concat(tlvtest.Vectors(t, "itl/*.tlv"), tlvtest.Vectors(t, "ctl/*.tlv")) {
		t.Run(v.Path, func(t *testing.T) {
			l := mustParse(t, v.Data)
			pair := tlvtest.SignerOf(t, l.header)
			sum, err := l.header.Sum(bytes.NewReader(l.body()))
			if err != nil {
				t.Fatal(err)
			}
			sig, err := pair.Key.Sign(nil, sum, l.Digest())
			if err != nil || !bytes.Equal(sig, l.header.Signature()) {
				t.Errorf("signing again made another signature (%v)", err)
			}
			for i, r := range l.records {
				checkParts(t, i, r)
			}
		})
	}
}

// checkParts compares a record in certutils' spelling with its certificate.
func checkParts(t *testing.T, i int, r Record) {
	t.Helper()
	c, err := r.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	key, err := publicKey(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string][2][]byte{
		"subject":    {r.value(tagSubjectName), append([]byte(tlvtest.CertutilsName(c.Subject)), 0)},
		"issuer":     {r.value(tagIssuerName), append([]byte(tlvtest.CertutilsName(c.Issuer)), 0)},
		"serial":     {r.Serial(), tlv.Serial(c)},
		"public key": {r.PublicKey(), key},
		"signature":  {r.Signature(), c.Signature},
	} {
		if !bytes.Equal(part[0], part[1]) {
			t.Errorf("record %d: %s is\n%q, and the certificate makes\n%q", i+1, name, part[0], part[1])
		}
	}
}

// knownSignature signs everything with the signature that a genuine list has.
type knownSignature struct {
	cert *x509.Certificate
	sig  []byte
}

func (k knownSignature) Public() crypto.PublicKey { return k.cert.PublicKey }

func (k knownSignature) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.sig, nil
}

// Unified CM's own list is what Build makes of its certificates, to the byte.
func TestGenuineListIsRebuilt(t *testing.T) {
	data := tlvtest.Read(t, "cucm/CTLFile.tlv")
	l := mustParse(t, data)
	s, err := l.Spec()
	if err != nil {
		t.Fatal(err)
	}
	signer, ok := l.Find(l.SignedBy(), SAST)
	if !ok {
		t.Fatal("no signer")
	}
	cert, err := signer.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Build(s, cert, knownSignature{cert, l.header.Signature()})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("Build made other bytes of the same certificates")
	}
}

func refusedList(data []byte) bool {
	l, err := Parse(data)
	return err != nil || l.Verify() != nil
}

func TestVectorsAreRefusedWhenCut(t *testing.T) {
	for _, v := range tlvtest.Distinct(lists(t)) {
		t.Run(v.Path, func(t *testing.T) {
			t.Parallel()
			tlvtest.Truncations(t, v.Data, refusedList)
		})
	}
}

// Each byte of each list in turn, and each bit of the smallest. The race
// detector makes that slow, and gets a sample of the others.
func TestVectorsAreRefusedWhenAByteChanges(t *testing.T) {
	for _, v := range tlvtest.Distinct(lists(t)) {
		t.Run(v.Path, func(t *testing.T) {
			t.Parallel()
			step, front := 1, 0
			switch {
			case v.Path == "itl/serial-one.tlv":
				front = 512
			case tlvtest.Race:
				step = 37
			}
			tlvtest.Flips(t, v.Data, front, step, refusedList)
		})
	}
}

func TestDamagedVectorsAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"digest-id-2.tlv":       "byte 198: the digest is SHA-256 (2), which phones do not check: sign with SHA-1 or SHA-512",
		"digest-id-3-wrong.tlv": "checking the signature of CN=ITLRECOVERY_ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US (serial 60:6E:C6:D6:C9:26:33:CF:66:F2:5C:02:78:1D:5B:E1): the signature does not verify",
		"tampered-record.tlv":   "checking the signature of CN=ITLRECOVERY_ucm-a.example.test,O=Example Org,OU=Lab,L=Anytown,ST=ZZ,C=US (serial 60:6E:C6:D6:C9:26:33:CF:66:F2:5C:02:78:1D:5B:E1): the signature does not verify",
		"trailing-byte.tlv":     "byte 7133: a record has to begin with its length",
		"truncated-header.tlv":  "byte 5: HEADERLENGTH is 496 and the file has 100 bytes",
		"truncated-record.tlv":  "byte 5532: RECORDLENGTH is 1601 where 1591 bytes are left",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Parse(tlvtest.Read(t, "refused/"+name))
			if err == nil {
				err = l.Verify()
			}
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
