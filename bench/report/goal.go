// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
)

const (
	ours = "cfgsrv"
	best = "the best peer"
)

var (
	tftpServers = []string{ours, "dnsmasq", "atftpd", "tftpd-hpa"}
	tlsServers  = []string{ours, "nginx", "apache", "caddy"}
	peers       = slices.Concat(tftpServers[1:], tlsServers[1:])
)

// goal is one bound on one workload.
type goal struct {
	what     string
	workload string
	metric   metric
	atLeast  bool // else at most
	limit    float64
	unit     string   // of an absolute limit; a relative one has a server or a workload
	server   string   // relative to this peer, or to the best
	than     string   // relative to this workload of cfgsrv itself
	loads    []string // where errors are counted, if not in workload
}

var goals = []goal{
	{what: "TFTP boot, CPU per phone, 64 at once", workload: "boot-64", metric: cpuPerOp, limit: 0.85, server: "dnsmasq"},
	{what: "TFTP boot, CPU per phone, 512 at once", workload: "boot-512", metric: cpuPerOp, limit: 0.85, server: "dnsmasq"},
	{what: "2,000 phones at once, phones/s", workload: "boot-2000", metric: rate, atLeast: true, limit: 4, server: "dnsmasq"},
	{what: "2,000 phones at once, p99 of a boot", workload: "boot-2000", metric: p99ms, limit: 1000, unit: "ms"},
	{what: "2,000 phones at once, retransmissions", workload: "boot-2000", metric: retransmits, limit: 0},
	{what: "1 % loss, p99 of a boot", workload: "loss", metric: p99ms, limit: 1. / 3, server: best},
	{what: "firmware 1428, lock step, 32 clients, CPU", workload: "firmware", metric: cpuPerGiB, limit: 0.95, server: "dnsmasq"},
	{what: "firmware 1428, windowsize 16, 32 clients, CPU", workload: "window", metric: cpuPerGiB, limit: 0.25, server: "atftpd"},
	{what: "firmware 1428, windowsize 16, 32 clients, MiB/s", workload: "window", metric: mibPerS, atLeast: true, limit: 3, server: "atftpd"},
	{what: "TLS 1.2 full, P-384", workload: "full-1.2", metric: cpuPerOp, limit: 0.5, server: "nginx"},
	{what: "TLS 1.2 full, P-384", workload: "full-1.2", metric: cpuPerOp, limit: 0.85, server: "caddy"},
	{what: "TLS 1.3 full, P-384", workload: "full-1.3", metric: cpuPerOp, limit: 0.5, server: "nginx"},
	{what: "TLS 1.3 full, P-384", workload: "full-1.3", metric: cpuPerOp, limit: 0.85, server: "caddy"},
	{what: "TLS 1.2 full, mutual P-384", workload: "mutual-1.2", metric: cpuPerOp, limit: 0.6, server: "nginx"},
	{what: "TLS 1.3 full, mutual P-384", workload: "mutual-1.3", metric: cpuPerOp, limit: 0.6, server: "nginx"},
	{what: "TLS 1.2 resumed", workload: "resumed-1.2", metric: cpuPerOp, limit: 1.15, server: "nginx"},
	{what: "TLS 1.3 resumed", workload: "resumed-1.3", metric: cpuPerOp, limit: 0.6, server: "nginx"},
	{what: "TLS 1.2 resumed, mutual", workload: "resumed-mutual-1.2", metric: cpuPerOp, limit: 0.45, server: "nginx"},
	{what: "TLS 1.3 resumed, mutual", workload: "resumed-mutual-1.3", metric: cpuPerOp, limit: 0.3, server: "nginx"},
	{what: "TLS 1.2 full, RSA-2048", workload: "rsa-1.2", metric: cpuPerOp, limit: 1.9, server: "nginx"},
	{what: "TLS 1.3 full, RSA-2048", workload: "rsa-1.3", metric: cpuPerOp, limit: 1.9, server: "nginx"},
	{what: "who can use ECDSA is served it, TLS 1.2 and 1.3", workload: "certificate", metric: value, atLeast: true, limit: 2, unit: "of 2"},
	{what: "keep-alive, 12 KiB", workload: "kept", metric: cpuPerOp, limit: 1.2, server: "nginx"},
	{what: "64 MiB", workload: "large", metric: cpuPerGiB, limit: 0.8, server: "nginx"},
	{what: "signed boot storm by TFTP, HTTP and HTTPS, cold generation", workload: "building-cold", metric: value, limit: 1.3, than: "building-not", loads: partsOf("building-cold")},
	{what: "signed boot storm by TFTP, HTTP and HTTPS, warm", workload: "building-warm", metric: value, limit: 1.05, than: "building-not", loads: partsOf("building-warm")},
	{what: "resident, 2,000 phones mid-boot by TFTP", workload: "memory-tftp", metric: value, limit: 150, unit: "MB", loads: []string{"memory-tftp-load"}},
	{what: "resident, 2,000 phones mid-boot by mutual TLS", workload: "memory-tls", metric: value, limit: 150, unit: "MB", loads: []string{"memory-tls-load"}},
	{what: "resident, idle, 100,000 files and 10,000 LSCs", workload: "memory-idle", metric: value, limit: 40, unit: "MB"},
	{what: "start to serving, 100,000 files and 10,000 LSCs", workload: "start", metric: value, limit: 1000, unit: "ms"},
	{what: "CPU per phone, 100,000 files", workload: "files-100000", metric: cpuPerOp, limit: flat, than: "files-100"},
	{what: "CPU per phone, 100 interfaces", workload: "interfaces-100", metric: cpuPerOp, limit: flat, than: "interfaces-4"},
}

// flat is what counts as no growth: one run differs from the next by 5 % either
// way.
const flat = 1.1

// verdict is a goal beside what was measured.
type verdict struct {
	bound    string // the goal in words
	measured string
	reached  string // yes, no, or why neither
}

func (g goal) judge(m measurements) verdict {
	v := verdict{bound: g.bound(), measured: "–", reached: "not measured"}
	mine, trouble := m.spread(g.workload, ours, g.metric), g.trouble(m)
	if !mine.ok() {
		if !trouble.none() {
			v.reached = "no: " + trouble.words()
		}
		return v
	}
	got, against := mine.median, ""
	if g.relative() {
		name, other := g.other(m)
		if !other.ok() || other.median == 0 {
			return v
		}
		got = mine.median / other.median
		against = fmt.Sprintf(" × (%s to %s", number(mine.median), number(other.median))
		if g.server == best {
			against += " of " + name
		}
		against += ")"
	} else if g.unit != "" {
		against = " " + g.unit
	}
	v.measured = number(got) + against
	v.reached = "no"
	if !trouble.none() {
		v.reached = "no: " + trouble.words()
	} else if got == g.limit || got < g.limit != g.atLeast {
		v.reached = "yes"
	}
	return v
}

func (g goal) relative() bool { return g.server != "" || g.than != "" }

func (g goal) other(m measurements) (string, spread) {
	switch g.server {
	case "":
		return ours, m.spread(g.than, ours, g.metric)
	case best:
		return m.bestPeer(g.workload, g.metric, g.atLeast)
	}
	return g.server, m.spread(g.workload, g.server, g.metric)
}

// partsOf names the loads that make up a storm of a whole building.
func partsOf(storm string) []string {
	return []string{storm + "-tftp", storm + "-http", storm + "-tls", storm + "-mutual"}
}

// trouble is that of all loads behind the goal.
func (g goal) trouble(m measurements) trouble {
	all := m.trouble(g.workload, ours)
	for _, load := range g.loads {
		t := m.trouble(load, ours)
		all.errors += t.errors
		all.cut = all.cut || t.cut
		all.failed = all.failed || t.failed
	}
	return all
}

func (g goal) bound() string {
	sign := "≤"
	if g.atLeast {
		sign = "≥"
	}
	limit := fmt.Sprintf("%g", g.limit)
	if g.limit == 1./3 {
		limit = "1/3"
	}
	switch {
	case g.limit == 0:
		return "0"
	case g.than != "":
		return fmt.Sprintf("%s %s × %s", sign, limit, bases[g.than])
	case g.server != "":
		return fmt.Sprintf("%s %s × %s", sign, limit, g.server)
	}
	return fmt.Sprintf("%s %s %s", sign, limit, g.unit)
}

// bases names the workloads that others are compared with.
var bases = map[string]string{
	"building-not": "the unsigned one",
	"files-100":    "100 files",
	"interfaces-4": "4 interfaces",
}

func (t trouble) words() string {
	switch {
	case t.failed:
		return "the load failed"
	case t.cut:
		return "cut at the time limit"
	}
	return fmt.Sprintf("%d errors", t.errors)
}
