// SPDX-License-Identifier: Apache-2.0

//go:build race

package capf

// There are fewer under the race detector, which is ten times slower.
const (
	manyDevices = 10_000
	stormPhones = 200
)
