// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"crypto/tls"
	"crypto/x509"
)

// Generation is what sessions need of one generation. It is never modified.
type Generation struct {
	Number    uint64
	TLS       *tls.Config    // presents the CAPF unit
	Trusted   *x509.CertPool // CAPF-trust and our CAPF: whose certificates authenticate a device; nil: nobody's
	Authority Authority      // an Issuer, or Offline
	Settings  Settings
}
