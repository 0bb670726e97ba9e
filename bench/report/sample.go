// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// sample is one measured run: a result line of the load generator, or a line of
// the script's own, which has only Value.
type sample struct {
	Server string `json:"server"`
	Case   string `json:"case"` // the workload's name

	WallS         float64          `json:"wall_s"`
	Ops           int64            `json:"ops"`
	OpsPerS       float64          `json:"ops_per_s"`
	Transfers     int64            `json:"transfers"`
	Bytes         int64            `json:"bytes"`
	MiBPerS       float64          `json:"mib_per_s"`
	Errors        int64            `json:"errors"`
	Retransmits   int64            `json:"retransmits"`
	ServerCPUS    float64          `json:"server_cpu_s"`
	ServerUsPerOp float64          `json:"server_cpu_us_per_op"`
	ServerSPerGiB float64          `json:"server_cpu_s_per_gib"`
	P99us         float64          `json:"p99_us"`
	ErrorKinds    map[string]int64 `json:"error_kinds"`
	Notes         map[string]int64 `json:"notes"`

	Value  float64 `json:"value"`
	Failed bool    `json:"failed"` // the load generator gave up
}

const (
	filesPerBoot = 5
	wrongContent = "wrong content"
	cutNote      = "cut at the time limit"
)

// coldStorms are the workloads in which signatures are made that did not exist
// before.
var coldStorms = []string{"signed-cold", "building-cold-tftp"}

// acceptNewSignatures makes a cold storm count. What is signed in it is not
// known beforehand, so the load generator takes the one signed file of each
// phone for wrong. Anything but exactly that stays an error.
func (s *sample) acceptNewSignatures() {
	phones := s.Transfers / filesPerBoot
	if !slices.Contains(coldStorms, s.Case) || phones == 0 || s.ErrorKinds[wrongContent] != phones || s.Errors != phones {
		return
	}
	s.Errors, s.Ops = 0, phones
	s.OpsPerS = float64(phones) / s.WallS
	s.ServerUsPerOp = s.ServerCPUS * 1e6 / float64(phones)
}

// metric is one number of a sample, NaN where the sample has no such number.
type metric func(sample) float64

func cpuPerOp(s sample) float64    { return ifDone(s.Ops, s.ServerUsPerOp) }
func p99ms(s sample) float64       { return ifDone(s.Ops, s.P99us/1e3) }
func cpuPerGiB(s sample) float64   { return ifDone(s.Bytes, s.ServerSPerGiB) }
func rate(s sample) float64        { return s.OpsPerS }
func mibPerS(s sample) float64     { return s.MiBPerS }
func retransmits(s sample) float64 { return float64(s.Retransmits) }
func value(s sample) float64       { return s.Value }

func ifDone(n int64, v float64) float64 {
	if n == 0 {
		return math.NaN()
	}
	return v
}

// spread is what several rounds gave for one metric.
type spread struct {
	median, low, high float64
	rounds            int
}

func (s spread) ok() bool { return s.rounds > 0 }

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{median: (v[(n-1)/2] + v[n/2]) / 2, low: v[0], high: v[n-1], rounds: n}
}

// trouble is what went wrong in all rounds together.
type trouble struct {
	errors, retransmits int64
	cut                 bool // the time limit ended a run
	failed              bool // the load generator gave up
}

func (t trouble) none() bool { return t.errors == 0 && !t.cut && !t.failed }

type key struct{ workload, server string }

// measurements holds all samples of a run.
type measurements map[key][]sample

func readMeasurements(r io.Reader) (measurements, error) {
	m := measurements{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var s sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		s.acceptNewSignatures()
		k := key{s.Case, s.Server}
		m[k] = append(m[k], s)
	}
	return m, lines.Err()
}

// spread is that of a metric over the rounds in which anything was done.
func (m measurements) spread(workload, server string, of metric) spread {
	var v []float64
	for _, s := range m[key{workload, server}] {
		if x := of(s); !s.Failed && !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return spreadOf(v)
}

func (m measurements) trouble(workload, server string) trouble {
	var t trouble
	for _, s := range m[key{workload, server}] {
		t.errors += s.Errors
		t.retransmits += s.Retransmits
		t.cut = t.cut || s.Notes[cutNote] > 0
		t.failed = t.failed || s.Failed
	}
	return t
}

// bestPeer is the peer with the lowest median (the highest, if most), out of
// those without errors if there are any.
func (m measurements) bestPeer(workload string, of metric, most bool) (string, spread) {
	var best string
	var at spread
	clean := false
	for _, peer := range peers {
		s := m.spread(workload, peer, of)
		if !s.ok() || s.median == 0 {
			continue
		}
		ok := m.trouble(workload, peer).none()
		better := s.median < at.median != most
		if best == "" || ok && !clean || ok == clean && better {
			best, at, clean = peer, s, ok
		}
	}
	return best, at
}
