// SPDX-License-Identifier: Apache-2.0

package entropy

// State is what the monitor thinks of the source; the package comment says what
// each means.
type State string

const (
	Stopped  State = "stopped"
	Starting State = "starting"
	Healthy  State = "healthy"
	Degraded State = "degraded"
	Failed   State = "failed"
)
