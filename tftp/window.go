// SPDX-License-Identifier: Apache-2.0

package tftp

// window says which blocks a client has and which are on their way (RFC 7440; of
// size 1 it is the lock step of RFC 1350). Blocks are counted through, without
// the wrap of their 16 bits. Block 0 stands for the OACK; if there is none,
// acked and sent begin with 0, else with -1.
type window struct {
	size  int64
	first int64 // what acked was at first
	acked int64 // all up to this one are acknowledged
	sent  int64 // the last one sent
	high  int64 // the last one ever sent
	last  int64 // the last one of the file
	doubt int   // for how many windows no gap is believed
}

// answer is what an acknowledgement means.
type answer int

const (
	nothingNew answer = iota // old, or of another transfer
	progress                 // it carries the transfer on
	gap                      // it may say that a block is missing
)

// newWindow is for a file of that many bytes.
func newWindow(o options, size int64) window {
	w := window{size: int64(o.window()), last: size/int64(o.blockSize()) + 1}
	if o.any() {
		w.first, w.acked, w.sent, w.high = -1, -1, -1, -1
	}
	return w
}

// acknowledge takes the block number of an ACK.
//
// An ACK of what was acknowledged before is never answered in lock step, where
// it would double every packet to the end: the Sorcerer's Apprentice of RFC 1123
// section 4.2.3.1. In a window it also tells that the first block of it was
// lost (RFC 7440 section 4). That is believed once, and not of the window behind
// it either: if it was wrong, the client has had everything twice and says so.
func (w *window) acknowledge(block uint16) answer {
	ahead := int64(block - uint16(w.acked))
	switch {
	case ahead == 0 && w.size > 1 && w.sent > w.acked && w.acked >= 0 && w.doubt == 0:
		return gap
	case ahead == 0 || ahead > w.sent-w.acked:
		return nothingNew
	}
	w.acked += ahead
	w.doubt = max(w.doubt-1, 0)
	w.sent = w.acked // a window acknowledged in part begins anew behind it
	return progress
}

// believe takes a gap for one.
func (w *window) believe() {
	w.doubt = 2
	w.rewind()
}

// rewind lets everything that is not acknowledged be sent again.
func (w *window) rewind() { w.sent = w.acked }

// next are the blocks to be sent now. Block 0 is alone.
func (w *window) next() (first, count int64) {
	first = w.sent + 1
	if first == 0 {
		return 0, 1
	}
	return first, min(w.acked+w.size, w.last) - w.sent
}

// advance says that count more blocks were sent.
func (w *window) advance(count int64) {
	w.sent += count
	w.high = max(w.high, w.sent)
}

// begun says that something was acknowledged.
func (w *window) begun() bool { return w.acked > w.first }

func (w *window) done() bool { return w.acked == w.last }

// complete says that every block was sent.
func (w *window) complete() bool { return w.high == w.last }
