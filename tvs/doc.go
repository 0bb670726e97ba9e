// SPDX-License-Identifier: Apache-2.0

// Package tvs answers whether a certificate is trusted, and finds one by issuer
// and serial.
package tvs
