package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/simulate"
)

// eventWords are the words of -event and what they stand for.
var eventWords = map[string]struct {
	kind simulate.Kind
	args string // what follows: r a role, d a duration, t a TTL; j a duration that may be negative
}{
	"roll":      {simulate.Roll, "r"},
	"emergency": {simulate.Emergency, "r"},
	"delete":    {simulate.Delete, "rd"},
	"remove":    {simulate.Remove, "r"},
	"unused":    {simulate.Rest, "rd"},
	"hold":      {simulate.Hold, "d"},
	"confirm":   {simulate.Confirm, ""},
	"anchors":   {simulate.Trust, ""},
	"insecure":  {simulate.SetPolicy, ""},
	"secure":    {simulate.SetPolicy, ""},
	"set":       {simulate.SetPolicy, "p"},
	"zone-ttl":  {simulate.SetTTL, "t"},
	"ds-ttl":    {simulate.SetParentTTL, "t"},
	"jump":      {simulate.Jump, "j"},
	"stop":      {simulate.Stop, "d"},
	"store":     {simulate.FailStore, "d"},
	"publish":   {simulate.FailPublish, "d"},
	"keys":      {simulate.FailKeys, "d"},
	"idle":      {simulate.Idle, "d"},
	"blind":     {simulate.Blind, "d"},
}

// happenings reads the events. Changes of the policy build on one another, in
// the order in which they happen.
func (f *simulateFlags) happenings(p policy.Policy) (all []simulate.Event, err error) {
	var lines [][]string
	for _, text := range f.events {
		words := strings.Fields(text)
		if len(words) < 2 {
			return nil, fmt.Errorf("event %q: it takes a moment and what happens, such as \"30d roll ksk\"", text)
		}
		if _, err := parseDuration(words[0]); err != nil {
			return nil, fmt.Errorf("event %q: %w", text, err)
		}
		lines = append(lines, words)
	}
	slices.SortStableFunc(lines, func(a, b []string) int {
		x, _ := parseDuration(a[0])
		y, _ := parseDuration(b[0])
		return int((x - y) / time.Second)
	})
	changes := slices.Clone(f.set)
	for _, words := range lines {
		e, err := f.happening(words, &p, &changes)
		if err != nil {
			return nil, fmt.Errorf("event %q: %w", strings.Join(words, " "), err)
		}
		all = append(all, e)
		if e.Kind == simulate.Hold {
			all = append(all, simulate.Event{At: e.At + e.For, Kind: simulate.Resume})
		}
	}
	return all, nil
}

// happening reads one event. The policy and the properties that are set so far
// are brought up to date.
func (f *simulateFlags) happening(words []string, p *policy.Policy, changes *list) (simulate.Event, error) {
	at, _ := parseDuration(words[0])
	w, ok := eventWords[words[1]]
	if !ok {
		return simulate.Event{}, fmt.Errorf("%q is unknown", words[1])
	}
	e := simulate.Event{At: at, Kind: w.kind}
	args := words[2:]
	if w.kind == simulate.SetPolicy {
		return e, f.changed(&e, words[1], args, p, changes)
	}
	if len(args) != len(w.args) {
		return e, fmt.Errorf("%s takes %d words more, not %d", words[1], len(w.args), len(args))
	}
	for i, what := range w.args {
		if err := setArgument(&e, what, args[i]); err != nil {
			return e, err
		}
	}
	return e, nil
}

// changed reads a change of the policy.
func (f *simulateFlags) changed(e *simulate.Event, word string, args []string, p *policy.Policy, changes *list) error {
	e.Text = strings.Join(append([]string{word}, args...), " ")
	insecure := p.Insecure
	switch word {
	case "set":
		e.Text = strings.Join(args, " ")
		name := e.Text
		if len(args) > 0 {
			name = args[0]
		}
		*changes = slices.DeleteFunc(*changes, func(c string) bool { return strings.HasPrefix(c, name+" ") })
		*changes = append(*changes, e.Text)
		g := *f
		g.set = *changes
		o, _, err := g.options()
		if err != nil {
			return err
		}
		if p.NoParent && !o.Policy.NoParent {
			return fmt.Errorf("a zone that begins with parent none has no parent in a simulation, and comes by none")
		}
		*p = o.Policy
		p.Insecure = insecure
	default:
		p.Insecure = word == "insecure"
	}
	next := *p
	e.Policy = &next
	return nil
}

func setArgument(e *simulate.Event, what rune, word string) (err error) {
	switch what {
	case 'r':
		return e.Role.UnmarshalText([]byte(strings.ToUpper(word)))
	case 't':
		var ttl time.Duration
		ttl, err = parseDuration(word)
		e.TTL = uint32(ttl / time.Second)
	case 'j':
		e.For, err = parseDuration(strings.TrimPrefix(word, "-"))
		if strings.HasPrefix(word, "-") {
			e.For = -e.For
		}
	default:
		e.For, err = parseDuration(word)
	}
	return err
}
