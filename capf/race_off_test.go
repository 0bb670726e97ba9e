// SPDX-License-Identifier: Apache-2.0

//go:build !race

package capf

const (
	manyDevices = 100_000
	stormPhones = 1000
)
