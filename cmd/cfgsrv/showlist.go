// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cfgsrv/certs"
	"cfgsrv/signedfile"
	"cfgsrv/trustlist"
)

// maxShown is up to which size show reads a trust list; phones take 64 KiB.
const maxShown = 1 << 20

func (p *program) showListCommand(kind trustlist.Kind) *cobra.Command {
	word := strings.ToLower(string(kind))
	var asJSON bool
	cmd := &cobra.Command{
		Use:   word + " [FILE]",
		Short: fmt.Sprintf("Show the %s that phones get, or one in a file", kind),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := p.trustList(cmd.Context(), kind, args)
			if err != nil {
				return err
			}
			if len(b) == 0 {
				fmt.Fprint(p.stdout, trustlist.MissingText(kind))
				return errSilent
			}
			return p.printTrustList(b, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// trustList is the list in the file given, else the running server's, else the
// one that the data directory makes.
func (p *program) trustList(ctx context.Context, kind trustlist.Kind, args []string) ([]byte, error) {
	if len(args) == 1 {
		return readLimited(args[0], maxShown)
	}
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	defer l.close()
	b, err := askServerRaw(ctx, l.data, "GET", "/lists/"+string(kind), nil)
	if !errors.Is(err, errNoServer) {
		return b, err
	}
	l.lenient = true // a list needs no listener
	g, f := l.load(ctx)
	if g == nil {
		return nil, f.asError()
	}
	return g.derived.List(kind), nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

func (p *program) printTrustList(b []byte, asJSON bool) error {
	list, err := trustlist.Parse(b)
	if err != nil {
		return err
	}
	v := list.Listing()
	return p.printListing(v, v.Text(), v.Verified, asJSON)
}

// printListing prints a file taken apart; one that does not verify is a
// failure.
func (p *program) printListing(v any, text string, verified, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
	} else {
		fmt.Fprint(p.stdout, text)
	}
	if !verified {
		return errSilent
	}
	return nil
}

func (p *program) showFileCommand() *cobra.Command {
	var asJSON bool
	var cert, key string
	cmd := &cobra.Command{
		Use:   "file FILE",
		Short: "Take a .tlv, .sgn or .enc.sgn apart and verify it",
		Long: "file takes any trust list, signed or encrypted file apart and verifies it. Without --cert it tries our own\n" +
			"CallManager certificates, the present one and those it replaced; a trust list carries its signer. Exit status 1\n" +
			"if the file does not verify.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.showFile(args[0], cert, key, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&cert, "cert", "", "PEM file with the certificate that should have signed")
	fl.StringVar(&key, "key", "", "PEM file with the phone's key: prints the configuration inside an .enc.sgn too")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) showFile(path, certFile, keyFile string, asJSON bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	list, err := isTrustList(f)
	if err != nil {
		return err
	}
	if list {
		return p.showListFile(path, certFile, asJSON)
	}
	signers, err := p.signers(certFile)
	if err != nil {
		return err
	}
	v, err := signedfile.List(f, signers...)
	if err != nil {
		return err
	}
	var content []byte
	var failure error
	if keyFile != "" {
		content, failure = decryptFile(path, keyFile)
	}
	shown := shownFile{Listing: v, Content: string(content)}
	if err := p.printListing(shown, v.Text()+shown.Content, v.Verified, asJSON); failure == nil {
		return err
	}
	return failure
}

// shownFile is a file taken apart, with the configuration inside if a key for
// it was given.
type shownFile struct {
	signedfile.Listing
	Content string `json:"content,omitempty"`
}

// isTrustList tells a trust list by the name that it gives itself, and rewinds.
// What has no sound header is none.
func isTrustList(f io.ReadSeeker) (bool, error) {
	h, err := signedfile.ReadHeader(f)
	if malformed := (*signedfile.ParseError)(nil); err != nil && !errors.As(err, &malformed) {
		return false, err
	}
	_, seekErr := f.Seek(0, io.SeekStart)
	return err == nil && strings.HasSuffix(h.FileName(), ".tlv"), seekErr
}

// showListFile shows a trust list. It carries its signer; a certificate given
// has to be that one.
func (p *program) showListFile(path, certFile string, asJSON bool) error {
	b, err := readLimited(path, maxShown)
	if err != nil {
		return err
	}
	list, err := trustlist.Parse(b)
	if err != nil {
		return err
	}
	v := list.Listing()
	if certFile != "" && v.Verified {
		wanted, err := readCertificates(certFile)
		if err != nil {
			return err
		}
		signer, _ := list.Find(list.SignedBy(), trustlist.SAST)
		if !slices.ContainsFunc(wanted, func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, signer.DER()) }) {
			v.Verified, v.Problem = false, fmt.Sprintf("it is signed by %s, not with the certificate in %s", list.SignedBy(), certFile)
		}
	}
	return p.printListing(v, v.Text(), v.Verified, asJSON)
}

// signers are the certificates that may have signed a file: the one given, or
// all that CallManager has and had.
func (p *program) signers(certFile string) ([]*x509.Certificate, error) {
	if certFile != "" {
		return readCertificates(certFile)
	}
	l, err := p.loader()
	if err != nil {
		return nil, err
	}
	s, faults := l.settings()
	if len(faults) > 0 {
		return nil, findings{faults: faults}.asError()
	}
	return ownSigners(l.data, &s)
}

func ownSigners(d data, s *settings) ([]*x509.Certificate, error) {
	name := string(certs.CallManager)
	files, err := filepath.Glob(filepath.Join(d.state(), "replaced", name+"-*", name+".pem"))
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, path := range append([]string{filepath.Join(s.Certs, name+".pem")}, files...) {
		chain, err := readCertificates(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, chain[0])
	}
	return all, nil
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	b, err := readLimited(path, maxShown)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return all, nil
}

// decryptFile is the configuration in an encrypted file.
func decryptFile(path, keyFile string) ([]byte, error) {
	key, err := readDecrypter(keyFile)
	if err != nil {
		return nil, err
	}
	b, err := readLimited(path, maxPhoneFile)
	if err != nil {
		return nil, err
	}
	file, err := signedfile.Parse(b)
	if err != nil {
		return nil, err
	}
	return file.Decrypt(key)
}

func readDecrypter(path string) (crypto.Decrypter, error) {
	b, err := readLimited(path, maxShown)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
				continue
			}
		}
		if d, ok := key.(crypto.Decrypter); ok {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s holds no RSA key", path)
}
