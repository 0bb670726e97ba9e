// SPDX-License-Identifier: Apache-2.0

//go:build !race

package tlvtest

// Race says that the race detector is off.
const Race = false
