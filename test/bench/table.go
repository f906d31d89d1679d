//go:build linux

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Figure is one line of the result.
type Figure struct {
	What    string  // what was measured, zone first
	Reading string  // the measured values, with their units
	Reached float64 // in the unit of Target
	Target  float64 // at most; 0: reported only
}

// Verdict is pass or FAIL, or a dash where nothing is asked for.
func (f Figure) Verdict() string {
	switch {
	case f.Target == 0:
		return "-"
	case f.Reached > 0 && f.Reached <= f.Target:
		return "pass"
	default:
		return "FAIL"
	}
}

// Table collects figures in the order in which they were measured.
type Table struct{ figures []Figure }

// Add adds a figure.
func (t *Table) Add(f Figure) { t.figures = append(t.figures, f) }

// Missed returns how many targets were not reached.
func (t *Table) Missed() int {
	n := 0
	for _, f := range t.figures {
		if f.Verdict() == "FAIL" {
			n++
		}
	}
	return n
}

// Print writes the table.
func (t *Table) Print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "figure\tmeasured\ttarget\treached\t")
	for _, f := range t.figures {
		target, reached := "", fmt.Sprintf("%.2f", f.Reached)
		if f.Target > 0 {
			target = fmt.Sprintf("%.4g", f.Target)
		}
		if f.Reached == 0 {
			reached = ""
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", f.What, f.Reading, target, reached, f.Verdict())
	}
	tw.Flush()
}
