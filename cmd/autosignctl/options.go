package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"

	"github.com/autosign-dns/autosign/plugin/corefile"
)

// exampleZone is simulated where no zone is named.
const exampleZone = "example.org."

// options returns the autosign line to be simulated, changed by flags, and
// warnings about it.
func (f *simulateFlags) options() (corefile.Options, []string, error) {
	if f.corefile == "" {
		zone := f.zone
		if zone == "" {
			zone = exampleZone
		}
		return parseBlock(zone, nil, f.set)
	}
	text, err := os.ReadFile(f.corefile)
	if err != nil {
		return corefile.Options{}, nil, err
	}
	blocks, err := caddyfile.Parse(f.corefile, strings.NewReader(string(text)), nil)
	if err != nil {
		return corefile.Options{}, nil, err
	}
	return f.find(blocks)
}

// find returns the line for the zone asked for, or the only line there is.
func (f *simulateFlags) find(blocks []caddyfile.ServerBlock) (corefile.Options, []string, error) {
	var zones, warnings []string
	var found corefile.Options
	var tokens []caddyfile.Token
	want := strings.ToLower(strings.TrimSuffix(f.zone, ".")) + "."
	for _, b := range blocks {
		if len(b.Tokens["autosign"]) == 0 {
			continue
		}
		all, w, err := corefile.Parse(controller(f.corefile, b.Keys, b.Tokens["autosign"]))
		if err != nil {
			return corefile.Options{}, w, err
		}
		warnings = append(warnings, w...)
		for _, o := range all {
			zones = append(zones, o.Zones...)
			if f.zone == "" || slices.Contains(o.Zones, want) {
				found, tokens = o, b.Tokens["autosign"]
			}
		}
	}
	switch {
	case len(zones) == 0:
		return found, warnings, fmt.Errorf("%s has no autosign line", f.corefile)
	case f.zone == "" && len(zones) > 1:
		return found, warnings, fmt.Errorf("%s has several zones, one has to be chosen with -zone: %s", f.corefile, strings.Join(zones, " "))
	case found.Zones == nil:
		return found, warnings, fmt.Errorf("%s does not sign %s, but %s", f.corefile, want, strings.Join(zones, " "))
	}
	if f.zone != "" {
		found.Zones = []string{want}
	}
	if len(f.set) == 0 {
		return found, warnings, nil
	}
	return parseBlock(found.Zones[0], lineTokens(tokens, found.Line), f.set)
}

// lineTokens returns the tokens inside the block of the autosign line that
// begins at a line.
func lineTokens(tokens []caddyfile.Token, line int) (inside []caddyfile.Token) {
	depth := 0
	on := false
	for _, t := range tokens {
		if depth == 0 && t.Text == "autosign" {
			on = t.Line == line
		}
		switch {
		case t.Text == "{":
			depth++
			if depth == 1 {
				continue
			}
		case t.Text == "}":
			depth--
			if depth == 0 {
				on = false
			}
		}
		if on && depth > 0 {
			inside = append(inside, t)
		}
	}
	return inside
}

// parseBlock reads an autosign line for a zone with some properties of a
// Corefile and others in words, which count if both give one.
func parseBlock(zone string, given []caddyfile.Token, set []string) (corefile.Options, []string, error) {
	const file = "flags"
	line := 1
	tokens := []caddyfile.Token{{File: file, Line: line, Text: "autosign"}, {File: file, Line: line, Text: "{"}}
	tokens = append(tokens, overridden(given, set)...)
	for _, p := range set {
		line++
		for _, word := range strings.Fields(p) {
			tokens = append(tokens, caddyfile.Token{File: file, Line: line, Text: inDays(word)})
		}
	}
	tokens = append(tokens, caddyfile.Token{File: file, Line: line + 1, Text: "}"})
	all, warnings, err := corefile.Parse(controller(file, []string{zone}, tokens))
	if err != nil {
		return corefile.Options{}, warnings, err
	}
	if len(all) != 1 {
		return corefile.Options{}, warnings, errors.New("the properties make no autosign line")
	}
	return all[0], warnings, nil
}

// overridden leaves out the properties that are given again in words.
func overridden(given []caddyfile.Token, set []string) (left []caddyfile.Token) {
	keep, line, depth := true, -1, 0
	for _, t := range given {
		if depth == 0 && t.Line != line {
			keep = !slices.ContainsFunc(set, func(p string) bool { return strings.HasPrefix(p+" ", t.Text+" ") })
		}
		line = t.Line
		switch t.Text {
		case "{":
			depth++
		case "}":
			depth--
		}
		if keep {
			left = append(left, t)
		}
	}
	return left
}

// controller has the parser read tokens.
func controller(file string, keys []string, tokens []caddyfile.Token) *caddy.Controller {
	return &caddy.Controller{Dispenser: caddyfile.NewDispenserTokens(file, tokens), ServerBlockKeys: keys}
}
