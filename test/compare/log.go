//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Entry is something that was seen.
type Entry struct {
	At   time.Duration // since the start of the run
	Kind string        // of rollover
	What string        // "+ DNSKEY": it came; "- DNSKEY": it went
	Key  string
}

// Log is what was seen, in order.
type Log struct {
	start   time.Time
	entries []Entry
}

// Add notes something that is seen now.
func (l *Log) Add(kind, what, key string) {
	l.entries = append(l.entries, Entry{time.Since(l.start), kind, what, key})
}

// Write writes the log to a file, or to standard output without one.
func (l *Log) Write(file string) error {
	var b strings.Builder
	for _, e := range l.entries {
		fmt.Fprintln(&b, strings.TrimSpace(fmt.Sprintf("%6.1f  %-9s  %-15s  %s", e.At.Seconds(), e.Kind, e.What, e.Key)))
	}
	if file == "" {
		_, err := os.Stdout.WriteString(b.String())
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
