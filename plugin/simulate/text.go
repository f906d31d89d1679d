package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const momentLayout = "2006-01-02 15:04"

// Text tells a history, one line a transition and one a mark, and what came of
// it.
func (h *History) Text() string {
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	for _, m := range h.Marks {
		lines = append(lines, line{m.At, "* " + m.Text})
	}
	for _, t := range h.Transitions {
		lines = append(lines, line{t.At, t.text()})
	}
	for _, b := range h.Bogus {
		lines = append(lines, line{b.At, "BOGUS " + b.Mix})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s to %s\n\n", h.Zone, h.Start.Format(momentLayout), h.End.Format(momentLayout))
	for _, l := range lines {
		fmt.Fprintf(&b, "%s  %s\n", l.at.Format(momentLayout), l.text)
	}
	b.WriteString(h.summary())
	return b.String()
}

func (t Transition) text() string {
	key := "-"
	if t.Key != "" {
		key = fmt.Sprintf("%s (%d)", t.Key, t.Tag)
	}
	from := t.From
	if from == "" {
		from = "new"
	}
	return fmt.Sprintf("%-15s %-6s %-11s -> %-11s  %s", key, t.Record, from, t.To, t.Why)
}

// summary says what came of it all.
func (h *History) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d keys, at most %d in the DNSKEY set; %d transitions\n", len(h.Keys), h.MostKeys, len(h.Transitions))
	for _, w := range h.Waiting {
		fmt.Fprintf(&b, "at the end: %s", w.Key)
		if w.State != "" {
			fmt.Fprintf(&b, " %s %s", w.Record, w.State)
		}
		if w.For != "" {
			fmt.Fprintf(&b, ", waiting for %s", w.For)
		}
		b.WriteByte('\n')
	}
	if len(h.Bogus) == 0 {
		b.WriteString("no instant at which a validator could have failed\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%d BOGUS instants:\n", len(h.Bogus))
	for _, i := range h.Bogus {
		fmt.Fprintf(&b, "  %s  %s\n", i.At.Format(momentLayout), i.Mix)
	}
	return b.String()
}
