// SPDX-License-Identifier: Apache-2.0

package trustlist

import "strconv"

// Role is what a record's certificate is for; phones and TVS use the same
// numbers (FORMATS 2.3).
type Role uint16

// The roles that are known.
const (
	SAST      Role = 0  // signs trust lists; at most two in a list
	CCM       Role = 1  // call control over TLS
	CCMTFTP   Role = 2  // CCM and TFTP
	TFTP      Role = 3  // signs files, or serves them over HTTPS
	CAPF      Role = 4  // enrols devices
	SRST      Role = 5  // survivable gateway
	AppServer Role = 7  // HTTPS services
	TVS       Role = 21 // vouches for other certificates
)

var roleNames = map[Role]string{
	SAST: "SAST", CCM: "CCM", CCMTFTP: "CCM+TFTP", TFTP: "TFTP", CAPF: "CAPF", SRST: "SRST", AppServer: "APP-SERVER", TVS: "TVS",
}

// String is the role's short name, or its number.
func (r Role) String() string {
	if name, ok := roleNames[r]; ok {
		return name
	}
	return "role " + strconv.Itoa(int(r))
}

// MarshalText is String.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// title is the role as Unified CM prints it.
func (r Role) title() string {
	if r == SAST {
		return "System Administrator Security Token"
	}
	return r.String()
}
