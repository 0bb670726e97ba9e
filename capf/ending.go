// SPDX-License-Identifier: Apache-2.0

package capf

import (
	"fmt"

	"cfgsrv/capf/internal/wire"
)

// ending is how a session ends. As an error it ends one early, because of what
// the device is, says or wants.
type ending struct {
	outcome Outcome
	code    wire.Reason // all that the device hears
	reason  string      // one plain clause for the log, without secrets
}

func (e *ending) Error() string { return e.reason }

func refuse(format string, a ...any) error {
	return &ending{Refused, wire.Declined, fmt.Sprintf(format, a...)}
}
