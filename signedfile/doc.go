// SPDX-License-Identifier: Apache-2.0

// Package signedfile signs and encrypts configuration files, and takes them
// apart.
//
// A signed file (.sgn) is a header followed by the file itself, so that one of
// any size is signed while it is read: [Signer.Sign] reads the content once
// and gives the header to send before it. An encrypted configuration
// (.enc.sgn) is made and read whole, by [Signer.Encrypt] and [File.Decrypt].
// [Parse] and [File.Marshal] are inverse for files of any writer.
package signedfile
