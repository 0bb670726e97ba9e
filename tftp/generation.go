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

// The library ignores a limit outside these (its SetBlockSize).
const (
	leastBlockSize = 513
	mostBlockSize  = 65464
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
	// BlockSize is the largest block in bytes that a client may negotiate, 513
	// to 65464, beyond that the nearest of these; zero means 1428. A client that
	// does not negotiate gets 512 (RFC 1350).
	BlockSize int
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
