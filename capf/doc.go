// SPDX-License-Identifier: Apache-2.0

// Package capf enrols devices: checks who asks, issues LSCs, keeps the record.
package capf
