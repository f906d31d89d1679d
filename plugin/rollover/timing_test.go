package rollover

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// The intervals of RFC 7583, computed here once more from the policy alone. All
// terms differ, so that no two can be taken for each other.

const (
	dprp     = 7 * time.Minute
	dprpP    = 23 * time.Minute
	ttlKey   = 41 * time.Minute
	ttlSig   = 2*time.Hour + 3*time.Minute
	ttlDS    = 19 * time.Hour
	publish  = 13 * time.Minute
	retiring = 17 * time.Minute
	day      = 24 * time.Hour
)

func odd() policy.Policy {
	p := policy.Default()
	p.ZonePropagation, p.ParentPropagation = dprp, dprpP
	p.DNSKEYTTL, p.DSTTL = uint32(ttlKey/time.Second), ttlDS
	p.PublishSafety, p.RetireSafety = publish, retiring
	p.ZSKLifetime = 0
	return p
}

// ours returns keys in service of the policy's algorithm.
func ours(keys ...Key) KeySet {
	s := KeySet{Keys: keys}
	for i := range s.Keys {
		if s.Keys[i].Algorithm == 0 {
			s.Keys[i].Algorithm = policy.ECDSAP256SHA256
		}
	}
	s.DNSKEYTTL.Serve(noon.Add(-9*day), uint32(ttlKey/time.Second))
	s.ZoneTTL.Serve(noon.Add(-9*day), uint32(ttlSig/time.Second))
	return s
}

// since sets since when a record is in its state.
func (k Key) since(r Record, t time.Time) Key {
	k.Records[r].Since = t
	return k
}

func retired(k Key) Key {
	k.SetGoals(Hidden)
	k.Retired = noon.Add(-9 * day)
	return k
}

// settles checks that a record settles at a moment, not a second before it, and
// that the reason says so in advance.
func settles(t *testing.T, p policy.Policy, f Facts, s KeySet, id string, r Record, want State, at time.Time) {
	t.Helper()
	early := at.Add(-time.Second)
	plan := Step(early, p, f, s)
	was := s.Key(id).state(r)
	if got := plan.KeySet.Key(id).state(r); got != was {
		t.Errorf("%s %s is %s a second before %s", id, r, got, moment(at))
	}
	for _, why := range plan.Reasons {
		if why.Key == id && why.Record == r && (!why.When.Equal(at) || why.Next != want) {
			t.Errorf("%s %s is said to be %s at %s, want %s at %s", id, r, why.Next, moment(why.When), want, moment(at))
		}
	}
	if plan.Wake.IsZero() || plan.Wake.After(at) {
		t.Errorf("%s %s: the plan wakes at %s, after %s", id, r, moment(plan.Wake), moment(at))
	}
	plan = Step(at, p, f, s)
	if got := plan.KeySet.Key(id).state(r); got != want {
		t.Errorf("%s %s is %s at %s, want %s", id, r, got, moment(at), want)
	}
}

func TestTiming_Intervals(t *testing.T) {
	ago := noon.Add(-time.Minute)
	ksk, zsk := inService("ksk", policy.KSK), inService("zsk", policy.ZSK)
	newKSK := inService("new", policy.KSK).in(DNSKEY, Rumoured, Omnipresent).in(KRRSIG, Rumoured, Omnipresent).in(DS, Hidden, Omnipresent)
	newZSK := inService("new", policy.ZSK).in(ZRRSIG, Rumoured, Omnipresent)
	oldKSK := retired(inService("old", policy.KSK).in(DS, Hidden, Hidden)).in(DNSKEY, Unretentive, Hidden).in(KRRSIG, Unretentive, Hidden)
	oldZSK := retired(zsk).in(ZRRSIG, Unretentive, Hidden)
	newDS := inService("new", policy.KSK).in(DS, Rumoured, Omnipresent)
	newDS.DSSeen = noon.Add(time.Hour)
	oldDS := retired(inService("old", policy.KSK)).in(DS, Unretentive, Hidden)
	oldDS.DSGone = noon.Add(2 * time.Hour)
	seenBefore := newDS
	seenBefore.DSSeen = noon.Add(-time.Hour)
	anchor := newDS
	anchor.DSSeen = time.Time{}
	revoked := oldDS
	revoked.DSGone, revoked.Revoked = time.Time{}, ago

	complete := noon.Add(9 * time.Hour) // Dsgn is over
	for _, c := range []struct {
		name     string
		rfc      string
		set      KeySet
		id       string
		r        Record
		to       State
		at       time.Time     // without the safety
		safety   time.Duration // which an emergency leaves out
		noParent bool
	}{
		{"Ipub", "3.2.1", ours(ksk, zsk, newKSK), "new", DNSKEY, Omnipresent, ago.Add(dprp + ttlKey), publish, false},
		{"IpubC", "3.3.2", ours(ksk, zsk, newKSK), "new", KRRSIG, Omnipresent, ago.Add(dprp + ttlKey), publish, false},
		{"DNSKEY withdrawn", "3.3.2", ours(ksk, zsk, oldKSK), "old", DNSKEY, Hidden, ago.Add(dprp + ttlKey), retiring, false},
		{"its signature withdrawn", "3.3.2", ours(ksk, zsk, oldKSK), "old", KRRSIG, Hidden, ago.Add(dprp + ttlKey), retiring, false},
		{"signatures spread", "3.2.1", ours(ksk, oldZSK, newZSK), "new", ZRRSIG, Omnipresent, complete.Add(dprp + ttlSig), publish, false},
		{"Iret", "3.2.1", ours(ksk, oldZSK, newZSK), "zsk", ZRRSIG, Hidden, complete.Add(dprp + ttlSig), retiring, false},
		{"DS seen", "3.3.1", ours(ksk, zsk, newDS), "new", DS, Omnipresent, noon.Add(time.Hour + dprpP + ttlDS), publish, false},
		{"DS seen before it was asked for", "3.3.1", ours(ksk, zsk, seenBefore), "new", DS, Omnipresent, ago.Add(dprpP + ttlDS), publish, false},
		{"Iret of a KSK", "3.3.1", ours(ksk, zsk, oldDS), "old", DS, Hidden, noon.Add(2*time.Hour + dprpP + ttlDS), retiring, false},
		// RFC 5011: 30 days of add hold-down (2.4.1) between two looks of 15 days (2.3).
		{"add hold-down", "5011", ours(ksk, zsk, anchor), "new", DS, Omnipresent, ago.Add(60*day + dprp + ttlKey), publish, true},
		{"remove hold-down", "5011", ours(ksk, zsk, revoked), "old", DS, Hidden, ago.Add(45*day + dprp + ttlKey), retiring, true},
	} {
		for _, emergency := range []bool{false, true} {
			t.Run(c.name+" "+c.rfc, func(t *testing.T) {
				p, s, at := odd(), c.set.Clone(), c.at
				p.NoParent = c.noParent
				for i := range s.Keys {
					s.Keys[i].Emergency = emergency
				}
				if !emergency {
					at = at.Add(c.safety)
				}
				settles(t, p, Facts{Served: ago, Complete: complete}, s, c.id, c.r, c.to, at)
			})
		}
	}
}

// Without a parent an operator's word ends the wait.
func TestTiming_TrustAnchorsByHand(t *testing.T) {
	given := inService("new", policy.KSK).in(DS, Rumoured, Omnipresent)
	given.DSSeen, given.ByHand = noon, true
	taken := retired(inService("old", policy.KSK)).in(DS, Unretentive, Hidden)
	taken.DSGone, taken.Revoked, taken.ByHand = noon, noon, true
	p := odd()
	p.NoParent = true
	plan := Step(noon, p, Facts{Served: noon, Complete: noon}, ours(inService("zsk", policy.ZSK), given, taken))
	if a, b := plan.KeySet.Key("new").state(DS), plan.KeySet.Key("old").state(DS); a != Omnipresent || b != Hidden {
		t.Errorf("the new trust anchor is %s, the old one %s", a, b)
	}
}

// Signatures that still move, and a parent that has not answered, are no
// question of time.
func TestTiming_SomeWaitsHaveNoEnd(t *testing.T) {
	move := ours(inService("ksk", policy.KSK), retired(inService("zsk", policy.ZSK)).in(ZRRSIG, Unretentive, Hidden),
		inService("new", policy.ZSK).in(ZRRSIG, Rumoured, Omnipresent))
	swap := ours(retired(inService("old", policy.KSK)).in(DS, Unretentive, Hidden), inService("zsk", policy.ZSK),
		inService("new", policy.KSK).in(DS, Rumoured, Omnipresent))
	before := noon.Add(-2 * time.Minute) // before the move: signatures of then say nothing
	for name, c := range map[string]struct {
		set      KeySet
		complete time.Time
	}{
		"signatures move":                  {move, time.Time{}},
		"signatures were complete earlier": {move, before},
		"nobody has seen the DS":           {swap, noon},
	} {
		plan := Step(noon.Add(1000*day), odd(), Facts{Served: noon, Complete: c.complete}, c.set)
		for _, m := range plan.Moves {
			if m.Record == "ZRRSIG" || m.Record == "DS" {
				t.Errorf("%s: %v", name, m)
			}
		}
		if !plan.Wake.IsZero() {
			t.Errorf("%s: wakes at %s", name, plan.Wake)
		}
	}
}

// What was seen counts where it is longer than the policy, and never the other
// way round.
func TestTiming_NeverShorterThanThePolicy(t *testing.T) {
	ksk, zsk := inService("ksk", policy.KSK), inService("zsk", policy.ZSK)
	newKSK := inService("new", policy.KSK).in(DNSKEY, Rumoured, Omnipresent).in(KRRSIG, Rumoured, Omnipresent).in(DS, Hidden, Omnipresent)
	newDS := inService("new", policy.KSK).in(DS, Rumoured, Omnipresent)
	newDS.DSSeen = noon
	since := noon.Add(-time.Minute)
	for _, seen := range []time.Duration{time.Second, ttlKey, ttlDS, 30 * day} {
		p, f := odd(), Facts{Served: since, Complete: since}
		s := ours(ksk, zsk, newKSK)
		s.DNSKEYTTL = Longest{TTL: uint32(seen / time.Second)}
		settles(t, p, f, s, "new", DNSKEY, Omnipresent, since.Add(dprp+max(ttlKey, seen)+publish))
		s = ours(ksk, zsk, newDS)
		s.DSTTL = Longest{TTL: uint32(seen / time.Second)}
		settles(t, p, f, s, "new", DS, Omnipresent, noon.Add(dprpP+max(ttlDS, seen)+publish))
	}
}

// P17: the wait is for the longest TTL that a key ever signed, of a record that
// is no longer there too.
func TestTiming_P17_LongestTTLEverSigned(t *testing.T) {
	old := retired(inService("zsk", policy.ZSK)).in(ZRRSIG, Unretentive, Hidden)
	old.Exposure.MaxTTL = uint32(7 * day / time.Second)
	s := ours(inService("ksk", policy.KSK), old, inService("new", policy.ZSK).in(ZRRSIG, Rumoured, Omnipresent))
	settles(t, odd(), Facts{Served: noon, Complete: noon}, s, "zsk", ZRRSIG, Hidden, noon.Add(dprp+7*day+retiring))
}

// A lifetime runs from the first signature to the first of the successor, of a
// KSK from DS to DS. That of a zone's first KSK begins with its first DS.
func TestTiming_LifetimeToTheSecond(t *testing.T) {
	for _, c := range []struct {
		role   policy.Role
		scheme policy.Scheme
		life   time.Duration
	}{{policy.ZSK, policy.SchemeSplit, 33 * day}, {policy.KSK, policy.SchemeSplit, 71 * day}, {policy.CSK, policy.SchemeCSK, 57 * day}} {
		w := newWorld()
		w.lookGap = 12 * time.Hour
		w.p.Scheme, w.p.KSKLifetime, w.p.ZSKLifetime, w.p.CSKLifetime, w.p.PurgeKeys = c.scheme, 0, 0, 0, 0
		*map[policy.Role]*time.Duration{policy.ZSK: &w.p.ZSKLifetime, policy.KSK: &w.p.KSKLifetime, policy.CSK: &w.p.CSKLifetime}[c.role] = c.life
		w.run(400 * day)
		var last time.Time
		n := 0
		for _, k := range w.set.Keys {
			if k.Role != c.role || k.Active.IsZero() {
				continue
			}
			if n++; n > 1 && k.Active.Sub(last) != c.life {
				t.Errorf("%s %d comes into service %s after the one before, want %s", c.role, n, k.Active.Sub(last), c.life)
			}
			last = k.Active
		}
		if want := int(400 * day / c.life); n < want {
			t.Errorf("%s: %d keys, want %d at least", c.role, n, want)
		}
	}
}

// A signature that has expired needs no key, however long its records' TTLs are.
func TestHold_EndsWithTheLatestExpiry(t *testing.T) {
	p := policy.Default()
	since := start
	k := Key{ID: "z", Role: policy.ZSK, Exposure: Exposure{MaxTTL: 30 * 86400, LatestExpiry: start.Add(14 * 24 * time.Hour)}}
	k.Records[ZRRSIG] = Status{State: Unretentive, Since: since}
	s := KeySet{Keys: []Key{k}}
	f := Facts{Complete: start.Add(9 * 24 * time.Hour)}
	want := start.Add(14*24*time.Hour + p.ZonePropagation + p.RetireSafety)
	if got := newTiming(f.Complete, &p, &s).hidden(&k, ZRRSIG, &f); !got.Equal(want) {
		t.Errorf("hidden at %s, want %s", got, want)
	}
	k.Exposure.MaxTTL = 3600
	want = f.Complete.Add(time.Hour + p.ZonePropagation + p.RetireSafety)
	if got := newTiming(f.Complete, &p, &s).hidden(&k, ZRRSIG, &f); !got.Equal(want) {
		t.Errorf("hidden at %s, want %s", got, want)
	}
}
