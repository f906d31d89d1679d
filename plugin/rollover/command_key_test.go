package rollover

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// R22: the three conditions are necessary.
func TestScheduleDeletion_R22(t *testing.T) {
	ksk2, zsk2 := inService("ksk2", policy.KSK), inService("zsk2", policy.ZSK)
	leaving := zsk2
	leaving.Retire = noon.Add(time.Hour)
	retired := ksk2
	retired.Retired = noon
	at := noon.Add(24 * time.Hour)
	together := ksk2
	together.Retire = at
	for _, c := range []struct {
		name string
		set  KeySet
		key  string
		want string // empty: accepted
	}{
		{"the only ZSK: it stays until its successor is made", split(), "zsk", ""},
		{"a ZSK beside another", split(zsk2), "zsk", ""},
		{"the only KSK", split(), "ksk", "no other KSK"},
		{"a KSK beside another", split(ksk2), "ksk", ""},
		{"a KSK beside one that goes", split(retired), "ksk", "no other KSK"},
		{"a KSK beside one that goes at the same moment", split(together), "ksk", "no other KSK"},
		{"a KSK beside one that is DNSKEY only", split(dnskeyOnly("ksk2", policy.KSK)), "ksk", "no other KSK"},
		{"a KSK beside one elsewhere", split(foreign(ksk2)), "ksk", "no other KSK"},
		{"a key elsewhere", split(foreign(ksk2)), "ksk2", "elsewhere"},
		{"a ZSK under a KSK elsewhere", KeySet{Keys: []Key{foreign(ksk2), zsk2}}, "zsk2", "no other KSK"},
		{"a DNSKEY-only KSK", split(dnskeyOnly("ksk2", policy.KSK)), "ksk2", ""},
		{"a CSK under scheme split", split(inService("csk", policy.CSK)), "csk", ""},
		{"a CSK under scheme split, with nothing for the zone",
			KeySet{Keys: []Key{ksk2, inService("csk", policy.CSK)}}, "csk", "the last CSK"},
		{"a CSK under scheme split, beside a ZSK that goes before",
			KeySet{Keys: []Key{ksk2, leaving, inService("csk", policy.CSK)}}, "csk", "the last CSK"},
	} {
		after := c.set.Clone()
		command := func(s *KeySet) (Entry, error) { return s.ScheduleDeletion(order(), c.key, at) }
		_, err := command(&after)
		if c.want != "" {
			wantRefused(t, c.name, c.set, after, err, c.want)
			continue
		}
		if err != nil || !after.Key(c.key).Retire.Equal(at) {
			t.Errorf("%s: %v, %+v", c.name, err, after.Key(c.key))
			continue
		}
		again(t, c.name, &after, command)
		if _, err := after.ScheduleDeletion(order(), c.key, time.Time{}); err != nil || !reflect.DeepEqual(after, c.set) {
			t.Errorf("%s: taken back: %v, %+v", c.name, err, after)
		}
	}
}

// R22: the last key of its type stays until there is another, however late.
func TestScheduleDeletion_R22_LastZSKWaitsForItsSuccessor(t *testing.T) {
	s := split()
	if _, err := s.ScheduleDeletion(order(), "zsk", noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f := Facts{Served: noon, Complete: noon}
	for range 3 {
		now := noon.Add(30 * 24 * time.Hour)
		plan := Step(now, policy.Default(), f, s)
		successor := plan.KeySet.has(func(k *Key) bool { return k.ID != "zsk" && k.Role == policy.ZSK && k.InService() })
		if going := !plan.KeySet.Key("zsk").InService(); going != successor || successor != (len(f.Pool) > 0) {
			t.Fatalf("with %d keys at hand: the ZSK goes: %t, has a successor: %t", len(f.Pool), going, successor)
		}
		if len(plan.Make) > 0 {
			f.Pool = []Candidate{{ID: "made", Role: policy.ZSK, Algorithm: plan.Make[0].Algorithm, Bits: plan.Make[0].Bits}}
		}
	}
}

func TestScheduleDeletion_InThePastMeansNow(t *testing.T) {
	s := split()
	past := func(s *KeySet) (Entry, error) { return s.ScheduleDeletion(order(), "zsk", noon.Add(-time.Hour)) }
	if _, err := past(&s); err != nil || !s.Key("zsk").Retire.Equal(noon) {
		t.Fatalf("%v, %+v", err, s.Key("zsk"))
	}
	again(t, "deletion", &s, past)
	again(t, "deletion that waits", &s, func(s *KeySet) (Entry, error) {
		o := order()
		o.At = noon.Add(time.Hour)
		return s.ScheduleDeletion(o, "zsk", o.At)
	})
	s.Key("zsk").Retired = noon
	again(t, "deletion of what retires", &s, past)
	before := s.Clone()
	_, err := s.ScheduleDeletion(order(), "zsk", time.Time{})
	wantRefused(t, "too late", before, s, err, "has begun")
}

// R21: a key is published and does not sign.
func TestDNSKEYOnly_R21(t *testing.T) {
	ksk2, zsk2 := inService("ksk2", policy.KSK), inService("zsk2", policy.ZSK)
	for _, c := range []struct {
		name string
		set  KeySet
		key  string
		want string // empty: accepted
	}{
		{"the last KSK that has a DS", split(), "ksk", "last KSK that has a DS"},
		{"a KSK whose successor's DS is on its way", split(ksk2.in(DS, Rumoured, Omnipresent)), "ksk", "last KSK that has a DS"},
		{"a KSK whose successor goes", split(ksk2.in(DS, Omnipresent, Hidden)), "ksk", "last KSK that has a DS"},
		{"a KSK beside another with DS", split(ksk2), "ksk", ""},
		{"a KSK beside one elsewhere with DS", split(foreign(ksk2)), "ksk", ""},
		{"a KSK without DS", split(ksk2.in(DS, Hidden, Omnipresent)), "ksk2", ""},
		{"a ZSK: its successor is made", split(), "zsk", ""},
		{"a CSK under scheme split, without DS, and nothing else for the zone",
			KeySet{Keys: []Key{ksk2, inService("csk", policy.CSK).in(DS, Hidden, Omnipresent)}}, "csk", "the last CSK"},
		{"a ZSK beside another", split(zsk2), "zsk", ""},
		{"a ZSK under a KSK elsewhere", KeySet{Keys: []Key{foreign(ksk2), zsk2}}, "zsk2", "elsewhere"},
	} {
		after := c.set.Clone()
		command := func(s *KeySet) (Entry, error) { return s.DNSKEYOnly(order(), c.key, true) }
		_, err := command(&after)
		if c.want != "" {
			if r := wantRefused(t, c.name, c.set, after, err, c.want); r.Override {
				t.Errorf("%s: can be overridden", c.name)
			}
			continue
		}
		k := after.Key(c.key)
		if err != nil || !k.DNSKEYOnly() || k.Records[DNSKEY] != c.set.Key(c.key).Records[DNSKEY] {
			t.Errorf("%s: %v, %+v", c.name, err, k)
			continue
		}
		again(t, c.name, &after, command)
		if _, err := after.DNSKEYOnly(order(), c.key, false); err != nil || !after.Key(c.key).InService() {
			t.Errorf("%s: used again: %v, %+v", c.name, err, after.Key(c.key))
		}
	}
}

func TestDNSKEYOnly_NotOfAKeyThatGoes(t *testing.T) {
	s := split()
	s.Keys[1].Retired = noon
	for _, on := range []bool{true, false} {
		before := s.Clone()
		_, err := s.DNSKEYOnly(order(), "zsk", on)
		wantRefused(t, "retired", before, s, err, "has begun")
	}
}

// P5: deleting a key with a live DS is refused.
func TestRemove_P5_NotWhileItIsNeeded(t *testing.T) {
	ksk2 := inService("ksk2", policy.KSK)
	gone := Key{ID: "old", Role: policy.KSK, Removed: noon.Add(-time.Hour)}
	leaving := ksk2
	for r := range records {
		if r.of(policy.KSK) {
			leaving = leaving.in(r, Unretentive, Hidden)
		}
	}
	leaving.Retired, leaving.DSGone = noon.Add(-time.Hour), noon.Add(-time.Minute)
	coming := ksk2
	for r := range records {
		if r.of(policy.KSK) {
			coming = coming.in(r, Hidden, Omnipresent)
		}
	}
	for _, c := range []struct {
		name     string
		set      KeySet
		key      string
		want     string
		override bool
	}{
		{"a live DS", split(ksk2), "ksk", "its DS is omnipresent", true},
		{"a DS that may be in caches", split(leaving), "ksk2", "its DS is unretentive", false},
		{"about to come", split(coming), "ksk2", "about to come", true},
		{"the last of its kind", split(), "ksk", "the last KSK", false},
		{"signatures that may be in caches", split(inService("zsk2", policy.ZSK).in(DNSKEY, Hidden, Hidden).in(ZRRSIG, Unretentive, Hidden)),
			"zsk2", "its ZRRSIG is unretentive", false},
		{"all gone", split(gone), "old", "", false},
	} {
		after := c.set.Clone()
		e, err := after.Remove(order(), c.key)
		if c.want == "" {
			if err != nil || after.Key(c.key) != nil {
				t.Errorf("%s: %v, %+v, %+v", c.name, err, e, after)
			}
			continue
		}
		r := wantRefused(t, c.name, c.set, after, err, c.want)
		if r.Override != c.override {
			t.Errorf("%s: to be overridden: %t", c.name, r.Override)
		}
		o := order()
		o.Override = true
		e, err = after.Remove(o, c.key)
		if !c.override {
			wantRefused(t, c.name, c.set, after, err, c.want)
			continue
		}
		k := after.Key(c.key)
		if err != nil || !strings.Contains(e.Overrides, c.want) || !k.withdrawn() || k.Retired.IsZero() {
			t.Errorf("%s: overridden: %v, %+v, %+v", c.name, err, e, k)
		}
	}
}

// The earliest moment is the end of the longest wait: here that for the DS.
func TestRemove_SaysFromWhenOnItIsSafe(t *testing.T) {
	k := inService("old", policy.KSK)
	for r := range records {
		if r.of(policy.KSK) {
			k = k.in(r, Unretentive, Hidden)
		}
	}
	k.Retired, k.DSGone = noon.Add(-time.Hour), noon.Add(-time.Minute)
	s := split(k)
	_, err := s.Remove(order(), "old")
	p := policy.Default()
	want := noon.Add(-time.Minute + p.ParentPropagation + p.DSTTL + p.RetireSafety)
	if r := wantRefused(t, "in caches", s, s, err, "unretentive"); !r.Earliest.Equal(want) {
		t.Errorf("got %s, want %s", r.Earliest, want)
	}
	s.Keys[2].DSGone = time.Time{} // at the parent still
	_, err = s.Remove(order(), "old")
	want = noon.Add(p.ParentPropagation + p.DSTTL + p.RetireSafety) // it goes now, if all goes well
	if r := wantRefused(t, "at the parent", s, s, err, "unretentive"); !r.Earliest.Equal(want) {
		t.Errorf("at the parent: got %s, want %s", r.Earliest, want)
	}
	for name, edit := range map[string]func(*KeySet, *Order){
		"held":       func(s *KeySet, _ *Order) { s.Hold = &Hold{Since: noon} },
		"frozen":     func(_ *KeySet, o *Order) { o.Facts.Freeze = "the clock jumped" },
		"in service": func(s *KeySet, _ *Order) { s.Key("old").Retired = time.Time{} },
	} {
		s, o := s.Clone(), order()
		edit(&s, &o)
		_, err = s.Remove(o, "old")
		if r := wantRefused(t, name, s, s, err, "unretentive"); !r.Earliest.IsZero() {
			t.Errorf("%s: got %s, which nobody can say", name, r.Earliest)
		}
	}
}

// The forecast takes each wait of a roll into account, and no more.
func TestForecast_OfWholeRolls(t *testing.T) {
	p := policy.Default()
	key := time.Duration(p.DNSKEYTTL)*time.Second + p.ZonePropagation
	ds := p.ParentPropagation + p.DSTTL
	const ttl = 2 * time.Hour // of the zone
	move := policy.Period(p.Validity, p.Refresh) + policy.SlotWidth(p.Validity, p.Refresh) + p.ZonePropagation + ttl
	for _, c := range []struct {
		role policy.Role
		want time.Duration
	}{
		{policy.KSK, key + p.PublishSafety + ds + max(p.PublishSafety, p.RetireSafety) + key + p.RetireSafety},
		{policy.ZSK, key + p.PublishSafety + move + max(p.PublishSafety, p.RetireSafety) + key + p.RetireSafety},
	} {
		s := split()
		s.ZoneTTL.Serve(noon.Add(-48*time.Hour), uint32(ttl/time.Second))
		for i := range s.Keys {
			if s.Keys[i].Role == policy.KSK {
				s.Keys[i].DSSeen = noon.Add(-24 * time.Hour)
			}
		}
		o := order()
		if _, err := s.Roll(o, c.role, false); err != nil {
			t.Fatal(err)
		}
		o.Facts.Pool = []Candidate{{ID: "new", Role: c.role, Algorithm: p.Algorithm}}
		s = Step(noon, p, o.Facts, s).KeySet
		old := strings.ToLower(c.role.String())
		if got := s.whenGone(o, old); !got.Equal(noon.Add(c.want)) {
			t.Errorf("%s: gone after %s, want %s", c.role, got.Sub(noon), c.want)
		}
	}
}

func TestRemove_NotWhileSignaturesMove(t *testing.T) {
	s := split(Key{ID: "old", Role: policy.ZSK})
	o := order()
	o.Facts.Complete = time.Time{}
	before := s.Clone()
	_, err := s.Remove(o, "old")
	wantRefused(t, "old", before, s, err, "signatures still move")
}

func TestRemove_OfASignerMovesSignaturesAtOnce(t *testing.T) {
	s := split(inService("zsk2", policy.ZSK))
	o := order()
	o.Override = true
	if _, err := s.Remove(o, "zsk"); err != nil || !s.Urgent || len(s.ZoneSigners()) != 1 || !s.Pending() {
		t.Errorf("%v, %+v", err, s)
	}
}
