// SPDX-License-Identifier: Apache-2.0

package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"cfgsrv/configfiles"
)

// shakeHands completes the TLS handshake, or tells why it cannot.
func (c *conn) shakeHands() error {
	if err := c.secure.Handshake(); err != nil {
		c.answerPlainHTTP(err)
		c.tellHandshake(err)
		return err
	}
	s := c.secure.ConnectionState()
	c.chain = s.PeerCertificates
	c.record = &configfiles.TLSRecord{
		Version: strings.TrimPrefix(tls.VersionName(s.Version), "TLS "),
		Cipher:  c.server.ciphers.of(s.CipherSuite),
		Cert:    c.unit,
		Client:  subjectOf(s.PeerCertificates),
	}
	if s.DidResume {
		c.record.Cert = "resumed"
	}
	return nil
}

// cipherNames are the names of cipher suites: to find one, tls.CipherSuiteName
// makes a list of them all each time.
type cipherNames map[uint16]string

func newCipherNames() cipherNames {
	names := cipherNames{}
	for _, suites := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, suite := range suites {
			names[suite.ID] = suite.Name
		}
	}
	return names
}

func (n cipherNames) of(suite uint16) string {
	if name, ok := n[suite]; ok {
		return name
	}
	return tls.CipherSuiteName(suite)
}

func subjectOf(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	return chain[0].Subject.String()
}

// httpsOnly answers plain HTTP on a port for TLS.
const httpsOnly = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
	"This port speaks only HTTPS.\n"

func (c *conn) answerPlainHTTP(err error) {
	if header := (tls.RecordHeaderError{}); errors.As(err, &header) && looksLikeHTTP(header.RecordHeader) {
		io.WriteString(&c.wire, httpsOnly)
	}
}

// looksLikeHTTP tells whether what came in place of a record's header is the
// beginning of a request.
func looksLikeHTTP(h [5]byte) bool {
	switch string(h[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET":
		return true
	}
	return false
}

// tellHandshake logs a failed handshake. A phone that does not come up because
// of one makes no request, so this record is all there is of it.
func (c *conn) tellHandshake(err error) {
	level := slog.LevelInfo
	if !c.heard || errors.Is(err, net.ErrClosed) || !c.server.failed.pass(time.Now()) {
		level = slog.LevelDebug
	}
	c.server.log.LogAttrs(context.Background(), level, "handshake failed",
		slog.String("remote", c.remote.String()), slog.String("reason", c.whyNoHandshake(err)), slog.Any("err", err))
}

// whyNoHandshake says it in plain words.
func (c *conn) whyNoHandshake(err error) string {
	if header := (tls.RecordHeaderError{}); errors.As(err, &header) {
		if looksLikeHTTP(header.RecordHeader) {
			return "plain HTTP sent to a TLS port"
		}
		return "not TLS at all"
	}
	if remote := (*net.OpError)(nil); errors.As(err, &remote) && remote.Op == "remote error" {
		return clientAlert(remote.Err)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "client took too long"
	case errors.Is(err, net.ErrClosed):
		return "connection was closed by the server"
	case isHangUp(err):
		return "client hung up during the handshake"
	}
	if c.unpresented != "" {
		return c.unpresented
	}
	return ourAlert(tls.AlertError(c.alert))
}

func isHangUp(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// The alerts of RFC 8446 section 6.2 that say something about a setup.
const (
	alertHandshakeFailure       tls.AlertError = 40
	alertBadCertificate         tls.AlertError = 42
	alertUnsupportedCertificate tls.AlertError = 43
	alertCertificateRevoked     tls.AlertError = 44
	alertCertificateExpired     tls.AlertError = 45
	alertCertificateUnknown     tls.AlertError = 46
	alertUnknownCA              tls.AlertError = 48
	alertAccessDenied           tls.AlertError = 49
	alertProtocolVersion        tls.AlertError = 70
	alertInsufficientSecurity   tls.AlertError = 71
	alertInternalError          tls.AlertError = 80
	alertNoApplicationProtocol  tls.AlertError = 120
)

// rejections are the alerts by which a client says that our certificate is not
// to its liking.
var rejections = []tls.AlertError{
	alertBadCertificate, alertUnsupportedCertificate, alertCertificateRevoked, alertCertificateExpired,
	alertCertificateUnknown, alertUnknownCA, alertAccessDenied,
}

// clientAlert is for an alert that the client sent. Its type is not exported
// by crypto/tls, but its text is that of the tls.AlertError.
func clientAlert(alert error) string {
	said := strings.TrimPrefix(alert.Error(), "tls: ")
	for _, a := range rejections {
		if a.Error() == alert.Error() {
			return "client rejected our certificate: " + said
		}
	}
	return "client broke off: " + said
}

// ourAlert is for an alert that we sent; 0 if none was in the clear.
func ourAlert(alert tls.AlertError) string {
	switch alert {
	case 0:
		return "handshake broke off"
	case alertProtocolVersion:
		return "client offers no common TLS version"
	case alertHandshakeFailure, alertInsufficientSecurity:
		return "client offers no common cipher, curve or signature algorithm"
	case alertNoApplicationProtocol:
		return "client offers no common application protocol"
	case alertInternalError:
		return "server has a fault"
	}
	return "client does not keep to the protocol"
}
