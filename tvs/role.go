// SPDX-License-Identifier: Apache-2.0

package tvs

import "fmt"

// Role is what a certificate may be used for, by its code in trust lists and
// answers (FORMATS 2.3).
type Role uint8

// The roles.
const (
	SAST      Role = 0
	CCM       Role = 1
	CCMTFTP   Role = 2
	TFTP      Role = 3
	CAPF      Role = 4
	AppServer Role = 7
	TVS       Role = 21
)

var roleNames = map[Role]string{
	SAST: "SAST", CCM: "CCM", CCMTFTP: "CCM+TFTP", TFTP: "TFTP", CAPF: "CAPF", AppServer: "APP-SERVER", TVS: "TVS",
}

func (r Role) String() string {
	if name, ok := roleNames[r]; ok {
		return name
	}
	return fmt.Sprintf("role %d", uint8(r))
}
