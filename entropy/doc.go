// SPDX-License-Identifier: Apache-2.0

// Package entropy watches the random source and speaks up.
//
// Every interval a [Monitor] draws 1,024 samples of 8 bits and runs the two
// continuous health tests of NIST SP 800-90B section 4.4 over them, repetition
// count and adaptive proportion. 1,024 is what section 4.3 asks of a start-up
// test and holds exactly two windows of the adaptive proportion test, so a
// fault shows in the draw in which it happens; and at 1 KiB per 10 s it costs
// even a TPM next to nothing. The samples are thrown away: keys come from
// crypto/rand, and what is watched here is what feeds it.
//
// # Sources
//
// The setting "" means /dev/hwrng where it can be read, else getrandom(2);
// "getrandom" and an absolute path mean just that. Each draw opens its source
// anew, so a device may vanish and come back. A read is given 5 s.
//
// # The claim
//
// The cut-offs follow from the min-entropy that is claimed for a sample. The
// higher the claim, the stricter the tests.
//
//   - Hardware, and any path that is not the kernel's: 1 bit of 8. Drivers hand
//     out anything from raw noise to conditioned output and do not say which.
//     Honest raw noise must not raise an alarm, so only what is certainly
//     broken does.
//   - The kernel's generator (getrandom, /dev/random, /dev/urandom): 6 bits of
//     8. Its output is conditioned, and anything but uniform bytes is a fault.
//     Two bits of margin make a false alarm of uniform bytes rarer still than
//     the 2^-30 the tests are set to.
//
// Neither test sees structure: a source that repeats a long period with all
// symbols equally often passes both.
//
// # States
//
//   - stopped: nobody watches. Keys may be made; that is the operator's choice.
//   - starting: the start-up test has not been decided. No keys.
//   - healthy: the source passed its start-up test and the last draw.
//   - degraded: a source that had passed could not be read in the last one or
//     two draws, or the first choice could be read before and now cannot, and
//     the next one, which has passed its own start-up test, stands in. Keys may
//     be made.
//   - failed: a health test raised an alarm, or no source could be read: three
//     draws in a row, or once before any start-up test was passed. No keys.
//
// An alarm is not confirmed by a second one: at 2^-30 it is no accident, and to
// wait an interval before making a key costs little. The way out of failed is a
// clean start-up test, tried every interval. A change of source begins with a
// start-up test too.
package entropy
