// SPDX-License-Identifier: Apache-2.0

package entropy

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func failedReport() Report {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return Report{
		State: Failed, Since: at, Reason: "failed its health test (repetition count 31 of at most 30 on /dev/hwrng)",
		Source: "/dev/hwrng", Kind: Hardware, MinEntropyBits: 1,
		RepetitionCount: TestFigures{Cutoff: 31, Alarms: 2}, AdaptiveProportion: TestFigures{Cutoff: 325},
		Samples: 10240, SilentDraws: 1,
		LastAlarm: &Incident{Alarm: Alarm{RepetitionCountTest, 31, 31, 3100}, Source: "/dev/hwrng", Time: at},
		Kernel:    readKernelFigures(machine()),
	}
}

func TestReportText(t *testing.T) {
	unknown := Report{State: Stopped, Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	tests := []struct {
		name   string
		report Report
		want   string
	}{
		{"failed", failedReport(), `State:                failed since 2026-03-04T05:06:07Z
Reason:               the random source failed its health test (repetition count 31 of at most 30 on /dev/hwrng)
Source:               /dev/hwrng (hardware)
Claimed min-entropy:  1 of 8 bits per sample
Repetition count:     cut-off 31
Adaptive proportion:  cut-off 325 in 512 samples
Samples:              10240
Silent draws:         1
Repetition alarms:    2
Proportion alarms:    0
Last alarm:           repetition count 31 of at most 30 on /dev/hwrng at 2026-03-04T05:06:07Z
entropy_avail:        256
poolsize:             4096
rng_current:          tpm-rng-0
rng_available:        tpm-rng-0 virtio_rng.0 none
`},
		{"never run, kernel says nothing", unknown, `State:              stopped since 2026-03-04T05:06:07Z
Samples:            0
Silent draws:       0
Repetition alarms:  0
Proportion alarms:  0
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got strings.Builder
			if err := test.report.WriteText(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestReportTextToABrokenPipe(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrClosedPipe)
	if err := failedReport().WriteText(w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got error %v", err)
	}
}

func TestReportJSON(t *testing.T) {
	want := failedReport()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"state":"failed","since":"2026-03-04T05:06:07Z","reason":"failed its health test (repetition count 31 of at most 30 on /dev/hwrng)",` +
		`"source":"/dev/hwrng","kind":"hardware","min_entropy_bits":1,` +
		`"repetition_count":{"cutoff":31,"alarms":2},"adaptive_proportion":{"cutoff":325,"alarms":0},"samples":10240,"silent_draws":1,` +
		`"last_alarm":{"test":"repetition_count","count":31,"cutoff":31,"sample":3100,"source":"/dev/hwrng","time":"2026-03-04T05:06:07Z"},` +
		`"kernel":{"entropy_avail":256,"poolsize":4096,"rng_current":"tpm-rng-0","rng_available":["tpm-rng-0","virtio_rng.0","none"]}}`
	if diff := cmp.Diff(text, string(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	var got Report
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestReportLeavesOutWhatTheKernelDoesNotOffer(t *testing.T) {
	b, err := json.Marshal(readKernelFigures(fstest.MapFS{}))
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != "{}" {
		t.Errorf("got %s", b)
	}
}
