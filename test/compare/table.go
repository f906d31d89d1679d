//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// run of a server: when each thing was first seen, by kind of rollover,
// counted from the first change of that rollover.
type column struct {
	server string
	first  map[string]float64            // kind: seconds of the first change
	times  map[string]map[string]float64 // kind, then "+ DNSKEY ZSK 2"
	order  map[string][]string
}

// printTables prints a Markdown table for each kind of rollover, with one
// column a log.
func printTables(w io.Writer, files []string) error {
	var columns []column
	for _, f := range files {
		c, err := readLog(f)
		if err != nil {
			return err
		}
		columns = append(columns, c)
	}
	for _, k := range kinds {
		fmt.Fprintf(w, "\n### %s\n\n| |", k)
		for _, c := range columns {
			fmt.Fprintf(w, " %s |", c.server)
		}
		fmt.Fprintf(w, "\n|---|%s\n", strings.Repeat("---:|", len(columns)))
		for _, row := range rows(columns, k) {
			fmt.Fprintf(w, "| %s |", row)
			for _, c := range columns {
				if at, ok := c.times[k][row]; ok {
					fmt.Fprintf(w, " %.0f |", at-c.first[k])
				} else {
					fmt.Fprint(w, " - |")
				}
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}

// rows returns everything that any server did, in the order of the last one.
func rows(columns []column, kind string) (list []string) {
	for i := range columns {
		for _, row := range columns[len(columns)-1-i].order[kind] {
			if !slices.Contains(list, row) {
				list = append(list, row)
			}
		}
	}
	return list
}

func readLog(file string) (column, error) {
	c := column{
		server: strings.TrimSuffix(filepath.Base(file), ".txt"),
		first:  map[string]float64{}, times: map[string]map[string]float64{}, order: map[string][]string{},
	}
	f, err := os.Open(file)
	if err != nil {
		return c, err
	}
	defer f.Close()
	begun := false
	for in := bufio.NewScanner(f); in.Scan(); {
		at, rest, _ := strings.Cut(strings.TrimSpace(in.Text()), " ")
		kind, what, _ := strings.Cut(strings.TrimSpace(rest), " ")
		seconds, err := strconv.ParseFloat(at, 64)
		if err != nil {
			return c, fmt.Errorf("%s: %w", file, err)
		}
		what = strings.Join(strings.Fields(what), " ")
		if kind == "all" {
			begun = true
		}
		// CDNSKEY goes with CDS, and the first set that changes over says nothing.
		if !begun || kind == "all" || strings.Contains(what, "CDNSKEY") || strings.HasPrefix(what, "- all RRSIG") {
			continue
		}
		c.note(kind, what, seconds)
	}
	return c, nil
}

// note keeps the first time of a thing that came, and the last of one that went.
func (c *column) note(kind, what string, seconds float64) {
	if c.times[kind] == nil {
		c.times[kind], c.first[kind] = map[string]float64{}, seconds
	}
	if _, ok := c.times[kind][what]; !ok {
		c.order[kind] = append(c.order[kind], what)
	} else if strings.HasPrefix(what, "+") {
		return
	}
	c.times[kind][what] = seconds
}
