// SPDX-License-Identifier: Apache-2.0

package certs

// Store is a trust store: a folder STORE of .pem files below the certs folder.
type Store string

// The trust stores.
const (
	CallManagerTrust Store = "CallManager-trust"
	CAPFTrust        Store = "CAPF-trust"
	TomcatTrust      Store = "tomcat-trust"
	TVSTrust         Store = "TVS-trust"
	PhoneSASTTrust   Store = "Phone-SAST-trust"
)

// Stores returns all trust stores, in the order in which they are listed.
func Stores() []Store {
	return []Store{CallManagerTrust, CAPFTrust, TomcatTrust, TVSTrust, PhoneSASTTrust}
}
