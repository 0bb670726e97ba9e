// SPDX-License-Identifier: Apache-2.0

package tftp

import "cfgsrv/configfiles"

// The defaults of DESIGN 3. The block of 1428 bytes fits the smallest MTU that
// tunnels to branch offices leave.
const (
	defaultTransfers  = 4000
	defaultPerAddress = 1000
	defaultBlockSize  = 1428
)

// Generation is what a request is served from. It is never modified.
type Generation struct {
	Number uint64
	Files  configfiles.Source
	// MaxTransfers limits the transfers that run at once; zero means 4000.
	MaxTransfers int
	// MaxPerAddress limits those of one client address; zero means 1000, because
	// whole sites sit behind one.
	MaxPerAddress int
	// BlockSize is the largest block in bytes that a client may negotiate, 8 to
	// 65464, beyond that the nearest of these; zero means 1428. It gets less if
	// its path carries less. A client that does not negotiate gets 512 (RFC 1350).
	BlockSize int
	// SinglePort lets every answer leave from the listening port, for clients
	// behind a NAT or a firewall that knows no TFTP, and for servers in a
	// container. Without it a transfer has a port of the server that is not the
	// listening one (RFC 1350 section 4).
	SinglePort bool
}

func (g Generation) maxTransfers() int  { return orDefault(g.MaxTransfers, defaultTransfers) }
func (g Generation) maxPerAddress() int { return orDefault(g.MaxPerAddress, defaultPerAddress) }
func (g Generation) blockSize() int {
	return min(max(orDefault(g.BlockSize, defaultBlockSize), leastBlockSize), mostBlockSize)
}

func orDefault(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}
