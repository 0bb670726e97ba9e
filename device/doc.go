// SPDX-License-Identifier: Apache-2.0

// Package device knows the names of devices, and how a certificate proves one.
package device
