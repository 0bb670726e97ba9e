// SPDX-License-Identifier: Apache-2.0

package https

import (
	"path"
	"strings"
)

// Values of headers, shared by all answers: nobody may change them.
var (
	closing   = []string{"close"}
	noSniff   = []string{"nosniff"}
	noStore   = []string{"no-store"}
	plainText = []string{"text/plain; charset=utf-8"}
	octets    = []string{"application/octet-stream"}
	inBytes   = []string{"bytes"}
)

var contentTypes = map[string][]string{
	".xml":  {"text/xml"},
	".txt":  {"text/plain"},
	".json": {"application/json"},
	".png":  {"image/png"},
}

// contentType goes by the extension alone: a phone believes what it asked for,
// and nothing may be made of a file by looking into it.
func contentType(name string) []string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return octets
}
