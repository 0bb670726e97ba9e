// SPDX-License-Identifier: Apache-2.0

//go:build race

package tlvtest

// Race says that the race detector is on, which makes a signature check ten
// times as slow.
const Race = true
