package rollover

import (
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Time that did not pass is no hold: what is due stays as far away as it was.
func TestJumped_EndsNoHold(t *testing.T) {
	const jump = 1000 * day
	for name, w := range midRolls(t) {
		s, f := w.set.Clone(), w.facts()
		later := w.now.Add(jump)
		s.Jumped(later, jump)
		if !f.Complete.IsZero() {
			f.Complete = f.Complete.Add(jump)
		}
		f.Served, f.Parent.At = later, later
		if w.mute {
			f.Served = time.Time{}
		}
		for _, m := range Step(later, w.p, f, s).Moves {
			if m.Record != "key" {
				t.Errorf("%s: %+v", name, m)
			}
		}
		for i := range s.Keys {
			k, was := &s.Keys[i], &w.set.Keys[i]
			if !k.Active.Equal(was.Active) || !k.Retired.Equal(was.Retired) || !k.Removed.Equal(was.Removed) {
				t.Errorf("%s: a life jumped", name)
			}
			for r, st := range k.Records {
				want := was.Records[r].Since
				if st.State == Rumoured || st.State == Unretentive {
					want = want.Add(jump) // a hold that has run for an hour has still
				}
				if want.After(later) {
					want = later
				}
				if !st.Since.Equal(want) {
					t.Errorf("%s: %s since %s, want %s", name, Record(r), moment(st.Since), moment(want))
				}
			}
		}
	}
}

// TTLs are remembered for as long after a jump as before it.
func TestJumped_LongestTTL(t *testing.T) {
	var l Longest
	l.Serve(noon.Add(-day), uint32(longTTL/time.Second))
	l.Serve(noon, 60)
	s := KeySet{DNSKEYTTL: l, ZoneTTL: l, DSTTL: l}
	s.Jumped(noon.Add(100*day), 100*day)
	for name, got := range map[string]Longest{"DNSKEY": s.DNSKEYTTL, "zone": s.ZoneTTL, "DS": s.DSTTL} {
		if ttl := got.At(noon.Add(104 * day)); ttl != longTTL {
			t.Errorf("%s: %s", name, ttl)
		}
		if ttl := got.At(noon.Add(106 * day)); ttl != time.Minute {
			t.Errorf("%s: %s when all have dropped it", name, ttl)
		}
	}
}

func TestKeySet_WhatIsShown(t *testing.T) {
	s := short(t, "KSK O O - R; KSK R R - U; KSK U U - -; ZSK O - U -; ZSK - - R -; ZSK O - - -")
	for what, c := range map[string]struct{ got, want []string }{
		"published":      {s.Published(), []string{"k0", "k1", "k3", "k5"}},
		"DNSKEY signers": {s.DNSKEYSigners(), []string{"k0", "k1"}},
		"zone signers":   {s.ZoneSigners(), []string{"k4"}},
		"delegated":      {s.Delegated(), []string{"k0"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
}

// RFC 8078 section 4: the parent is asked for no DS at all while some may be
// there and none is wanted.
func TestKeySet_WithdrawnAndSigned(t *testing.T) {
	for _, c := range []struct {
		set               string
		withdrawn, signed bool
	}{
		{"KSK O O - O; ZSK O - O -", false, true},
		{"KSK O O - U; ZSK O - O -", true, true},
		{"KSK O O - U; KSK O O - R", false, true},
		{"KSK O O - -; ZSK O - O -", false, true},
		{"KSK U U - -; ZSK U - U -", false, false},
		{"KSK - - - -; ZSK - - R -", false, true}, // an algorithm's signatures come first
	} {
		s := short(t, c.set)
		if s.Withdrawn() != c.withdrawn || s.Signed() != c.signed {
			t.Errorf("%q: withdrawn %t, signed %t", c.set, s.Withdrawn(), s.Signed())
		}
	}
}

func TestKeySet_CloneSharesNothing(t *testing.T) {
	s := ours(inService("ksk", policy.KSK))
	s.Hold, s.Requests = &Hold{Why: "a"}, []Request{{Why: "a"}}
	c := s.Clone()
	c.Keys[0].ID, c.Hold.Why, c.Requests[0].Why = "b", "b", "b"
	if s.Keys[0].ID != "ksk" || s.Hold.Why != "a" || s.Requests[0].Why != "a" {
		t.Errorf("the copy's changes are seen: %+v", s)
	}
	if c := (KeySet{}).Clone(); c.Keys != nil || c.Hold != nil {
		t.Errorf("nothing is copied as %+v", c)
	}
}

func TestKey_GoalsAndService(t *testing.T) {
	for _, role := range []policy.Role{policy.KSK, policy.ZSK, policy.CSK} {
		k := Key{Role: role}
		if k.SetGoals(Omnipresent); !k.InService() || k.Gone() || k.DNSKEYOnly() {
			t.Errorf("%s with its goals: %+v", role, k)
		}
		for r := range records {
			if (k.Status(r).Goal == Omnipresent) != r.of(role) {
				t.Errorf("%s: %s is to be %s", role, r, k.Status(r).Goal)
			}
		}
		if k.SetGoals(Hidden); k.InService() || !k.Gone() {
			t.Errorf("%s without goals: %+v", role, k)
		}
		if k.Status(DNSKEY).Pending = true; k.Gone() {
			t.Errorf("%s: gone, with a move that is not served", role)
		}
	}
}
