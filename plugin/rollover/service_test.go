package rollover

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// quietMonth is a month in the life of a zone whose keys roll when asked.
var quietMonth = sync.OnceValue(func() *world {
	w := newWorld()
	w.lookGap = 6 * time.Hour
	w.p.ZSKLifetime = 0
	w.run(30 * day)
	w.log = nil
	return w
})

// quiet returns a world whose zone has been signed for a month, and whose keys
// roll when asked.
func quiet() *world {
	w := *quietMonth()
	w.set, w.pool, w.servers = w.set.Clone(), slices.Clone(w.pool), slices.Clone(w.servers)
	for i, s := range w.servers {
		c := *s
		w.servers[i] = &c
	}
	return &w
}

// must gives an operator's command.
func must(t *testing.T, w *world, command func(*KeySet, Order) (Entry, error)) {
	t.Helper()
	if _, err := command(&w.set, w.order()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) order() Order {
	return Order{At: w.now, Who: "ops", Policy: w.p, Facts: w.facts(), Override: true}
}

// key returns a key of the world, which must be there.
func (w *world) key(t *testing.T, id string) *Key {
	t.Helper()
	k := w.set.Key(id)
	if k == nil {
		t.Fatalf("no key %s:\n%s", id, strings.Join(w.log, "\n"))
	}
	return k
}

// serving returns the keys that are in service.
func (w *world) serving() (ids []string) {
	for i := range w.set.Keys {
		if w.set.Keys[i].InService() {
			ids = append(ids, w.set.Keys[i].ID)
		}
	}
	return ids
}

func (w *world) wantServing(t *testing.T, ids ...string) {
	t.Helper()
	if got := w.serving(); !slices.Equal(got, ids) {
		t.Errorf("in service are %v, want %v:\n%s", got, ids, strings.Join(w.log, "\n"))
	}
	for i := range w.set.Keys {
		for r, s := range w.set.Keys[i].Records {
			if !s.Settled() {
				t.Errorf("%s %s is %s, and to be %s", w.set.Keys[i].ID, Record(r), s.State, s.Goal)
			}
		}
	}
}

// RFC 5011 section 2.1: a key that was revoked is never trusted again.
func TestStep_RevokedKeysNeverComeBack(t *testing.T) {
	standby := dnskeyOnly("old", policy.KSK)
	standby.Revoked = noon.Add(-99 * day)
	s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), standby)
	s.Requests = []Request{{Role: policy.KSK, At: noon}}
	p := odd()
	p.NoParent = true
	plan := Step(noon, p, Facts{Served: noon, Complete: noon}, s)
	if k := plan.KeySet.Key("old"); k.InService() || len(plan.Make) != 1 {
		t.Errorf("the revoked key is to be %+v, to be made are %+v", k, plan.Make)
	}
	_, err := s.DNSKEYOnly(order(), "old", false)
	wantRefused(t, "revoked", s, s, err, "never trust it again")
}

// Only a key that goes for good is revoked.
func TestStep_KeysThatStayAreNotRevoked(t *testing.T) {
	for _, goes := range []bool{false, true} {
		second := inService("second", policy.KSK)
		if goes {
			second = retired(second)
		}
		s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), second)
		if !goes {
			if _, err := s.DNSKEYOnly(order(), "second", true); err != nil {
				t.Fatal(err)
			}
		}
		p := odd()
		p.NoParent = true
		plan := Step(noon, p, Facts{Served: noon, Complete: noon}, s)
		k := plan.KeySet.Key("second")
		if k.state(DS) != Unretentive || k.Revoked.IsZero() == goes {
			t.Errorf("goes %t: DS %s, revoked %s", goes, k.state(DS), k.Revoked)
		}
	}
}

// A word of an operator that came too early, as an older state may have it, does
// not keep the parent from being believed later.
func TestStep_WordThatCameTooEarly(t *testing.T) {
	w := quiet()
	w.command([]string{"roll", "KSK"})
	w.run(time.Hour)
	k := w.key(t, "KSK-3")
	k.DSSeen, k.ByHand, k.Insisted = w.now, true, true
	w.run(10 * day)
	w.wantServing(t, "ZSK-2", "KSK-3")
}

// A DS that somebody put at the parent before it was asked for: the key's life
// begins with it.
func TestStep_LifeBeginsWithADSThatWasThereBefore(t *testing.T) {
	w := newWorld()
	w.p.KSKLifetime, w.p.ZSKLifetime = 50*day, 0
	w.run(time.Hour) // published, not in every cache
	for _, s := range w.servers {
		s.keys = []string{"KSK-1"}
	}
	w.run(60 * day)
	w.wantServing(t, "ZSK-2", "KSK-3")
}

// P5: a key whose DS is at the parent is not destroyed, wanted or not.
func TestStep_P5_NoKeyWithALiveDSIsForgotten(t *testing.T) {
	w := quiet()
	w.p.PurgeKeys = 20 * day
	w.command([]string{"roll", "KSK"})
	w.run(10 * day)
	w.ignores = true
	for _, s := range w.servers {
		s.keys = []string{"KSK-1", "KSK-3"}
	}
	w.run(100 * day)
	k := w.key(t, "KSK-1")
	if k.state(DS) != Unretentive || !slices.ContainsFunc(w.explain(), func(s string) bool {
		return strings.Contains(s, "take away the DS of key 1")
	}) {
		t.Errorf("DS %s; %s", k.state(DS), w.explain())
	}
	for _, s := range w.servers {
		s.keys = []string{"KSK-3"}
	}
	w.run(10 * day)
	if k := w.key(t, "KSK-1"); !k.Gone() {
		t.Errorf("%+v", k)
	}
	w.run(13 * day)
	if w.set.Key("KSK-1") != nil {
		t.Errorf("purge_keys is over since the DS was gone, and the key is there")
	}
}

// An emergency does not wait behind a policy that waits, and who asked for keys
// to be replaced has that when the policy has done it.
func TestStep_EmergencyGoesBeforeThePolicysTurn(t *testing.T) {
	w := quiet()
	w.command([]string{"roll", "ZSK"})
	w.run(3 * time.Hour) // signatures move for nine days
	w.p.Algorithm = policy.ED25519
	w.run(time.Hour)
	w.command([]string{"roll", "ZSK", "emergency"})
	w.run(time.Hour)
	if !slices.Equal(w.serving(), []string{"KSK-4", "ZSK-5"}) || len(w.set.Requests) != 0 {
		t.Fatalf("an hour after an emergency %v serve, %v is asked for:\n%s", w.serving(), w.set.Requests, strings.Join(w.log, "\n"))
	}
	w.run(30 * day)
	w.wantServing(t, "KSK-4", "ZSK-5")
}

// Nor does one of a key that the policy leaves alone.
func TestStep_EmergencyOfAnotherRole(t *testing.T) {
	w := quiet()
	w.p.Algorithm, w.p.KSKBits, w.p.ZSKBits = policy.RSASHA256, 2048, 2048
	w.run(40 * day)
	w.command([]string{"roll", "ZSK"})
	w.run(3 * time.Hour) // signatures move for nine days
	w.p.ZSKBits = 3072
	w.run(time.Hour)
	before := w.serving()
	w.command([]string{"roll", "KSK", "emergency"})
	w.run(time.Hour)
	if after := w.serving(); slices.Equal(before, after) || len(w.set.Requests) > 0 {
		t.Errorf("an hour after an emergency %v serve, %v is asked for", after, w.set.Requests)
	}
	w.run(40 * day)
	w.wantEnd(t, "both")
}

// A key that is no longer to be used waits for its successor. So does the policy's
// roll not wait for it.
func TestStep_NothingWaitsForAKeyThatWaitsForIt(t *testing.T) {
	w := quiet()
	w.p.Algorithm = policy.ED25519
	w.run(day)
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.DNSKEYOnly(o, "KSK-3", true) })
	w.p.Algorithm = policy.ECDSAP256SHA256
	w.run(60 * day)
	w.wantEnd(t, "algorithm taken back, without its KSK")
	for _, retire := range []bool{false, true} {
		w := quiet()
		must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.DNSKEYOnly(o, "ZSK-2", true) })
		if retire {
			must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ScheduleDeletion(o, "ZSK-2", o.At) })
		}
		w.p.Algorithm = policy.ED25519
		w.run(40 * day)
		w.wantEnd(t, "algorithm")
	}
}

// While the zone leaves no trust anchor is revoked: its successor may be trusted
// by nobody yet.
func TestStep_LeavingRevokesNothing(t *testing.T) {
	w := newWorld()
	w.p.NoParent, w.p.ZSKLifetime, w.lookGap = true, 0, day
	w.run(100 * day)
	w.command([]string{"roll", "KSK"})
	w.run(10 * day) // announced, trusted by nobody
	w.p.Insecure = true
	w.run(10 * day)
	for _, k := range w.set.Keys {
		if !k.Revoked.IsZero() {
			t.Errorf("%s is revoked", k.ID)
		}
	}
}

// A roll of a role that the policy no longer has is not asked for any more.
func TestStep_RequestsForRolesThatAreNoMore(t *testing.T) {
	s := ours(inService("csk", policy.CSK))
	s.Requests = []Request{{Role: policy.ZSK, At: noon}}
	p := odd()
	p.Scheme = policy.SchemeCSK
	plan := Step(noon, p, Facts{Served: noon, Complete: noon}, s)
	if len(plan.KeySet.Requests) != 0 || len(plan.Make) != 0 {
		t.Errorf("%v is asked for, %v to be done", plan.KeySet.Requests, plan.Make)
	}
}

// A zone came with keys of two algorithms. Those that the policy does not have
// stay, until an operator schedules their deletion.
func TestStep_KeysOfAnEarlierPolicyGoWhenScheduled(t *testing.T) {
	w := quiet()
	for _, k := range []Key{inService("rsa-ksk", policy.KSK), inService("rsa-zsk", policy.ZSK)} {
		k.Algorithm, k.Bits = policy.RSASHA256, 2048
		w.set.Keys = append(w.set.Keys, k)
	}
	for _, s := range w.servers {
		s.keys = append(s.keys, "rsa-ksk")
	}
	w.run(10 * day)
	w.wantServing(t, "KSK-1", "ZSK-2", "rsa-ksk", "rsa-zsk")
	for _, id := range []string{"rsa-ksk", "rsa-zsk"} {
		must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ScheduleDeletion(o, id, o.At.Add(day)) })
	}
	w.run(30 * day)
	w.wantServing(t, "KSK-1", "ZSK-2")
}

// A standby key does not keep its algorithm in the zone.
func TestStep_StandbyGoesWithItsAlgorithm(t *testing.T) {
	w := quiet()
	standby := dnskeyOnly("standby", policy.ZSK)
	standby.Algorithm = w.p.Algorithm
	w.set.Keys = append(w.set.Keys, standby)
	w.run(day)
	w.p.Algorithm = policy.ED25519
	w.run(day)
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.DNSKEYOnly(o, "ZSK-4", true) }) // and then another
	w.run(50 * day)
	w.p.Algorithm = policy.RSASHA256
	w.run(50 * day)
	w.wantServing(t, "KSK-6", "ZSK-7")
	if n := len(w.set.Published()); n != 2 {
		t.Errorf("%d keys are published", n)
	}
}

// A zone that its parent has never had a DS of rolls all the same.
func TestStep_ZoneWithoutADelegationRolls(t *testing.T) {
	w := newWorld()
	w.ignores, w.lookGap = true, 6*time.Hour
	w.p.KSKLifetime, w.p.ZSKLifetime = 100*day, 0
	w.run(150 * day)
	if ids := w.serving(); !slices.Equal(ids, []string{"ZSK-2", "KSK-3"}) || !w.key(t, "KSK-1").Gone() {
		t.Errorf("%v serve:\n%s", ids, strings.Join(w.log, "\n"))
	}
	w.p.Algorithm, w.p.KSKLifetime = policy.ED25519, 0
	w.run(30 * day)
	if ids := w.serving(); !slices.Equal(ids, []string{"KSK-4", "ZSK-5"}) || len(w.set.Published()) != 2 {
		t.Errorf("%v serve:\n%s", ids, strings.Join(w.log, "\n"))
	}
	w.ignores = false
	w.run(5 * day)
	w.wantServing(t, "KSK-4", "ZSK-5")
}

// Two keys of a role in service both sign; either may go.
func TestStep_MoreKeysThanThePolicyWants(t *testing.T) {
	w := quiet()
	only := func(on bool) {
		t.Helper()
		must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.DNSKEYOnly(o, "ZSK-2", on) })
	}
	only(true)
	w.run(time.Hour)
	only(false) // its successor is on its way
	w.run(30 * day)
	w.wantServing(t, "KSK-1", "ZSK-2", "ZSK-3")
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ScheduleDeletion(o, "ZSK-3", o.At) })
	w.run(30 * day)
	w.wantServing(t, "KSK-1", "ZSK-2")
}

// While an operator holds everything no key retires; a schedule can be taken
// back as long.
func TestStep_HoldKeepsKeysThatAreDue(t *testing.T) {
	w := quiet()
	second := dnskeyOnly("second", policy.KSK)
	second.Algorithm = w.p.Algorithm
	w.set.Keys = append(w.set.Keys, second)
	w.set.Hold = &Hold{Since: w.now}
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ScheduleDeletion(o, "second", o.At) })
	w.run(day)
	must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.ScheduleDeletion(o, "second", time.Time{}) })
	w.set.Hold = nil
	w.run(day)
	if k := w.key(t, "second"); !k.Retired.IsZero() || !k.DNSKEYOnly() {
		t.Errorf("%+v", k)
	}
}
