// SPDX-License-Identifier: Apache-2.0

// Command report turns the samples of a benchmark run into RESULTS.md and two
// plots.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run() error {
	from := flag.String("samples", "samples.jsonl", "file with one sample a line, in JSON")
	facts := flag.String("facts", "facts.md", "file with what is to be said about machine and versions")
	dir := flag.String("dir", ".", "folder to write to")
	quick := flag.Bool("quick", false, "say that the run was a short one")
	flag.Parse()

	f, err := os.Open(*from)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := readMeasurements(f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", *from, err)
	}
	about, err := os.ReadFile(*facts)
	if err != nil {
		return err
	}
	p := page{measurements: m, facts: string(about), quick: *quick}
	contents := map[string]string{"RESULTS.md": p.markdown()}
	if p.plots() {
		contents["throughput.svg"] = throughputPlot(m).svg()
		contents["cpu.svg"] = cpuPlot(m).svg()
	}
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(*dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
