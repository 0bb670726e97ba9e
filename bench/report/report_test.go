// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// read makes measurements of lines as the load generator writes them.
func read(t *testing.T, lines ...string) measurements {
	t.Helper()
	m, err := readMeasurements(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// boot is a run of 100 phones at that CPU cost.
func boot(server, workload string, us float64, more string) string {
	return fmt.Sprintf(`{"server":%q,"case":%q,"ops":100,"transfers":500,"wall_s":1,"ops_per_s":100,"server_cpu_us_per_op":%g%s}`, server, workload, us, more)
}

func TestSpreadOf(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   spread
	}{
		"nothing": {nil, spread{}},
		"one":     {[]float64{3}, spread{3, 3, 3, 1}},
		"odd":     {[]float64{9, 1, 4}, spread{4, 1, 9, 3}},
		"even":    {[]float64{4, 1, 9, 2}, spread{3, 1, 9, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestRunsWithoutResultDoNotCount(t *testing.T) {
	m := read(t,
		boot(ours, "boot-64", 300, ""),
		`{"server":"cfgsrv","case":"boot-64","ops":0,"server_cpu_us_per_op":0}`,
		`{"server":"cfgsrv","case":"boot-64","failed":true}`)
	if got := m.spread("boot-64", ours, cpuPerOp); got != (spread{300, 300, 300, 1}) {
		t.Errorf("CPU is %v, want that of the one run that ended", got)
	}
	if !m.trouble("boot-64", ours).failed {
		t.Error("the run that failed is forgotten")
	}
}

func TestReadMeasurementsNamesTheLine(t *testing.T) {
	_, err := readMeasurements(strings.NewReader("{}\n{"))
	if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("got %v, want an error about line 2", err)
	}
}

func TestColdStormCountsOnlyIfJustTheSignedFilesAreNew(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		errors int64
	}{
		"one new file each": {`"case":"signed-cold","transfers":500,"errors":100,"error_kinds":{"wrong content":100}`, 0},
		"one more":          {`"case":"signed-cold","transfers":500,"errors":101,"error_kinds":{"wrong content":101}`, 101},
		"one timeout":       {`"case":"signed-cold","transfers":500,"errors":101,"error_kinds":{"wrong content":100,"timeout":1}`, 101},
		"not a cold storm":  {`"case":"signed-warm","transfers":500,"errors":100,"error_kinds":{"wrong content":100}`, 100},
	} {
		m := read(t, `{"server":"cfgsrv","wall_s":2,"server_cpu_s":0.5,`+c.line+`}`)
		for k := range m {
			if got := m.trouble(k.workload, ours).errors; got != c.errors {
				t.Errorf("%s: %d errors, want %d", name, got, c.errors)
			}
			cpu := m.spread(k.workload, ours, cpuPerOp)
			if c.errors == 0 && cpu.median != 5000 {
				t.Errorf("%s: %v µs per phone, want 5000", name, cpu.median)
			}
		}
	}
}

func TestBestPeerIsOneWithoutErrors(t *testing.T) {
	m := read(t,
		boot(ours, "boot-64", 100, ""),
		boot("dnsmasq", "boot-64", 300, ""),
		boot("atftpd", "boot-64", 200, `,"errors":1`),
		boot("tftpd-hpa", "boot-64", 400, ""))
	if name, s := m.bestPeer("boot-64", cpuPerOp, false); name != "dnsmasq" || s.median != 300 {
		t.Errorf("lowest: %s %v, want dnsmasq 300", name, s.median)
	}
	if name, _ := m.bestPeer("boot-64", cpuPerOp, true); name != "tftpd-hpa" {
		t.Errorf("highest: %s, want tftpd-hpa", name)
	}
	if name, _ := m.bestPeer("loss", cpuPerOp, false); name != "" {
		t.Errorf("%s is the best at what nobody did", name)
	}
}

func TestGoal(t *testing.T) {
	relative := goal{workload: "boot-64", metric: cpuPerOp, limit: 0.85, server: "dnsmasq"}
	toBest := goal{workload: "boot-64", metric: cpuPerOp, limit: 1. / 3, server: best}
	faster := goal{workload: "boot-64", metric: rate, atLeast: true, limit: 4, server: "dnsmasq"}
	absolute := goal{workload: "start", metric: value, limit: 1000, unit: "ms"}
	watched := goal{workload: "start", metric: value, limit: 1000, unit: "ms", loads: []string{"boot-64"}}
	none := goal{workload: "boot-64", metric: retransmits, limit: 0}
	growth := goal{workload: "files-100000", metric: cpuPerOp, limit: 1.1, than: "files-100"}

	dnsmasq := boot("dnsmasq", "boot-64", 400, "")
	start := `{"server":"cfgsrv","case":"start","value":1001}`
	for name, c := range map[string]struct {
		goal  goal
		lines []string
		want  verdict
	}{
		"reached":           {relative, []string{boot(ours, "boot-64", 340, ""), dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "0.850 × (340 to 400)", "yes"}},
		"missed":            {relative, []string{boot(ours, "boot-64", 360, ""), dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "0.900 × (360 to 400)", "no"}},
		"with errors":       {relative, []string{boot(ours, "boot-64", 100, `,"errors":2`), dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "0.250 × (100 to 400)", "no: 2 errors"}},
		"cut":               {relative, []string{boot(ours, "boot-64", 100, `,"notes":{"cut at the time limit":3}`), dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "0.250 × (100 to 400)", "no: cut at the time limit"}},
		"nothing done":      {relative, []string{`{"server":"cfgsrv","case":"boot-64","notes":{"cut at the time limit":64}}`, dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "–", "no: cut at the time limit"}},
		"no peer":           {relative, []string{boot(ours, "boot-64", 100, "")}, verdict{"≤ 0.85 × dnsmasq", "–", "not measured"}},
		"not run":           {relative, []string{dnsmasq}, verdict{"≤ 0.85 × dnsmasq", "–", "not measured"}},
		"best peer":         {toBest, []string{boot(ours, "boot-64", 100, ""), dnsmasq}, verdict{"≤ 1/3 × the best peer", "0.250 × (100 to 400 of dnsmasq)", "yes"}},
		"at least":          {faster, []string{boot(ours, "boot-64", 100, ""), dnsmasq}, verdict{"≥ 4 × dnsmasq", "1 × (100 to 100)", "no"}},
		"absolute":          {absolute, []string{start}, verdict{"≤ 1000 ms", "1001 ms", "no"}},
		"errors of a load":  {watched, []string{boot(ours, "boot-64", 1, `,"errors":7`), start}, verdict{"≤ 1000 ms", "1001 ms", "no: 7 errors"}},
		"none":              {none, []string{boot(ours, "boot-64", 1, "")}, verdict{"0", "0", "yes"}},
		"growth, same cost": {growth, []string{boot(ours, "files-100", 200, ""), boot(ours, "files-100000", 210, "")}, verdict{"≤ 1.1 × 100 files", "1.05 × (210 to 200)", "yes"}},
	} {
		if got := c.goal.judge(read(t, c.lines...)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Every goal and every row must be of a workload that there is: a misspelt one
// would be "not measured" for ever.
func TestGoalsNameWorkloadsOfTheTables(t *testing.T) {
	known := map[string]bool{"certificate": true, "start": true, "memory-tftp": true, "memory-tls": true, "memory-idle": true}
	for _, rows := range [][]row{bootRows, firmwareRows, handshakeRows, largeRows, signedRows, buildingRows, buildingLoads(), filesRows, interfacesRows, memoryRows} {
		for _, r := range rows {
			known[r.workload] = true
		}
	}
	for _, g := range goals {
		for _, w := range append([]string{g.workload}, g.loads...) {
			if !known[w] {
				t.Errorf("goal %q is of the unknown workload %q", g.what, w)
			}
		}
		if g.than != "" && (!known[g.than] || bases[g.than] == "") {
			t.Errorf("goal %q compares with %q, which is unknown or has no name", g.what, g.than)
		}
	}
}

func TestPageTellsWhatWasMeasured(t *testing.T) {
	p := page{facts: "- machine: a test\n", measurements: read(t,
		boot(ours, "boot-64", 100, ""), boot(ours, "boot-64", 120, ""), boot(ours, "boot-64", 110, ""),
		boot("dnsmasq", "boot-64", 440, `,"errors":1,"retransmits":5`))}
	got := p.markdown()
	for _, want := range []string{
		"Only ratios within one run mean anything",
		"- machine: a test\n",
		"| 64 at once | 110 (100–120) | 440 † | – | – | 0.250 × dnsmasq |",
		"| boot-64 | 0 / 0 | 1 / 5 | – | – |",
		"1 of 1 reached",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	for _, not := range []string{"HTTPS: ", "firmware, lock step |", "quick run", "NaN"} {
		if strings.Contains(got, not) {
			t.Errorf("the page has %q", not)
		}
	}
}

func TestPlotsAreDrawings(t *testing.T) {
	for name, m := range map[string]measurements{
		"nothing":   read(t),
		"one point": read(t, boot(ours, "boot-64", 100, "")),
		"two servers": read(t, boot(ours, "boot-1", 1300, ""), boot(ours, "boot-2000", 260, ""),
			boot("tftpd-hpa", "boot-1", 4600, ""), boot("tftpd-hpa", "boot-2000", 7300, "")),
	} {
		for _, p := range []plot{throughputPlot(m), cpuPlot(m)} {
			svg := p.svg()
			if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s: %s has a point nowhere:\n%s", name, p.title, svg)
			}
			if err := wellFormed(svg); err != nil {
				t.Errorf("%s: %s: %v", name, p.title, err)
			}
			if low, high := p.ticks[0], p.ticks[len(p.ticks)-1]; len(p.lines) > 0 && (p.lowest() < low && p.log || p.highest() > high) {
				t.Errorf("%s: %s is from %g to %g, outside of its axis from %g to %g", name, p.title, p.lowest(), p.highest(), low, high)
			}
		}
	}
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestNamesOfLinesDoNotOverlap(t *testing.T) {
	var lines []string
	for _, s := range tftpServers {
		lines = append(lines, boot(s, "boot-2000", 300, ""))
	}
	var b strings.Builder
	throughputPlot(read(t, lines...)).drawNames(&b)
	last := math.Inf(-1)
	for text := range strings.Lines(b.String()) {
		var x, y float64
		if _, err := fmt.Sscanf(text, `<text x="%f" y="%f"`, &x, &y); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if y-last < nameHeight-0.1 || y > height {
			t.Errorf("a name at %v, after one at %v", y, last)
		}
		last = y
	}
}

func TestRoundUp(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 480: 500, 501: 1000, 0.3: 0.5} {
		if got := roundUp(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("roundUp(%g) is %g, want %g", v, got, want)
		}
	}
}
