// SPDX-License-Identifier: Apache-2.0

package configfiles

import (
	"os"
	"time"
)

// Settled says whether every later change of the file will show in its stamp.
func Settled(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return stampOf(info).settledAt(time.Now()), nil
}
