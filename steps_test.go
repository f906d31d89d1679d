package autosign

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// changed says in words what of all that concerns keys differs in two documents,
// by role: the steps of a roll have the same names whatever keys they move. It
// reports besides whether a serial was claimed.
func changed(before, after []byte) (keys []string, claimed bool) {
	a, err := state.Decode(before, "example.org.")
	b, errB := state.Decode(after, "example.org.")
	if errB != nil {
		return []string{"nonsense"}, false
	}
	if err != nil {
		return []string{"the first document"}, false
	}
	words := map[string]bool{}
	note := func(k *rollover.Key, steps ...string) {
		for _, step := range steps {
			words[k.Role.String()+" "+step] = true
		}
	}
	for _, k := range b.KeySet.Keys {
		old := a.KeySet.Key(k.ID)
		if old == nil {
			old = &rollover.Key{}
			note(&k, "new")
		}
		note(&k, steps(*old, k)...)
	}
	for _, k := range a.KeySet.Keys {
		if b.KeySet.Key(k.ID) == nil {
			note(&k, "forgotten")
		}
	}
	for _, part := range []struct {
		name          string
		before, after any
	}{
		{"requests", a.KeySet.Requests, b.KeySet.Requests}, {"urgent", a.KeySet.Urgent, b.KeySet.Urgent},
		{"pool", a.Pool, b.Pool}, {"doomed", a.Doomed, b.Doomed}, {"policy", a.PolicyRevision, b.PolicyRevision},
	} {
		if !reflect.DeepEqual(part.before, part.after) {
			words[part.name] = true
		}
	}
	if w := generations(a.Generations, b.Generations); w != "" {
		words[w] = true
	}
	return slices.Sorted(maps.Keys(words)), !reflect.DeepEqual(a.Claims, b.Claims)
}

// steps says what has happened to a key.
func steps(a, b rollover.Key) (words []string) {
	for r := rollover.DNSKEY; r <= rollover.DS; r++ {
		switch x, y := a.Records[r], b.Records[r]; {
		case x.State != y.State:
			words = append(words, fmt.Sprintf("%s %s to %s", r, x.State, y.State))
		case x.Pending && !y.Pending:
			words = append(words, fmt.Sprintf("%s %s is served", r, y.State))
		}
	}
	for _, m := range []struct {
		name          string
		before, after time.Time
	}{
		{"DS seen", a.DSSeen, b.DSSeen}, {"DS gone", a.DSGone, b.DSGone}, {"retired", a.Retired, b.Retired},
	} {
		switch {
		case m.before.IsZero() && !m.after.IsZero():
			words = append(words, m.name)
		case !m.before.IsZero() && m.after.IsZero():
			words = append(words, "no "+m.name)
		}
	}
	if a.Exposure, b.Exposure = (rollover.Exposure{}), (rollover.Exposure{}); len(words) == 0 && !reflect.DeepEqual(a, b) {
		words = append(words, "otherwise")
	}
	return words
}

// generations says what has happened to the generations of keys that sign.
func generations(a, b []state.Generation) string {
	switch {
	case len(b) > len(a):
		return "a generation begins"
	case len(b) < len(a):
		return "a generation ends"
	case len(a) > 0 && a[len(a)-1].Complete.IsZero() && !b[len(b)-1].Complete.IsZero():
		return "a generation is complete"
	case !reflect.DeepEqual(a, b):
		return "other generations"
	}
	return ""
}
