// SPDX-License-Identifier: Apache-2.0

// Package trustlist parses and builds ITL and CTL files from certificates and
// a [crypto.Signer].
//
// [Parse] takes lists of any writer apart, and [List.Marshal] gives back the
// same bytes. [Build] writes Unified CM's own form alone; a list in that form
// is what [List.Spec] and Build turn into each other. A list is only ever
// consistent in itself: [List.Verify] says that its signer signed it, and
// whether that signer is to be trusted is for the reader to know.
package trustlist
