// SPDX-License-Identifier: Apache-2.0

package https

import "time"

// times are the limits in time of a Server; tests have shorter ones.
type times struct {
	request  time.Duration // for a handshake and the head of a request together
	body     time.Duration // for what a client sends after a head
	idle     time.Duration // between two requests
	stall    time.Duration // between two looks at how much of an answer the peer has taken
	patience time.Duration // a connection without a request is left alone, whoever else waits
	refusal  time.Duration // for a client that gets a 503 to ask for something
	grace    time.Duration // an old connection may be idle after a restart
	lastLook time.Duration // for a request that arrived while its connection was to end
	drain    time.Duration // for a connection without a request to make one after Shutdown
}

var usualTimes = times{
	request:  10 * time.Second,
	body:     2 * time.Second,
	idle:     60 * time.Second,
	stall:    15 * time.Second,
	patience: 500 * time.Millisecond,
	refusal:  2 * time.Second,
	grace:    time.Second,
	lastLook: 50 * time.Millisecond,
	drain:    time.Second,
}

const (
	// maxHeaderBytes is for the head of a request. Phones send under 200 bytes.
	maxHeaderBytes = 16 << 10
	// maxTurnedAway is how many connections above the limits may wait for their
	// 503 at the same time.
	maxTurnedAway = 256
)
