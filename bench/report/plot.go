// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// plot is a line for each server over the number of phones, both axes with
// their ticks; the x axis is logarithmic.
type plot struct {
	title string
	ticks []float64
	log   bool // the y axis too
	lines []line
}

type line struct {
	server string
	points []point
}

// point is one measurement, with the lowest and the highest of its rounds.
type point struct{ phones, median, low, high float64 }

var plotted = []struct {
	workload string
	phones   float64
}{{"boot-1", 1}, {"boot-64", 64}, {"boot-512", 512}, {"boot-2000", 2000}}

func throughputPlot(m measurements) plot {
	p := plot{title: "TFTP boot: phones per second", lines: linesOf(m, rate, 1)}
	step := roundUp(p.highest() / 6)
	p.ticks = []float64{0, step}
	for p.ticks[len(p.ticks)-1] < p.highest() {
		p.ticks = append(p.ticks, step*float64(len(p.ticks)))
	}
	return p
}

func cpuPlot(m measurements) plot {
	p := plot{title: "TFTP boot: server CPU per phone, ms", log: true, lines: linesOf(m, cpuPerOp, 1e-3)}
	all := []float64{0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
	first, last := 0, 1
	for first < len(all)-2 && all[first+1] <= p.lowest() {
		first++
	}
	for last < len(all)-1 && (all[last] < p.highest() || last <= first) {
		last++
	}
	p.ticks = all[first : last+1]
	return p
}

func linesOf(m measurements, of metric, scale float64) []line {
	var lines []line
	for _, server := range tftpServers {
		l := line{server: server}
		for _, w := range plotted {
			if s := m.spread(w.workload, server, of); s.ok() && s.median > 0 {
				l.points = append(l.points, point{w.phones, s.median * scale, s.low * scale, s.high * scale})
			}
		}
		if l.points != nil {
			lines = append(lines, l)
		}
	}
	return lines
}

func (p plot) highest() float64 {
	top := 0.
	for _, l := range p.lines {
		for _, at := range l.points {
			top = max(top, at.high)
		}
	}
	return top
}

func (p plot) lowest() float64 {
	low := math.Inf(1)
	for _, l := range p.lines {
		for _, at := range l.points {
			low = min(low, at.low)
		}
	}
	return low
}

// roundUp gives the next of 1, 2 and 5 times a power of ten; 1 for nothing.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*unit >= v {
			return f * unit
		}
	}
	return 10 * unit
}

// The picture, in pixels: the frame of the axes, and room for names at the right.
const (
	width, height = 720, 400
	left, right   = 60, 610
	top, bottom   = 50, 345
	nameHeight    = 16
)

// colours are told apart on white and on black; the shapes are for those who
// cannot tell colours apart.
var styles = map[string]struct{ colour, shape string }{
	ours:        {"#2f81f7", "circle"},
	"dnsmasq":   {"#d9730d", "square"},
	"atftpd":    {"#2da44e", "triangle"},
	"tftpd-hpa": {"#c0569f", "diamond"},
}

func (p plot) x(phones float64) float64 {
	const most = 2000
	return left + (right-left)*math.Log(phones)/math.Log(most)
}

func (p plot) y(v float64) float64 {
	low, high := p.ticks[0], p.ticks[len(p.ticks)-1]
	if p.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, low))
	}
	return bottom - (bottom-top)*(v-low)/(high-low)
}

func (p plot) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #8b949e; stroke-opacity: .35 }
@media (prefers-color-scheme: dark) { text { fill: #adbac7 } }
</style>
`, width, height, width, height, p.title)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="28">%s</text>`+"\n", left, p.title)
	p.drawAxes(&b)
	for _, l := range p.lines {
		p.drawLine(&b, l)
	}
	p.drawNames(&b)
	b.WriteString("</svg>\n")
	return b.String()
}

func (p plot) drawAxes(b *strings.Builder) {
	for _, t := range p.ticks {
		y := p.y(t)
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, left, right, y, y)
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, y+4, tick(t))
	}
	for _, w := range plotted {
		x := p.x(w.phones)
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, top, bottom)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, bottom+20, tick(w.phones))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">phones at once; bars from the lowest to the highest round</text>`+"\n", (left+right)/2, bottom+42)
}

func (p plot) drawLine(b *strings.Builder, l line) {
	style := styles[l.server]
	strokeWidth := 1.5
	if l.server == ours {
		strokeWidth = 3
	}
	var path []string
	for _, at := range l.points {
		path = append(path, fmt.Sprintf("%.1f,%.1f", p.x(at.phones), p.y(at.median)))
	}
	fmt.Fprintf(b, `<g stroke="%s" fill="%s"><polyline fill="none" stroke-width="%g" points="%s"/>`, style.colour, style.colour, strokeWidth, strings.Join(path, " "))
	for _, at := range l.points {
		x := p.x(at.phones)
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, p.y(at.low), p.y(at.high))
		b.WriteString(mark(style.shape, x, p.y(at.median)))
	}
	b.WriteString("</g>\n")
}

func mark(shape string, x, y float64) string {
	const r = 4.5
	switch shape {
	case "circle":
		return fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="%g"/>`, x, y, r)
	case "square":
		return fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="%g" height="%g"/>`, x-r, y-r, 2*r, 2*r)
	case "triangle":
		return fmt.Sprintf(`<polygon points="%.1f,%.1f %.1f,%.1f %.1f,%.1f"/>`, x, y-r-1, x+r+1, y+r, x-r-1, y+r)
	}
	return fmt.Sprintf(`<polygon points="%.1f,%.1f %.1f,%.1f %.1f,%.1f %.1f,%.1f"/>`, x, y-r-1, x+r+1, y, x, y+r+1, x-r-1, y)
}

// drawNames writes each server beside the end of its line, moved apart where
// lines end together.
func (p plot) drawNames(b *strings.Builder) {
	lines := slices.Clone(p.lines)
	end := func(l line) float64 { return p.y(l.points[len(l.points)-1].median) }
	slices.SortFunc(lines, func(a, c line) int { return int(end(a)) - int(end(c)) })
	y := make([]float64, len(lines))
	for i, l := range lines {
		y[i] = end(l)
		if i > 0 {
			y[i] = max(y[i], y[i-1]+nameHeight)
		}
	}
	for i, room := len(lines)-1, float64(bottom+4); i >= 0; i, room = i-1, y[i]-nameHeight {
		y[i] = min(y[i], room)
	}
	for i, l := range lines {
		x := p.x(l.points[len(l.points)-1].phones)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" style="fill: %s">%s</text>`+"\n", x+12, y[i]+4, styles[l.server].colour, l.server)
	}
}

// tick writes a number on an axis.
func tick(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%d,%03d", int(v)/1000, int(v)%1000)
	}
	return fmt.Sprintf("%g", v)
}
