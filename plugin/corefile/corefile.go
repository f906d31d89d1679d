// Package corefile reads the autosign lines of a Corefile: tokens in, checked
// options out. Every fault of all lines is reported at once, with file and line.
package corefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// directive is the word that the lines begin with.
const directive = "autosign"

// defaultKeys is where key files and state are kept, below the root directory.
const defaultKeys = "keys"

// Options is one autosign line with its properties.
type Options struct {
	Zones  []string // normalized origins: lower case, with the final dot
	Keys   string   // directory of the key files and the state, as written
	Policy policy.Policy
	File   string // of the Corefile
	Line   int    // of the autosign line
	// Files are all that the line and its properties stand in, File first: some may
	// be imported.
	Files []string
}

// Parse reads all autosign lines of a server block. The warnings and each fault
// in the error begin with "FILE:LINE - ". With strict on, what would be a
// warning about a line is a fault.
func Parse(c *caddy.Controller) ([]Options, []string, error) {
	p := &parser{Controller: c, block: origins(c.ServerBlockKeys), seen: map[string]*line{}}
	var all []Options
	for c.Next() {
		if o, ok := p.line(); ok {
			all = append(all, o)
		}
	}
	if len(p.faults) > 0 {
		return nil, p.warnings, errors.Join(p.faults...)
	}
	return all, p.warnings, nil
}

// place is where something is written.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

type parser struct {
	*caddy.Controller
	block    []string         // the server block's origins
	seen     map[string]*line // zones of the lines so far
	faults   []error
	warnings []string
}

// line is one autosign line while it is read.
type line struct {
	Options
	at     place
	places map[string]place // of the properties given
	bad    map[string]bool  // properties that have a fault already
}

// here returns the place of the current token.
func (p *parser) here() place { return place{p.File(), p.Line()} }

func (p *parser) fault(at place, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s - %w", at, fmt.Errorf(format, args...)))
}

// line reads one autosign line and its block; the current token is the directive.
func (p *parser) line() (Options, bool) {
	before := len(p.faults)
	l := &line{at: p.here(), places: map[string]place{}, bad: map[string]bool{}}
	l.File, l.Line, l.Keys, l.Policy = l.at.file, l.at.line, defaultKeys, policy.Default()
	if p.Val() != directive {
		p.fault(l.at, "expected %s, not %q", directive, p.Val())
	}
	notes := p.zones(l, p.RemainingArgs())
	if p.NextArg() { // RemainingArgs stops only before a brace
		p.properties(l)
	}
	notes = append(notes, p.check(l)...)
	for _, n := range notes {
		if l.Policy.Strict {
			p.fault(n.at, "%s (strict is on)", n.text)
		} else {
			p.warnings = append(p.warnings, fmt.Sprintf("%s - %s", n.at, n.text))
		}
	}
	l.Files = []string{l.at.file}
	for _, at := range l.places {
		if !slices.Contains(l.Files, at.file) {
			l.Files = append(l.Files, at.file)
		}
	}
	slices.Sort(l.Files[1:])
	return l.Options, len(p.faults) == before
}

// note is what becomes a warning, or a fault with strict on.
type note struct {
	at   place
	text string
}

// zones takes the arguments of the line, or the server block's origins.
func (p *parser) zones(l *line, args []string) (notes []note) {
	names := p.block
	if len(args) > 0 {
		names = nil
	}
	for _, arg := range args {
		list := origins([]string{arg})
		if len(list) == 0 {
			p.fault(l.at, "%q is not a zone name", arg)
		}
		for _, zone := range list {
			if plugin.Zones(p.block).Matches(zone) == "" {
				notes = append(notes, note{l.at, "zone " + zone + " is not in this server block: it is signed, but no query comes here"})
			}
			if slices.Contains(names, zone) {
				p.fault(l.at, "zone %s is given twice", zone)
			}
			names = append(names, zone)
		}
	}
	for _, zone := range names {
		if first := p.seen[zone]; first != nil && first != l {
			p.fault(l.at, "zone %s is signed twice, first at %s", zone, first.at)
			continue
		}
		p.seen[zone] = l
	}
	l.Zones = names
	return notes
}

// origins normalizes zone names; keys of a server block that differ only in
// port or transport are one. What is not a name is left out.
func origins(names []string) []string {
	var list []string
	for _, name := range names {
		for _, zone := range plugin.Host(name).NormalizeExact() {
			if !slices.Contains(list, zone) {
				list = append(list, zone)
			}
		}
	}
	return list
}

// properties reads the block; the current token is its opening brace.
func (p *parser) properties(l *line) {
	for p.Next() {
		if p.Val() == "}" {
			return
		}
		at, name := p.here(), p.Val()
		args := p.RemainingArgs()
		last := len(args) - 1
		closed := last >= 0 && args[last] == "}"
		if closed {
			args = args[:last]
		}
		p.property(l, at, name, args)
		if p.NextArg() {
			p.fault(at, "%s: a block is not expected here", name)
			p.skipBlock()
		}
		if closed {
			return
		}
	}
	p.fault(l.at, "the block is not closed")
}

// skipBlock reads up to the brace that closes the current one.
func (p *parser) skipBlock() {
	for depth := 1; depth > 0 && p.Next(); {
		switch p.Val() {
		case "{":
			depth++
		case "}":
			depth--
		}
	}
}

// property reads one property.
func (p *parser) property(l *line, at place, name string, args []string) {
	set, ok := properties[name]
	if !ok {
		p.fault(at, "unknown property %q", name)
		return
	}
	if first, ok := l.places[name]; ok {
		p.fault(at, "%s: given twice, first at %s", name, first)
		return
	}
	l.places[name] = at
	if err := set(&l.Options, args); err != nil {
		l.bad[name] = true
		p.fault(at, "%s: %w", name, err)
	}
}

// check holds the values of a line against each other. Values that are at odds
// with one that could not be read are not reported: that would be a guess.
func (p *parser) check(l *line) (notes []note) {
	for _, name := range l.Policy.Allow {
		known := caddy.ValidDirectives(p.ServerType())
		if len(known) > 0 && !slices.Contains(known, name) {
			p.fault(l.where(&policy.Fault{Property: "allow"}), "allow: %q is not a plugin of this server", name)
		}
	}
	faults, warnings := l.Policy.Check()
	for _, err := range append(l.roles(faults), faults...) {
		if f := asFault(err); !l.guess(f) {
			p.fault(l.where(f), "%s", f.Text)
		}
	}
	for _, err := range warnings {
		if f := asFault(err); !l.guess(f) {
			notes = append(notes, note{l.where(f), f.Text})
		}
	}
	return notes
}

// roles returns a fault for each role that is given and that the scheme does not
// have, beside those known: a policy cannot tell a default from one written out.
func (l *line) roles(known []error) (faults []error) {
	for _, role := range []policy.Role{policy.KSK, policy.ZSK, policy.CSK} {
		word := strings.ToLower(role.String())
		told := slices.ContainsFunc(known, func(err error) bool { return asFault(err).Property == word })
		if _, given := l.places[word]; given && !told && !slices.Contains(l.Policy.Roles(), role) {
			faults = append(faults, &policy.Fault{Property: word, Against: []string{"scheme"},
				Text: fmt.Sprintf("%s: scheme %s has no %[1]s", word, l.Policy.Scheme)})
		}
	}
	return faults
}

func asFault(err error) *policy.Fault {
	if f, ok := errors.AsType[*policy.Fault](err); ok {
		return f
	}
	return &policy.Fault{Text: err.Error()}
}

// where returns the place of the property that a fault is about; if it is not
// given, that of the first given one it is held against, or of the autosign line.
func (l *line) where(f *policy.Fault) place {
	for _, property := range append([]string{f.Property}, f.Against...) {
		if at, ok := l.places[property]; ok {
			return at
		}
	}
	return l.at
}

// guess reports whether a fault hangs on a value that could not be read.
func (l *line) guess(f *policy.Fault) bool {
	return l.bad[f.Property] || slices.ContainsFunc(f.Against, func(property string) bool { return l.bad[property] })
}
