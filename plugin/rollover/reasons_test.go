package rollover

import (
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// What an operator has to do about a DS is said where nobody else does it, and
// as long as it is not done.
func TestReasons_WhatAnOperatorHasToDo(t *testing.T) {
	const publish, takeAway, give, take = "have the parent publish", "have the parent take away", "give key 7 to validators", "take the trust anchor of key 7 out"
	nobody, asked := Observation{}, Observation{At: noon, Servers: []Server{{Name: "a"}, {Name: "b"}}}
	there, partly, silent := asked, asked, asked
	there.Servers = []Server{{Name: "a", Keys: []string{"key"}}, {Name: "b", Keys: []string{"key"}}}
	partly.Servers = []Server{{Name: "a", Keys: []string{"key"}}, {Name: "b"}}
	silent.Servers = []Server{{Name: "a", Err: "timeout"}}
	outside, none, local := odd(), odd(), odd()
	none.NoParent, local.ParentLocal = true, true
	for _, c := range []struct {
		name        string
		p           policy.Policy
		state, goal State
		known       bool // it was seen, or is known to be gone
		revoked     bool
		seen        Observation
		want        string // empty: nothing
	}{
		{"comes, and is nowhere", outside, Rumoured, Omnipresent, false, false, asked, publish},
		{"comes, and is not everywhere", outside, Rumoured, Omnipresent, false, false, partly, publish},
		{"comes, and is everywhere", outside, Rumoured, Omnipresent, true, false, there, ""},
		{"comes, and nobody answers", outside, Rumoured, Omnipresent, false, false, silent, ""},
		{"comes, and nobody was asked", outside, Rumoured, Omnipresent, false, false, nobody, publish},
		{"comes, as an operator said", outside, Rumoured, Omnipresent, true, false, asked, ""},
		{"was there, and nobody was asked", outside, Omnipresent, Omnipresent, false, false, nobody, ""},
		{"is not asked for yet", outside, Hidden, Omnipresent, false, false, asked, ""},
		{"comes, and is to go", outside, Rumoured, Hidden, false, false, asked, ""},
		{"goes, and is everywhere", outside, Unretentive, Hidden, false, false, there, takeAway},
		{"goes, and is somewhere", outside, Unretentive, Hidden, false, false, partly, takeAway},
		{"goes, and nobody was asked", outside, Unretentive, Hidden, false, false, nobody, takeAway},
		{"goes, and is nowhere", outside, Unretentive, Hidden, false, false, asked, ""},
		{"goes, and is gone as an operator said", outside, Unretentive, Hidden, true, false, there, ""},
		{"local, comes", local, Rumoured, Omnipresent, false, false, asked, ""},
		{"local, goes", local, Unretentive, Hidden, false, false, there, ""},
		{"no parent, comes", none, Rumoured, Omnipresent, false, false, nobody, give},
		{"no parent, is there", none, Omnipresent, Omnipresent, false, false, nobody, ""},
		{"no parent, goes", none, Unretentive, Hidden, false, false, nobody, take},
		{"no parent, goes by itself", none, Unretentive, Hidden, false, true, nobody, ""},
	} {
		k := inService("key", policy.KSK).in(DS, c.state, c.goal)
		k.Tag = 7
		switch {
		case c.known && c.state == Unretentive:
			k.DSGone = noon
		case c.known:
			k.DSSeen = noon
		}
		if c.revoked {
			k.Revoked = noon
		}
		st := &step{now: noon, p: c.p, f: Facts{Parent: c.seen}, set: ours(k)}
		if got := st.sayDS(&st.set.Keys[0]); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
