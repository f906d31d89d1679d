package rollover

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Key sets in short: keys with their records DNSKEY, KRRSIG, ZRRSIG and DS, as
// in "KSK O O - R1; ZSK O - O -". A digit is since when, for the rules that ask
// whether records were moved together; - is Hidden, /b a second algorithm.

func short(t *testing.T, text string) KeySet {
	t.Helper()
	var s KeySet
	for n, part := range strings.Split(text, ";") {
		words := strings.Fields(part)
		if len(words) != 1+int(records) {
			t.Fatalf("%q: a key is a role and four records", part)
		}
		name, second := strings.CutSuffix(words[0], "/b")
		role, err := policy.ParseRole(name)
		if err != nil {
			t.Fatal(err)
		}
		k := Key{ID: fmt.Sprint("k", n), Role: role, Algorithm: policy.ECDSAP256SHA256}
		if second {
			k.Algorithm = policy.ED25519
		}
		for r := range records {
			k.Records[r] = shortStatus(t, words[1+r])
		}
		s.Keys = append(s.Keys, k)
	}
	return s
}

func shortStatus(t *testing.T, word string) (s Status) {
	t.Helper()
	at := strings.Index("-ROU", word[:1])
	if at < 0 || len(word) > 2 {
		t.Fatalf("%q is no state", word)
	}
	s.State, s.Since = State(at), start
	if len(word) == 2 {
		s.Since = start.Add(time.Duration(word[1]-'0') * time.Hour)
	}
	return s
}

// rows of a rule that hold for the keys of the first algorithm, by name.
func rowsThatHold(name string, s *KeySet) (list []string) {
	keys := byAlgorithm(s)[0]
	for _, r := range rules {
		asked := slices.ContainsFunc(keys, func(k *Key) bool { return k.state(r.of) != Hidden })
		for _, w := range r.rows {
			if r.name == name && asked && w.holds(keys) {
				list = append(list, w.name)
			}
		}
	}
	return list
}

func TestRules_EachRow(t *testing.T) {
	const (
		anchored, everyDS         = "anchor", "every DS leads to a key"
		known, together           = "signed by a key that is known", "keys come and go together"
		plain, moving, firstAndIn = "signed", "signatures move", "signatures first in, last out"
	)
	for _, c := range []struct {
		rule, set string
		rows      []string // that hold
	}{
		{"delegation", "KSK O O - O", []string{anchored, everyDS}},
		{"delegation", "KSK O O - R; KSK O O - U", []string{everyDS}},
		{"delegation", "KSK O O - O; KSK R R - R", []string{anchored}},
		{"delegation", "KSK O O - R; KSK R R - U", nil},
		{"delegation", "KSK O R - O", nil},
		{"delegation", "KSK R O - O", nil},
		{"delegation", "KSK U U - O; KSK O O - R", nil},
		{"delegation", "KSK U U - U; KSK O O - O", []string{anchored}},
		{"delegation", "KSK U U - U; KSK O O - R", nil},
		{"delegation", "KSK - - - O", nil},
		{"delegation", "KSK O O - O; KSK/b - - - R", []string{anchored, everyDS}}, // asked for the other as well

		{"self-signed", "KSK O O - -", []string{known}},
		{"self-signed", "KSK O - - -", nil},
		{"self-signed", "KSK R1 R1 - -", []string{together}},
		{"self-signed", "KSK R1 R2 - -", nil},
		{"self-signed", "KSK R1 R1 - -; ZSK R1 - O -", []string{together}},
		{"self-signed", "KSK R2 R2 - -; ZSK R1 - O -", nil},
		{"self-signed", "KSK U1 U1 - -; ZSK U1 - O -", []string{together}},
		{"self-signed", "KSK U1 U1 - -; ZSK O - O -", nil},
		{"self-signed", "KSK O O - -; ZSK U1 - O -", []string{known}},
		{"self-signed", "ZSK R - O -", nil},

		{"signatures", "ZSK O - O -", []string{plain}},
		{"signatures", "ZSK O - R -", nil},
		{"signatures", "ZSK R - O -", []string{firstAndIn}},
		{"signatures", "ZSK U - O -", []string{firstAndIn}},
		{"signatures", "ZSK R1 - O -; KSK R1 R1 - -", []string{firstAndIn}},
		{"signatures", "ZSK R1 - O -; KSK R2 R2 - -", nil},
		{"signatures", "ZSK R1 - O -; KSK O O - -", nil},
		{"signatures", "ZSK O - U1 -; ZSK O - R1 -", []string{moving}},
		{"signatures", "ZSK O - U1 -; ZSK O - R2 -", nil},
		{"signatures", "ZSK O - U1 -; ZSK R1 - R1 -", nil},
		{"signatures", "ZSK U1 - U1 -; ZSK O - R1 -", nil},
		{"signatures", "ZSK O - U1 -; ZSK O - R1 -; ZSK O - O -", []string{plain, moving}},
		{"signatures", "ZSK O - U1 -; ZSK O - R1 -; ZSK R - - -", []string{moving}}, // a key that signs nothing is in nobody's way
		{"signatures", "KSK O O - O", nil},
	} {
		s := short(t, c.set)
		got := rowsThatHold(c.rule, &s)
		if slices.Contains(c.rows, known) || slices.Contains(c.rows, plain) { // then these two do not matter
			got = slices.DeleteFunc(got, func(r string) bool { return r == together || r == firstAndIn })
		}
		if !slices.Equal(got, c.rows) {
			t.Errorf("%s of %q: %q hold, want %q", c.rule, c.set, got, c.rows)
		}
	}
}

func TestRules_Secure(t *testing.T) {
	for _, c := range []struct {
		set              string
		leaving, off, ok bool
	}{
		{"KSK O O - O; ZSK O - O -", false, false, true},
		{"KSK O O - U; ZSK O - O -", false, false, false},
		{"KSK O O - U; ZSK O - O -", true, false, true},
		{"KSK O O - U; ZSK O - O -", false, true, true},
		{"KSK O O - U; KSK O O - R; ZSK O - O -", false, false, true},
		{"KSK O O - -; ZSK O - O -", false, false, true}, // there never was one
		{"KSK - R - -; ZSK R - - -", false, false, true}, // and then nobody looks
		{"KSK - R - -; ZSK R - - -", true, true, true},
	} {
		s, off := short(t, c.set), ""
		if c.off {
			off = secureRule
		}
		if got := judge(&s, c.leaving, true, off); (len(got) == 0) != c.ok {
			t.Errorf("%q, leaving %t, off %q: %v", c.set, c.leaving, off, got)
		}
	}
	s := short(t, "KSK - R - -; ZSK R - - -")
	if got := judge(&s, false, false, ""); len(got) == 0 {
		t.Error("where the row \"insecure\" does not count, a DNSKEY set without its signature passes")
	}
}

// shortStates are the states with moments of two moves.
var shortStates = []string{"-", "O", "R1", "R2", "U1", "U2"}

// in reports whether a version of the zone has a record: version 0 is that
// before the moves 1 and 2. A Rumoured record came with its move, an Unretentive
// one went with it.
func (s Status) in(version int) bool {
	moved := int(s.Since.Sub(start) / time.Hour)
	switch s.State {
	case Omnipresent:
		return true
	case Rumoured:
		return version >= moved
	case Unretentive:
		return version < moved
	}
	return false
}

// mix is keys that are in all of some sets that caches have, of versions each.
func mix(keys []*Key, at map[Record]int) bool {
	return slices.ContainsFunc(keys, func(k *Key) bool {
		for r, version := range at {
			if !k.Records[r].in(version) {
				return false
			}
		}
		return true
	})
}

// fails returns a mix of what caches can have that does not validate for the
// keys of an algorithm: DS, DNSKEY and other sets are each of any version.
func fails(rule string, keys []*Key) string {
	for a := range 3 {
		for b := range 3 {
			switch {
			case rule == "self-signed" && mix(keys, map[Record]int{DNSKEY: a}) && !mix(keys, map[Record]int{DNSKEY: a, KRRSIG: a}):
				return fmt.Sprint("DNSKEY set ", a)
			case rule == "signatures" && mix(keys, map[Record]int{DNSKEY: a}) && !mix(keys, map[Record]int{DNSKEY: a, ZRRSIG: b}):
				return fmt.Sprint("DNSKEY set ", a, " with signatures ", b)
			case rule == "delegation" && mix(keys, map[Record]int{DS: a}) && !mix(keys, map[Record]int{DS: a, DNSKEY: b, KRRSIG: b}):
				return fmt.Sprint("DS set ", a, " with DNSKEY set ", b)
			}
		}
	}
	return ""
}

// every calls f with all sets of so many keys of which only some records differ.
func every(t *testing.T, n int, differ []Record, f func([]*Key)) {
	keys := make([]*Key, n)
	for i := range keys {
		keys[i] = &Key{ID: fmt.Sprint(i)}
	}
	t.Helper()
	statuses := make([]Status, len(shortStates))
	for i, s := range shortStates {
		statuses[i] = shortStatus(t, s)
	}
	var fill func(at int)
	fill = func(at int) {
		if at == n*len(differ) {
			f(keys)
			return
		}
		for _, s := range statuses {
			keys[at/len(differ)].Records[differ[at%len(differ)]] = s
			fill(at + 1)
		}
	}
	fill(0)
}

func describe(keys []*Key) string {
	var b strings.Builder
	for _, k := range keys {
		for r := range records {
			s := k.Records[r]
			fmt.Fprintf(&b, "%s%d ", s.State.String()[:1], int(s.Since.Sub(start)/time.Hour))
		}
		b.WriteString("; ")
	}
	return b.String()
}

// Whatever caches can have, a rule that holds is kept by it: each rule against
// all versions of all sets of two keys, and of three where two records matter.
func TestRules_HoldForEveryMixOfCaches(t *testing.T) {
	for _, c := range []struct {
		rule   string
		differ []Record
		keys   int
	}{
		{"delegation", []Record{DS, DNSKEY, KRRSIG}, 2},
		{"self-signed", []Record{DNSKEY, KRRSIG}, 3},
		{"signatures", []Record{DNSKEY, ZRRSIG}, 3},
	} {
		rule := rules[slices.IndexFunc(rules, func(r rule) bool { return r.name == c.rule })]
		held, refused := 0, 0
		every(t, c.keys, c.differ, func(keys []*Key) {
			if !slices.ContainsFunc(keys, func(k *Key) bool { return k.state(rule.of) != Hidden }) {
				return // not asked
			}
			if !slices.ContainsFunc(rule.rows, func(w row) bool { return w.holds(keys) }) {
				refused++
				return
			}
			held++
			if bad := fails(c.rule, keys); bad != "" {
				t.Errorf("%s holds for %s and %s does not validate", c.rule, describe(keys), bad)
			}
		})
		if held == 0 || refused == 0 {
			t.Errorf("%s: %d sets hold, %d do not", c.rule, held, refused)
		}
		t.Logf("%s: %d sets hold, %d do not", c.rule, held, refused)
	}
}

// What is broken already is in nobody's way: from every state of two keys, each
// step that breaks no further rule is allowed, and one that heals above all.
func TestAllowed_NeverBlocksTheWayOut(t *testing.T) {
	healed := short(t, "KSK O O - O; ZSK O - O -")
	for _, text := range []string{
		"KSK - - - O; ZSK O - O -", // the DS of a key that is not there
		"KSK O - - O; ZSK O - O -",
		"KSK O O - U; ZSK O - O -",
		"KSK O O - O; ZSK O - - -",
		"KSK R U - R; ZSK U - R -",
		"KSK - - - R; ZSK - - - -",
	} {
		broken := short(t, text)
		if len(judge(&broken, false, true, "")) == 0 {
			t.Errorf("%q is not broken", text)
		}
		if ok, why := allowed(&broken, &healed, false, false, ""); !ok {
			t.Errorf("from %q nothing leads on: %v", text, why)
		}
		if ok, why := allowed(&broken, &broken, false, false, ""); !ok {
			t.Errorf("%q must not stay as it is: %v", text, why)
		}
		if ok, _ := allowed(&healed, &broken, false, false, ""); ok {
			t.Errorf("%q is allowed", text)
		}
	}
	// One broken rule does not excuse another.
	a, b := short(t, "KSK O O - O; ZSK O - - -"), short(t, "KSK O U - O; ZSK O - - -")
	if ok, why := allowed(&a, &b, false, false, ""); ok || why.rule == "signatures" {
		t.Errorf("allowed %t, forbidden by %v", ok, why)
	}
}
