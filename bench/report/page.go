// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
)

// page is RESULTS.md.
type page struct {
	measurements measurements
	facts        string
	quick        bool

	b strings.Builder
}

// row is a workload as the tables name it.
type row struct{ workload, title string }

var (
	bootRows = []row{
		{"boot-1", "1 phone"}, {"boot-64", "64 at once"}, {"boot-512", "512 at once"},
		{"boot-2000", "2,000 at once"}, {"loss", "256 at once, 1 % loss"},
	}
	firmwareRows  = []row{{"firmware", "lock step"}, {"window", "windowsize 16"}}
	handshakeRows = []row{
		{"full-1.2", "full 1.2 P-384"}, {"full-1.3", "full 1.3 P-384"},
		{"mutual-1.2", "full 1.2 mutual P-384"}, {"mutual-1.3", "full 1.3 mutual P-384"},
		{"resumed-1.2", "resumed 1.2"}, {"resumed-1.3", "resumed 1.3"},
		{"resumed-mutual-1.2", "resumed 1.2 mutual"}, {"resumed-mutual-1.3", "resumed 1.3 mutual"},
		{"rsa-1.2", "full 1.2 RSA-2048"}, {"rsa-1.3", "full 1.3 RSA-2048"},
		{"kept", "keep-alive 12 KiB"},
	}
	largeRows    = []row{{"large", "64 MiB"}}
	signedRows   = []row{{"signed-not", "read from disk"}, {"signed-cold", "signed, cold"}, {"signed-warm", "signed, warm"}}
	buildingRows = []row{{"building-not", "read from disk"}, {"building-cold", "signed, cold"}, {"building-warm", "signed, warm"}}
	filesRows    = []row{
		{"files-100", "100 files"}, {"files-1000", "1,000 files"},
		{"files-10000", "10,000 files"}, {"files-100000", "100,000 files, 10,000 LSCs"},
	}
	memoryRows     = []row{{"memory-tftp-load", "memory by TFTP"}, {"memory-tls-load", "memory by TLS"}}
	interfacesRows = []row{{"interfaces-4", "4 interfaces"}, {"interfaces-20", "20 interfaces"}, {"interfaces-100", "100 interfaces"}}
)

func (p *page) markdown() string {
	p.b.Reset()
	p.line("# Results\n")
	p.line("**Only ratios within one run mean anything.** The numbers are of one machine, both ends of every connection on it,")
	p.line("and change with it; servers take turns in each round, so that what disturbs one disturbs all. How to run it and")
	p.line("what each workload is: [README.md](README.md).\n")
	if p.quick {
		p.line("**A quick run: it shows that everything works; measure without `--quick` before you quote it.**\n")
	}
	p.line("%s", strings.TrimRight(p.facts, "\n"))
	p.line("\nMedians of all rounds, and in brackets the lowest and the highest. `†`: errors, or cut off at the time limit;")
	p.line("see the last tables. Ratios are cfgsrv to the best peer, which is the best of those without errors.")
	p.goals()
	p.tftp()
	p.tls()
	p.alone()
	p.troubles()
	return p.b.String()
}

// plots says whether there is anything to plot.
func (p *page) plots() bool { return len(linesOf(p.measurements, rate, 1)) > 0 }

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) goals() {
	p.line("\n## Goals\n")
	p.line("Server CPU where nothing else is said; no goal counts as reached with errors.\n")
	p.line("| workload | goal | measured | reached |\n| --- | --- | --- | --- |")
	reached, measured := 0, 0
	for _, g := range goals {
		v := g.judge(p.measurements)
		p.line("| %s | %s | %s | %s |", g.what, v.bound, v.measured, v.reached)
		if v.reached == "yes" {
			reached++
		}
		if v.reached != "not measured" {
			measured++
		}
	}
	p.line("\n%d of %d reached; %d are not measured in this run.", reached, measured, len(goals)-measured)
}

func (p *page) tftp() {
	p.line("\n## TFTP\n")
	p.line("A boot is five files in sequence with blocks of 512: one that is missing, 8 KiB, 12 KiB, 2 KiB, 3 KiB.\n")
	if p.plots() {
		p.line("![phones a second over the number of phones](throughput.svg)\n")
		p.line("![server CPU per phone over the number of phones](cpu.svg)")
	}
	p.table("Boot: server CPU, µs per phone", bootRows, tftpServers, cpuPerOp, false)
	p.table("Boot: phones per second", bootRows, tftpServers, rate, true)
	p.table("Boot: p99 of a whole boot, ms", bootRows, tftpServers, p99ms, false)
	p.table("Firmware, 32 clients, blocks of 1428: server CPU, s per GiB", firmwareRows, tftpServers, cpuPerGiB, false)
	p.table("Firmware: MiB per second", firmwareRows, tftpServers, mibPerS, true)
}

func (p *page) tls() {
	p.line("\n## HTTPS\n")
	p.line("A request is a connection, a handshake, 12 KiB and the end, 16 at a time, key exchange P-256; keep-alive is the 12 KiB alone.")
	p.table("Server CPU, µs per request", handshakeRows, tlsServers, cpuPerOp, false)
	p.table("Requests per second", handshakeRows, tlsServers, rate, true)
	p.table("p99, ms", handshakeRows, tlsServers, p99ms, false)
	p.table("64 MiB: server CPU, s per GiB", largeRows, tlsServers, cpuPerGiB, false)
	p.table("64 MiB: MiB per second", largeRows, tlsServers, mibPerS, true)
}

func (p *page) alone() {
	p.line("\n## cfgsrv alone")
	p.growth("Signed boot storm: a third of the phones by TFTP, a third by HTTP, a third by HTTPS, all at once", buildingRows, value)
	p.growth("The same by TFTP alone, 512 phones at once: one more RSA signature for each phone", signedRows, cpuPerOp)
	p.growth("Over the number of files, 64 phones at once", filesRows, cpuPerOp)
	p.growth("Over the number of network interfaces, 64 phones at once", interfacesRows, cpuPerOp)
}

// table writes one metric of several servers, if any of it was measured.
func (p *page) table(title string, rows []row, servers []string, of metric, most bool) {
	var lines []string
	for _, r := range rows {
		line := "| " + r.title
		some := false
		for _, s := range servers {
			cell := p.cell(r.workload, s, of)
			some = some || cell != "–"
			line += " | " + cell
		}
		if some {
			lines = append(lines, line+" | "+p.ratio(r.workload, of, most)+" |")
		}
	}
	if lines == nil {
		return
	}
	p.line("\n%s\n", title)
	p.line("| | %s | cfgsrv to the best peer |\n|---|%s---:|", strings.Join(servers, " | "), strings.Repeat("---:|", len(servers)))
	p.line("%s", strings.Join(lines, "\n"))
}

func (p *page) cell(workload, server string, of metric) string {
	s := p.measurements.spread(workload, server, of)
	if !s.ok() {
		return "–"
	}
	text := s.String()
	if !p.measurements.trouble(workload, server).none() {
		text += " †"
	}
	return text
}

func (p *page) ratio(workload string, of metric, most bool) string {
	mine := p.measurements.spread(workload, ours, of)
	name, other := p.measurements.bestPeer(workload, of, most)
	if !mine.ok() || name == "" {
		return "–"
	}
	return fmt.Sprintf("%s × %s", number(mine.median/other.median), name)
}

// growth writes what a phone costs cfgsrv in each row, beside the first.
func (p *page) growth(title string, rows []row, of metric) {
	base := p.measurements.spread(rows[0].workload, ours, of)
	if !base.ok() {
		return
	}
	p.line("\n%s\n", title)
	p.line("| | server CPU, µs per phone | ratio to the first |\n|---|---:|---:|")
	for _, r := range rows {
		if cpu := p.measurements.spread(r.workload, ours, of); cpu.ok() {
			p.line("| %s | %s | %s |", r.title, p.cell(r.workload, ours, of), number(cpu.median/base.median))
		}
	}
}

// troubles writes errors and retransmissions of all rounds together, by the
// names that bench/run --list gives.
func (p *page) troubles() {
	p.line("\n## Errors and retransmissions\n")
	p.line("Sums of all rounds: errors / retransmissions. Of a run that is cut, what was still under way is neither.")
	p.troubleTable(tftpServers, bootRows, firmwareRows)
	p.troubleTable(tlsServers, handshakeRows, largeRows)
	p.troubleTable([]string{ours}, signedRows, buildingLoads(), filesRows, interfacesRows, memoryRows)
}

func buildingLoads() []row {
	var rows []row
	for _, storm := range buildingRows {
		for _, load := range partsOf(storm.workload) {
			rows = append(rows, row{load, load})
		}
	}
	return rows
}

func (p *page) troubleTable(servers []string, groups ...[]row) {
	var lines []string
	for _, r := range slices.Concat(groups...) {
		line, some := "| "+r.workload, false
		for _, s := range servers {
			cell := p.troubleCell(r.workload, s)
			some = some || cell != "–"
			line += " | " + cell
		}
		if some {
			lines = append(lines, line+" |")
		}
	}
	if lines != nil {
		p.line("\n| | %s |\n|---|%s", strings.Join(servers, " | "), strings.Repeat("---:|", len(servers)))
		p.line("%s", strings.Join(lines, "\n"))
	}
}

func (p *page) troubleCell(workload, server string) string {
	if len(p.measurements[key{workload, server}]) == 0 {
		return "–"
	}
	t := p.measurements.trouble(workload, server)
	text := fmt.Sprintf("%d / %d", t.errors, t.retransmits)
	if t.cut {
		text += ", cut"
	}
	if t.failed {
		text += ", the load failed"
	}
	return text
}

func (s spread) String() string {
	if s.low == s.high {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.low), number(s.high))
}

// number writes three digits, or all before the point.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
