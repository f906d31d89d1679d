package rollover

import (
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// A key whose scheduled time has come stays in service until a key is at hand
// that takes its place, unless another does the same and stays.
func TestSchedule_NoKeyGoesWithoutASuccessor(t *testing.T) {
	second, other, goes, leaves := inService("second", policy.ZSK), inService("second", policy.ZSK), inService("second", policy.ZSK), retired(inService("second", policy.ZSK))
	other.Algorithm = policy.ED25519
	goes.Retire = noon.Add(40 * day)
	for name, c := range map[string]struct {
		beside  []Key
		retires bool
	}{
		"alone":                           {nil, false},
		"beside another":                  {[]Key{second}, true},
		"beside one of another role":      {[]Key{inService("second", policy.KSK)}, false},
		"beside one of another algorithm": {[]Key{other}, false},
		"beside one that is to go, too":   {[]Key{goes}, false},
		"beside one that retires":         {[]Key{leaves}, false},
	} {
		s := ours(append([]Key{inService("ksk", policy.KSK), inService("zsk", policy.ZSK)}, c.beside...)...)
		s.Key("zsk").Retire = noon
		f := Facts{Served: noon, Complete: noon}
		plan := Step(noon, odd(), f, s)
		if got := !plan.KeySet.Key("zsk").Retired.IsZero(); got != c.retires {
			t.Errorf("%s: retires without a successor: %t", name, got)
		}
		makes := slices.ContainsFunc(plan.Make, func(k Wanted) bool { return k.Role == policy.ZSK })
		if name == "alone" && !makes {
			t.Errorf("%s: nobody is to make its successor: %+v", name, plan.Make)
		}
	}
}

// What is in the pool by mistake, since the zone has it, is no successor.
func TestRoll_NotByAKeyThatTheZoneHas(t *testing.T) {
	s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), Key{ID: "old", Role: policy.ZSK, Retired: noon.Add(-day), Removed: noon})
	s.Requests = []Request{{Role: policy.ZSK, At: noon}}
	f := Facts{Served: noon, Complete: noon}
	for _, id := range []string{"zsk", "old"} {
		f.Pool = append(f.Pool, Candidate{ID: id, Role: policy.ZSK, Algorithm: policy.ECDSAP256SHA256})
	}
	plan := Step(noon, odd(), f, s)
	if len(plan.Moves) > 0 || len(plan.Make) != 1 {
		t.Errorf("moves %+v, to be made %+v", plan.Moves, plan.Make)
	}
}

// While the policy's roll waits for its keys, what was asked for waits with it:
// the policy replaces these keys all together.
func TestRequests_WaitForThePolicysRoll(t *testing.T) {
	s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK))
	s.Requests = []Request{{Role: policy.ZSK, At: noon}}
	p := odd()
	p.Algorithm = policy.ED25519
	zsk, ksk := Candidate{ID: "zsk2", Role: policy.ZSK, Algorithm: p.Algorithm}, Candidate{ID: "ksk2", Role: policy.KSK, Algorithm: p.Algorithm}
	plan := Step(noon, p, Facts{Served: noon, Complete: noon, Pool: []Candidate{zsk}}, s)
	if len(plan.Moves) > 0 || len(plan.KeySet.Requests) != 1 {
		t.Errorf("a key of the policy's is missing, and %+v", plan.Moves)
	}
	plan = Step(noon, p, Facts{Served: noon, Complete: noon, Pool: []Candidate{zsk, ksk}}, s)
	if got := plan.KeySet.Key("ksk2"); got == nil || !got.InService() || len(plan.KeySet.Requests) != 0 {
		t.Errorf("the policy's roll: %+v, asked for is %+v", plan.Moves, plan.KeySet.Requests)
	}
}

// A standby comes into service at once: it has to be in every cache, and never
// to have been in use.
func TestStandby_OnlyWhatIsKnownAndWasNeverUsed(t *testing.T) {
	key := dnskeyOnly("standby", policy.ZSK)
	key.Active = time.Time{}
	for name, c := range map[string]struct {
		edit func(*Key)
		want bool
	}{
		"as it should be":   {func(*Key) {}, true},
		"not in all caches": {func(k *Key) { k.Records[DNSKEY].State = Rumoured }, false},
		"retired":           {func(k *Key) { k.Retired = noon; k.SetGoals(Hidden) }, false},
		"about to sign":     {func(k *Key) { k.SetGoals(Omnipresent) }, false},
		"used before":       {func(k *Key) { k.Active = noon }, false},
		"revoked":           {func(k *Key) { k.Revoked = noon }, false},
		"signs still":       {func(k *Key) { k.Records[ZRRSIG].State = Unretentive }, false},
		"signs the set":     {func(k *Key) { k.Records[KRRSIG].State = Unretentive }, false},
		"has a DS still":    {func(k *Key) { k.Records[DS].State = Unretentive }, false},
	} {
		k := key
		if c.edit(&k); k.standby() != c.want {
			t.Errorf("%s: standby is %t", name, !c.want)
		}
	}
}

// A key that is published only goes with the last of its algorithm that were in
// service; one that came before the others stays, and so does one whose private
// part is elsewhere.
func TestRetireStandby_WithTheLastOfItsAlgorithm(t *testing.T) {
	standby, elsewhere := dnskeyOnly("standby", policy.ZSK), dnskeyOnly("standby", policy.ZSK)
	standby.Algorithm, elsewhere.Algorithm, elsewhere.Foreign = policy.ED25519, policy.ED25519, true
	leaves, stays := retired(inService("other", policy.ZSK)), inService("other", policy.ZSK)
	leaves.Algorithm, stays.Algorithm = policy.ED25519, policy.ED25519
	for name, c := range map[string]struct {
		keys []Key
		goes bool
	}{
		"with the last":                    {[]Key{standby, leaves}, true},
		"with the last, it is elsewhere":   {[]Key{elsewhere, leaves}, false},
		"beside one that stays":            {[]Key{standby, stays}, false},
		"before all others":                {[]Key{standby}, false},
		"after the others have been gone":  {[]Key{standby, {ID: "gone", Algorithm: policy.ED25519, Role: policy.ZSK, Retired: noon}}, false},
		"with the last of another of them": {[]Key{standby, retired(inService("other", policy.ZSK))}, false},
	} {
		s := ours(append([]Key{inService("ksk", policy.KSK), inService("zsk", policy.ZSK)}, c.keys...)...)
		plan := Step(noon, odd(), Facts{Served: noon, Complete: noon}, s)
		if got := !plan.KeySet.Key("standby").Retired.IsZero(); got != c.goes {
			t.Errorf("%s: goes %t", name, got)
		}
	}
}
