// SPDX-License-Identifier: Apache-2.0

// Package tlv reads and writes the tagged fields that trust lists and signed
// files are made of: the header that both share, its signature, and the
// spelling of names and serial numbers in it (FORMATS 2 to 4).
//
// Reading and writing are inverse: [Header.Append] gives back the very bytes
// that [ParseHeader] took apart, whoever wrote them and in whatever order. New
// headers have one form only, the one that Cisco Unified CM writes.
package tlv
