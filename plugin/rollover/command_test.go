package rollover

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func order() Order {
	return Order{At: noon, Who: "ops", Why: "test", Policy: policy.Default(), Facts: Facts{Complete: noon.Add(-time.Hour)}}
}

// inService returns a key that does all that its role says, for every cache.
func inService(id string, role policy.Role) Key {
	k := Key{ID: id, Role: role, Algorithm: policy.Default().Algorithm, Created: noon.Add(-48 * time.Hour), Active: noon.Add(-24 * time.Hour)}
	for r := range records {
		if r.of(role) {
			k.Records[r] = Status{State: Omnipresent, Goal: Omnipresent, Since: noon.Add(-12 * time.Hour)}
		}
	}
	return k
}

// in changes a record of a key.
func (k Key) in(r Record, s, goal State) Key {
	k.Records[r] = Status{State: s, Goal: goal, Since: noon.Add(-time.Minute)}
	return k
}

// dnskeyOnly returns a key that is published and no more.
func dnskeyOnly(id string, role policy.Role) Key {
	k := inService(id, role)
	for r := KRRSIG; r < records; r++ {
		k = k.in(r, Hidden, Hidden)
	}
	return k
}

func foreign(k Key) Key { k.Foreign = true; return k }

func split(more ...Key) KeySet {
	return KeySet{Keys: append([]Key{inService("ksk", policy.KSK), inService("zsk", policy.ZSK)}, more...)}
}

// wantRefused checks that a command was refused, saying so, and that nothing changed.
func wantRefused(t *testing.T, name string, before, after KeySet, err error, part string) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !strings.Contains(r.Error(), part) {
		t.Errorf("%s: got error %v, want a refusal with %q", name, err, part)
		return &Refusal{}
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("%s: refused, and changed to %+v", name, after)
	}
	return r
}

// again gives a command a second time: it must say that nothing was to be done.
func again(t *testing.T, name string, s *KeySet, command func(*KeySet) (Entry, error)) {
	t.Helper()
	before := s.Clone()
	e, err := command(s)
	if err != nil || !e.Unchanged || !reflect.DeepEqual(before, *s) {
		t.Errorf("%s given again: entry %+v, error %v", name, e, err)
	}
}
func TestRoll_AsksForIt(t *testing.T) {
	s := split()
	roll := func(s *KeySet) (Entry, error) { return s.Roll(order(), policy.ZSK, false) }
	e, err := roll(&s)
	if err != nil || e.Command != "roll ZSK" || e.Who != "ops" || e.Why != "test" || e.Unchanged {
		t.Fatalf("entry %+v, error %v", e, err)
	}
	if want := []Request{{Role: policy.ZSK, At: noon, Why: "test"}}; !reflect.DeepEqual(s.Requests, want) {
		t.Errorf("requests %+v, want %+v", s.Requests, want)
	}
	again(t, "roll", &s, roll)
	if e, err = s.Roll(order(), policy.ZSK, true); err != nil || e.Unchanged || len(s.Requests) != 1 || !s.Requests[0].Emergency {
		t.Errorf("an emergency does not hasten what was asked for: %+v, %+v, %v", e, s.Requests, err)
	}
	again(t, "emergency", &s, func(s *KeySet) (Entry, error) { return s.Roll(order(), policy.ZSK, true) })
	if _, err = s.Roll(order(), policy.KSK, false); err != nil || len(s.Requests) != 2 {
		t.Errorf("another role does not queue: %+v, %v", s.Requests, err)
	}
}

// Done but not told: the roll has begun, and the same order comes again.
func TestRoll_GivenAgainBeginsNoSecondRoll(t *testing.T) {
	next := inService("next", policy.ZSK)
	next.Predecessors = []string{"zsk"}
	s := split(next)
	s.Key("zsk").Retired = noon
	again(t, "roll", &s, func(s *KeySet) (Entry, error) { return s.Roll(order(), policy.ZSK, false) })
	o := order()
	o.At = noon.Add(time.Second)
	if e, err := s.Roll(o, policy.ZSK, false); err != nil || e.Unchanged {
		t.Errorf("a later order is another roll: %+v, %v", e, err)
	}
}

func TestRoll_IsRefused(t *testing.T) {
	insecure := order()
	insecure.Policy.Insecure = true
	for _, c := range []struct {
		name  string
		order Order
		set   KeySet
		role  policy.Role
		want  string
	}{
		{"a role that the scheme has not", order(), split(), policy.CSK, "no CSK"},
		{"a zone without keys", order(), KeySet{}, policy.KSK, "still to be made"},
		{"a zone whose keys are gone", order(), KeySet{Keys: []Key{{ID: "old", Role: policy.KSK}}}, policy.KSK, "still to be made"},
		{"a KSK elsewhere", order(), KeySet{Keys: []Key{foreign(inService("k", policy.KSK))}}, policy.KSK, "elsewhere"},
		{"a ZSK under a KSK elsewhere", order(), KeySet{Keys: []Key{inService("z", policy.ZSK)}}, policy.ZSK, "elsewhere"},
		{"a foreign ZSK", order(), KeySet{Keys: []Key{inService("k", policy.KSK), foreign(inService("z", policy.ZSK))}}, policy.ZSK, "elsewhere"},
		{"going insecure", insecure, split(), policy.ZSK, "out of DNSSEC"},
	} {
		after := c.set.Clone()
		_, err := after.Roll(c.order, c.role, false)
		if r := wantRefused(t, c.name, c.set, after, err, c.want); r.Override {
			t.Errorf("%s: can be overridden", c.name)
		}
	}
}

func TestHold_FromHoldToResume(t *testing.T) {
	s := split()
	hold := func(s *KeySet) (Entry, error) { return s.HoldAll(order()) }
	if e, err := hold(&s); err != nil || e.Unchanged || *s.Hold != (Hold{Since: noon, Why: "test"}) {
		t.Errorf("%+v, %v, %+v", e, err, s.Hold)
	}
	again(t, "hold", &s, hold)
	resume := func(s *KeySet) (Entry, error) { return s.Resume(order()) }
	if e, err := resume(&s); err != nil || e.Unchanged || s.Hold != nil {
		t.Errorf("%+v, %v, %+v", e, err, s.Hold)
	}
	again(t, "resume", &s, resume)
}

func TestConfirmDS(t *testing.T) {
	look := func(having ...string) Observation {
		return Observation{At: noon, Zone: "org.", Servers: []Server{{Name: "a", Keys: having}, {Name: "b", Keys: having}, {Name: "c", Err: "no answer"}}}
	}
	partly := look("ksk")
	partly.Servers[1].Keys = nil
	asked := inService("ksk", policy.KSK).in(DS, Rumoured, Omnipresent)
	leaving := inService("ksk", policy.KSK).in(DS, Unretentive, Hidden)
	early := inService("ksk", policy.KSK).in(DS, Hidden, Omnipresent)
	seen := inService("ksk", policy.KSK)
	seen.DSSeen = noon.Add(-time.Hour)
	for _, c := range []struct {
		name     string
		key      Key
		gone     bool
		seen     Observation
		want     string
		override bool
	}{
		{"seen, nobody asked", asked, false, Observation{}, "", false},
		{"seen by all that answer", asked, false, look("ksk"), "", false},
		{"seen by some", asked, false, partly, "1 of 3 servers of org. do not have it", true},
		{"seen by none", asked, false, look(), "2 of 3 servers", true},
		{"seen too early", early, false, Observation{}, "not to have this DS yet", false},
		{"seen of a key that is to have none", dnskeyOnly("ksk", policy.KSK), false, Observation{}, "not to have this DS", false},
		{"gone, nobody asked", leaving, true, Observation{}, "", false},
		{"gone from all that answer", leaving, true, look(), "", false},
		{"gone from some", leaving, true, partly, "1 of 3 servers of org. have it", true},
		{"gone although wanted", asked, true, look(), "nobody asked for it to be withdrawn", false},
		{"gone although wanted and seen", seen, true, look(), "nobody asked for it to be withdrawn", false},
	} {
		for _, override := range []bool{false, true} {
			s := KeySet{Keys: []Key{c.key}}
			before := s.Clone()
			o := order()
			o.Override, o.Facts.Parent = override, c.seen
			command := func(s *KeySet) (Entry, error) { return s.ConfirmDS(o, "ksk", c.gone) }
			e, err := command(&s)
			if c.want != "" && !(override && c.override) {
				if r := wantRefused(t, c.name, before, s, err, c.want); r.Override != c.override {
					t.Errorf("%s: to be overridden: %t", c.name, r.Override)
				}
				continue
			}
			k := s.Key("ksk")
			at, not := k.DSSeen, k.DSGone
			if c.gone {
				at, not = not, at
			}
			if err != nil || !at.Equal(noon) || !not.IsZero() || !k.ByHand || k.Insisted != override && c.want != "" || !strings.Contains(e.Overrides, c.want) {
				t.Errorf("%s, override %t: %v, %+v, %+v", c.name, override, err, e, k)
			}
			if k.state(DS).Shown() != c.gone {
				again(t, c.name, &s, command)
			}
		}
	}
}

func TestConfirmDS_TooEarlySaysWhen(t *testing.T) {
	k := inService("ksk", policy.KSK).in(DS, Hidden, Omnipresent).in(DNSKEY, Rumoured, Omnipresent)
	s := KeySet{Keys: []Key{k}}
	_, err := s.ConfirmDS(order(), "ksk", false)
	p := policy.Default()
	want := noon.Add(-time.Minute + time.Duration(p.DNSKEYTTL)*time.Second + p.ZonePropagation + p.PublishSafety)
	if r := wantRefused(t, "early", s, s, err, "not before"); !r.Earliest.Equal(want) {
		t.Errorf("got %s, want %s", r.Earliest, want)
	}
}

func TestConfirmDS_OnlyOfKeysWithDS(t *testing.T) {
	s := split()
	_, err := s.ConfirmDS(order(), "zsk", false)
	wantRefused(t, "ZSK", s, s, err, "has no DS")
}

func TestCommands_UnknownKey(t *testing.T) {
	s := split()
	for name, command := range map[string]func() (Entry, error){
		"schedule": func() (Entry, error) { return s.ScheduleDeletion(order(), "none", noon) },
		"only":     func() (Entry, error) { return s.DNSKEYOnly(order(), "none", true) },
		"confirm":  func() (Entry, error) { return s.ConfirmDS(order(), "none", false) },
		"remove":   func() (Entry, error) { return s.Remove(order(), "none") },
	} {
		if _, err := command(); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), "none") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
