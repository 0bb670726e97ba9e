// SPDX-License-Identifier: Apache-2.0

package tvs

import (
	"crypto/tls"
	"time"
)

// Generation is what requests need of one generation. It is never modified.
type Generation struct {
	Number uint64
	TLS    *tls.Config   // presents the TVS unit
	Book   *Book         // what is trusted
	TTL    time.Duration // how long a phone may keep an answer; zero: 24 h
}
