package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Measures of the picture, in its own units.
const (
	svgWidth  = 960
	svgLeft   = 190 // where time begins
	svgRight  = 20
	svgRow    = 15
	svgBar    = 11
	svgGap    = 8 // between keys
	svgHeader = 74
	svgLine   = 17 // of the list of marks
)

// colors of states: apart also for the colour-blind, and in grey.
var colors = map[rollover.State]string{
	rollover.Rumoured:    "#f4c95d",
	rollover.Omnipresent: "#1f7a8c",
	rollover.Unretentive: "#b9a7c9",
}

var colorOrder = []struct {
	state rollover.State
	text  string
}{
	{rollover.Rumoured, "rumoured: shown, some caches lack it"},
	{rollover.Omnipresent, "omnipresent: every cache has it"},
	{rollover.Unretentive, "unretentive: withdrawn, some caches have it"},
}

// picture is an SVG under way.
type picture struct {
	strings.Builder
	h *History
	y int
}

// SVG draws a history: a block a key, in it a row a record, with bars for its
// states. Equal histories give equal pictures.
func (h *History) SVG(title string) string {
	p := &picture{h: h, y: svgHeader}
	var body picture
	body.h, body.y = h, svgHeader
	for _, k := range h.Keys {
		body.key(k)
	}
	body.denial()
	bottom := body.y
	body.marks(bottom)
	body.bogus(bottom)
	height := body.y + svgGap
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, sans-serif" font-size="11">`,
		svgWidth, height, svgWidth, height)
	p.printf("<title>%s</title>", escape(title))
	p.printf(`<rect width="%d" height="%d" fill="#ffffff"/>`, svgWidth, height)
	p.printf(`<text x="10" y="20" font-size="15" fill="#1b1b1b">%s</text>`, escape(title))
	p.legend()
	p.axis(bottom)
	p.WriteString(body.String())
	p.WriteString("</svg>\n")
	return p.String()
}

func (p *picture) printf(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// x is where a moment lies.
func (p *picture) x(t time.Time) float64 {
	return svgLeft + float64(t.Sub(p.h.Start))/float64(p.h.End.Sub(p.h.Start))*(svgWidth-svgLeft-svgRight)
}

func (p *picture) legend() {
	x := 10
	for _, c := range colorOrder {
		p.printf(`<rect x="%d" y="32" width="14" height="11" rx="2" fill="%s"/>`, x, colors[c.state])
		p.printf(`<text x="%d" y="42" fill="#333333">%s</text>`, x+20, c.text)
		x += 36 + 6*len(c.text)
	}
}

// axis draws the ticks of time.
func (p *picture) axis(bottom int) {
	for _, t := range ticks(p.h.Start, p.h.End) {
		x := p.x(t.at)
		p.printf(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#e3e6ea"/>`, x, svgHeader-6, x, bottom)
		p.printf(`<text x="%.1f" y="%d" text-anchor="middle" fill="#5a6470">%s</text>`, x, svgHeader-11, t.label)
	}
}

// tick is a moment on the axis.
type tick struct {
	at    time.Time
	label string
}

// maxTicks is how many ticks fit beside each other.
const maxTicks = 14

// ticks returns the ticks of a stretch of time: days from its start, or, where
// those are too many, the firsts of months.
func ticks(start, end time.Time) (list []tick) {
	for _, days := range []int{1, 2, 7, 14} {
		step := time.Duration(days) * storyDay
		if end.Sub(start) > maxTicks*step {
			continue
		}
		for t := start; !t.After(end); t = t.Add(step) {
			list = append(list, tick{t, fmt.Sprintf("day %d", t.Sub(start)/storyDay)})
		}
		return list
	}
	step := 1
	for _, months := range []int{2, 3, 6, 12, 24, 60, 120} {
		if end.Sub(start)/(30*storyDay) > time.Duration(maxTicks*step) {
			step = months
		}
	}
	for t := time.Date(start.Year(), time.January, 1, 0, 0, 0, 0, time.UTC); !t.After(end); t = t.AddDate(0, step, 0) {
		if !t.Before(start) {
			list = append(list, tick{t, t.Format("2006-01")})
		}
	}
	return list
}

// key draws the block of a key: its name, and the rows of its records.
func (p *picture) key(k *Key) {
	first := true
	for _, r := range recordNames {
		spans := k.Spans[r.String()]
		if len(spans) == 0 {
			continue
		}
		if first {
			p.printf(`<text x="10" y="%d" font-weight="bold" fill="#1b1b1b">%s</text>`, p.y+svgBar-1, k.Name)
			p.printf(`<text x="58" y="%d" fill="#5a6470">%d</text>`, p.y+svgBar-1, k.Tag)
			first = false
		}
		name := r.String()
		if r == rollover.DS && p.h.Anchors {
			name = "trust anchor"
		}
		p.printf(`<text x="%d" y="%d" text-anchor="end" fill="#333333">%s</text>`, svgLeft-8, p.y+svgBar-1, name)
		for _, s := range spans {
			p.bar(s.From, s.To, colors[s.State], fmt.Sprintf("%s %s %s", k.Name, r, s.State))
		}
		p.y += svgRow
	}
	if !first {
		p.y += svgGap
	}
}

// bar draws a stretch of time in the current row.
func (p *picture) bar(from, to time.Time, color, text string) {
	x := p.x(from)
	p.printf(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s, %s to %s</title></rect>`,
		x, p.y, max(p.x(to)-x, 1), svgBar, color, text, from.Format(momentLayout), to.Format(momentLayout))
}

// denial draws how absence is proven, where that changes.
func (p *picture) denial() {
	if !slices.ContainsFunc(p.h.Denial, func(d Denial) bool { return d.Text != p.h.Denial[0].Text }) {
		return
	}
	p.printf(`<text x="%d" y="%d" text-anchor="end" fill="#333333">denial</text>`, svgLeft-8, p.y+svgBar-1)
	for _, d := range p.h.Denial {
		color, ink := "#1f7a8c", "#ffffff"
		if strings.HasPrefix(d.Text, "nsec3") {
			color, ink = "#7a5195", "#ffffff"
		}
		p.bar(d.From, d.To, color, "denial "+d.Text)
		p.printf(`<text x="%.1f" y="%d" font-size="9" fill="%s">%s</text>`, p.x(d.From)+4, p.y+svgBar-2, ink, escape(d.Text))
	}
	p.y += svgRow + svgGap
}

// marks draws what happened as numbered lines, with a list below.
func (p *picture) marks(bottom int) {
	p.y = bottom + 2*svgGap
	for i, m := range p.h.Marks {
		x := p.x(m.At)
		p.printf(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#c0392b" stroke-dasharray="3 3"/>`, x, svgHeader-4, x, bottom)
		p.printf(`<text x="%.1f" y="%d" text-anchor="middle" font-size="10" fill="#c0392b">%d</text>`, x, bottom+10, i+1)
		p.y += svgLine
		p.printf(`<text x="%d" y="%d" fill="#c0392b">%d</text>`, svgLeft, p.y-4, i+1)
		p.printf(`<text x="%d" y="%d" fill="#333333">%s: %s</text>`, svgLeft+24, p.y-4, m.At.Format(momentLayout), escape(m.Text))
	}
}

// bogus draws instants at which a validator would fail.
func (p *picture) bogus(bottom int) {
	for _, b := range p.h.Bogus {
		x := p.x(b.At)
		p.printf(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#d00000" stroke-width="3"><title>%s</title></line>`,
			x, svgHeader-6, x, bottom, escape(b.Mix))
	}
}
