package autosign

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// enlist makes the zones of a test those of the process.
func enlist(t *testing.T, s *signer) {
	t.Helper()
	process.mu.Lock()
	process.instances = append(process.instances, s.inst)
	process.mu.Unlock()
	t.Cleanup(func() {
		process.mu.Lock()
		process.instances = slices.DeleteFunc(process.instances, func(i *instance) bool { return i == s.inst })
		process.mu.Unlock()
	})
}

func TestController_EveryCommandReachesTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		defer s.loop.stop()
		enlist(t, s)
		var c Controller
		if got := c.Zones(); len(got) != 1 || got[0] != (Zone{"example.org.", ""}) {
			t.Errorf("zones %v", got)
		}
		ctx, zone := t.Context(), "Example.ORG" // as people write it
		if err := c.Sign(ctx, zone, ""); err != nil {
			t.Error(err)
		}
		zsk := p.of(policy.ZSK)
		tomorrow := time.Now().Add(day).UTC().Truncate(time.Second)
		for _, step := range []struct {
			name string
			do   func() (rollover.Entry, error)
			is   func(rollover.KeySet) bool
		}{
			{"hold", func() (rollover.Entry, error) { return c.Hold(ctx, zone, "", byTest) },
				func(k rollover.KeySet) bool { return k.Hold != nil && k.Hold.Why == "test" }},
			{"roll", func() (rollover.Entry, error) { return c.Roll(ctx, zone, "", byTest, policy.ZSK, true) },
				func(k rollover.KeySet) bool { return len(k.Requests) == 1 && k.Requests[0].Emergency }},
			{"schedule deletion", func() (rollover.Entry, error) { return c.ScheduleDeletion(ctx, zone, "", byTest, zsk, tomorrow) },
				func(k rollover.KeySet) bool { return k.Key(zsk).Retire.Equal(tomorrow) }},
			{"cancel deletion", func() (rollover.Entry, error) {
				return c.ScheduleDeletion(ctx, zone, "", byTest, zsk, time.Time{})
			}, func(k rollover.KeySet) bool { return k.Key(zsk).Retire.IsZero() }},
			{"DNSKEY only", func() (rollover.Entry, error) { return c.DNSKEYOnly(ctx, zone, "", byTest, zsk, true) },
				func(k rollover.KeySet) bool { return k.Key(zsk).DNSKEYOnly() }},
			{"use key", func() (rollover.Entry, error) { return c.DNSKEYOnly(ctx, zone, "", byTest, zsk, false) },
				func(k rollover.KeySet) bool { return k.Key(zsk).InService() }},
			{"confirm DS seen", func() (rollover.Entry, error) { return c.ConfirmDS(ctx, zone, "", byTest, ksk, false) },
				func(k rollover.KeySet) bool { return !k.Key(ksk).DSSeen.IsZero() }},
			{"resume", func() (rollover.Entry, error) { return c.Resume(ctx, zone, "", byTest) },
				func(k rollover.KeySet) bool { return k.Hold == nil }},
		} {
			e, err := step.do()
			if err != nil || e.Command != step.name && !strings.HasSuffix(e.Command, "roll ZSK") || e.Who != "ops" || e.Why != "test" {
				t.Errorf("%s: %+v, %v", step.name, e, err)
			}
			synctest.Wait()
			if !step.is(p.state().KeySet) {
				t.Errorf("%s: the stored key set is %+v", step.name, p.state().KeySet)
			}
			if st, err := c.Status(ctx, zone, ""); err != nil || (st.Hold != nil) != (step.name != "resume") {
				t.Errorf("%s: status %+v, %v", step.name, st, err)
			}
		}
		wait(t, "rolled", day, func() bool { return p.of(policy.ZSK) != zsk })
		if d, err := c.DS(ctx, zone, ""); err != nil || len(d.Wanted) != 1 || d.Wanted[0].Seen != 1 {
			t.Errorf("DS: %+v, %v", d, err)
		}
	})
}

// P5: deleting a key with a live DS is refused, and says why.
func TestController_P5_RemoveIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		enlist(t, s)
		var c Controller
		_, err := c.Remove(t.Context(), "example.org.", "", byTest, old)
		var refusal *rollover.Refusal
		if !errors.As(err, &refusal) {
			t.Fatalf("got %v", err)
		}
		wantError(t, err, "example.org.: remove key: refused: ", "last KSK")
		if _, err := c.Roll(t.Context(), "example.org.", "", byTest, policy.KSK, false); err != nil {
			t.Fatal(err)
		}
		wait(t, "swapping", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		_, err = c.Remove(t.Context(), "example.org.", "", byTest, old)
		wantError(t, err, "its DS is unretentive")
		r.follow(t, s, "a.")
		wait(t, "rid of the old key", 10*day, func() bool { k := p.state().KeySet; return k.Key(old).Gone() })
		if _, err = c.Remove(t.Context(), "example.org.", "", byTest, old); err != nil {
			t.Fatal(err)
		}
		wait(t, "destroyed", day, func() bool {
			entries, err := p.keys.List(t.Context(), "example.org.")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.ID == old {
					return false
				}
			}
			return p.state().KeySet.Key(old) == nil
		})
		_, err = c.Remove(t.Context(), "example.org.", "", byTest, old)
		if !errors.Is(err, rollover.ErrUnknownKey) {
			t.Errorf("removed twice: %v", err)
		}
		s.mustServe(t)
	})
}

// DS gone by hand: nobody can ask the parent, and an operator knows.
func TestController_DSByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		enlist(t, s)
		var c Controller
		if _, err := c.Roll(t.Context(), "example.org.", "", byTest, policy.KSK, false); err != nil {
			t.Fatal(err)
		}
		wait(t, "swapping", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		fresh := p.of(policy.KSK)
		_, err := c.ConfirmDS(t.Context(), "example.org.", "", byTest, old, true)
		wantError(t, err, "1 of 1 servers of org. have it")
		r.change(func() { r.err = errors.New("no network") })
		time.Sleep(day)
		synctest.Wait()
		for key, gone := range map[string]bool{old: true, fresh: false} {
			if _, err := c.ConfirmDS(t.Context(), "example.org.", "", byTest, key, gone); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "rid of the old key", 10*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
		if !p.in(fresh, rollover.DS, rollover.Omnipresent)() {
			t.Error("the new DS does not count")
		}
		s.mustServe(t)
	})
}

// Without a parent an operator says which trust anchors validators have, or RFC
// 5011's time does.
func TestController_TrustAnchorsByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.NoParent = true
		s := p.attended(t, newUpper())
		defer s.loop.stop()
		s.loop.mu.Lock()
		s.loop.poll = 20 * time.Minute
		s.loop.mu.Unlock()
		enlist(t, s)
		var c Controller
		old := p.of(policy.KSK)
		wait(t, "shown", 3*day, p.in(old, rollover.DS, rollover.Rumoured))
		if st, err := c.Status(t.Context(), "example.org.", ""); err != nil || st.Parent.Kind != "none" || len(st.Do) != 1 ||
			!strings.Contains(st.Do[0], "as a trust anchor") {
			t.Errorf("%+v, %v", st, err)
		}
		if _, err := c.ConfirmDS(t.Context(), "example.org.", "", byTest, old, false); err != nil {
			t.Fatal(err)
		}
		wait(t, "trusted", time.Hour, p.in(old, rollover.DS, rollover.Omnipresent))
		if _, err := c.Roll(t.Context(), "example.org.", "", byTest, policy.KSK, false); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wait(t, "revoked", 90*day, func() bool { k := p.state().KeySet; return !k.Key(old).Revoked.IsZero() })
		if held := time.Since(began); held < 60*day {
			t.Errorf("the old anchor was revoked after %s, before validators had the new one", held)
		}
		wait(t, "rid of the old key", 90*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
		s.mustServe(t)
	})
}

// What an operator insists on counts although a server says otherwise.
func TestController_OverrideAServerThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "dead.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		enlist(t, s)
		var c Controller
		if _, err := c.Roll(t.Context(), "example.org.", "", byTest, policy.KSK, false); err != nil {
			t.Fatal(err)
		}
		wait(t, "swapping", 3*day, p.in(old, rollover.DS, rollover.Unretentive))
		r.follow(t, s, "a.")
		time.Sleep(day)
		synctest.Wait()
		insist := byTest
		insist.Override = true
		for key, gone := range map[string]bool{old: true, p.of(policy.KSK): false} {
			if _, err := c.ConfirmDS(t.Context(), "example.org.", "", byTest, key, gone); err == nil {
				t.Error("not refused")
			}
			e, err := c.ConfirmDS(t.Context(), "example.org.", "", insist, key, gone)
			if err != nil || !strings.Contains(e.Overrides, "1 of 2 servers of org.") {
				t.Errorf("%+v, %v", e, err)
			}
		}
		wait(t, "rid of the old key", 10*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
	})
}

func TestController_UnknownZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.signer()
		s.attend(&instance{signers: map[identity]*signer{{s.zone, s.view}: s}}, newUpper("a."))
		enlist(t, s)
		var c Controller
		for _, z := range []Zone{{"example.net.", ""}, {"example.org.", "inside"}} {
			if _, err := c.Hold(t.Context(), z.Name, z.View, byTest); !errors.Is(err, ErrUnknownZone) || !strings.Contains(err.Error(), z.Name) {
				t.Errorf("%v: %v", z, err)
			}
			if err := c.Sign(t.Context(), z.Name, z.View); !errors.Is(err, ErrUnknownZone) {
				t.Errorf("%v: %v", z, err)
			}
			if _, err := c.Resume(t.Context(), z.Name, z.View, byTest); !errors.Is(err, ErrUnknownZone) {
				t.Errorf("%v: %v", z, err)
			}
			if _, err := c.DS(t.Context(), z.Name, z.View); !errors.Is(err, ErrUnknownZone) {
				t.Errorf("%v: %v", z, err)
			}
		}
		if _, err := c.Status(t.Context(), "example.org.", ""); !errors.Is(err, ErrNotReady) {
			t.Errorf("before the first pass: %v", err)
		}
		if _, err := c.Hold(t.Context(), "example.org.", "", byTest); !errors.Is(err, ErrNotReady) {
			t.Errorf("before the first pass: %v", err)
		}
	})
}

// A document of the past takes no orders: a pass refuses it, and a key that it
// knows nothing of could be the one that signs.
func TestOrder_NotOnAStateOfThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		name := s.docs.name
		past, _, err := p.store.Load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.7", 1))
		if err := s.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.loop.stop()
		_, rev, err := p.store.Load(t.Context(), name)
		if err == nil {
			_, err = p.store.Swap(t.Context(), name, rev, past)
		}
		if err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]command{
			"roll":   rollKSK,
			"hold":   (*rollover.KeySet).HoldAll,
			"remove": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) { return k.Remove(o, ksk) },
		} {
			if _, err := s.order(t.Context(), byTest, do); !errors.Is(err, errOldState) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if now, _, _ := p.store.Load(t.Context(), name); string(now) != string(past) {
			t.Error("an order has changed it")
		}
	})
}

// While nothing moves, a refusal names no moment at which it would be otherwise.
func TestOrder_KnowsWhatFreezesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, old := p.delegated(t, r)
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "rolling", 3*day, func() bool { return p.of(policy.KSK) != old && !p.state().KeySet.Key(old).Retired.IsZero() })
		remove := func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) { return k.Remove(o, old) }
		for _, frozen := range []bool{false, true} {
			if frozen {
				p.jump.Store(int64(2 * time.Hour))
				if err := s.Sign(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.order(t.Context(), byTest, remove)
			var no *rollover.Refusal
			if !errors.As(err, &no) || no.Earliest.IsZero() != frozen {
				t.Errorf("frozen %v: %+v", frozen, err)
			}
		}
		s.loop.stop()
	})
}

// Each command with a store that fails: not done, and done but not told. Both
// times it is done, once.
func TestOrder_StoreFails(t *testing.T) {
	errDisk := errors.New("disk")
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		s.loop.stop()
		for name, do := range map[string]command{
			"roll": rollKSK,
			"hold": (*rollover.KeySet).HoldAll,
			"schedule": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
				return k.ScheduleDeletion(o, p.of(policy.ZSK), o.At)
			},
			"only": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
				return k.DNSKEYOnly(o, p.of(policy.ZSK), true)
			},
			"confirm": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) { return k.ConfirmDS(o, ksk, false) },
			"resume":  (*rollover.KeySet).Resume,
		} {
			var outcomes []rollover.KeySet
			for _, told := range []bool{false, true} {
				before := p.state()
				if name == "resume" {
					before.KeySet.Hold = &rollover.Hold{Since: time.Now().UTC()}
				}
				fails := 1
				fail := func(op memory.Op, _ string) error {
					if op == memory.Swap && fails > 0 {
						fails--
						return errDisk
					}
					return nil
				}
				if told {
					p.memory.SetHooks(memory.Hooks{Before: fail})
				} else {
					p.memory.SetHooks(memory.Hooks{After: fail})
				}
				if _, err := s.order(t.Context(), byTest, do); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				p.memory.SetHooks(memory.Hooks{})
				outcomes = append(outcomes, p.state().KeySet)
				if _, err := s.docs.change(t.Context(), func(d *state.Document) error { *d = *before; return nil }); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(outcomes[0], outcomes[1]) {
				t.Errorf("%s: not told %+v, not done %+v", name, outcomes[0], outcomes[1])
			}
		}
		p.memory.SetHooks(memory.Hooks{Before: func(op memory.Op, _ string) error {
			if op == memory.Swap {
				return errDisk
			}
			return nil
		}})
		if _, err := s.order(t.Context(), byTest, rollKSK); !errors.Is(err, errDisk) {
			t.Errorf("with a dead store: %v", err)
		}
		p.memory.SetHooks(memory.Hooks{})
	})
}

func TestAudit_EveryOutcomeIsAnEvent(t *testing.T) {
	s := &signer{}
	e := rollover.Entry{Who: "alice", Why: "drill", Command: "remove key", Key: "K"}
	overridden, unchanged, nobody := e, e, e
	overridden.Overrides = "its DS is omnipresent"
	unchanged.Unchanged = true
	nobody.Who, nobody.Why = "", ""
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		entry rollover.Entry
		err   error
		kind  event.Kind
		want  string
	}{
		{"done", e, nil, event.Commanded, " command done remove key K by alice: drill"},
		{"nothing to do", unchanged, nil, event.Commanded, " command done remove key K by alice: it was so already: drill"},
		{"by nobody", nobody, nil, event.Commanded, " command done remove key K by an operator"},
		{"refused", e, &rollover.Refusal{Why: "no", Earliest: at}, event.CommandRefused,
			" command refused remove key K by alice: drill: refused: no; not before 2026-03-01T12:00:00Z; next at 2026-03-01T12:00:00Z"},
		{"failed", e, errStore, event.CommandRefused, " command refused remove key K by alice: drill: state"},
		{"overridden", overridden, nil, event.Overridden, " command done against a rule remove key K by alice: drill: its DS is omnipresent"},
	} {
		if got := s.auditEvent(c.entry, c.err); got.Kind != c.kind || got.String() != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// An order that comes before the zone was looked at is refused, and changes nothing.
func TestOrder_BeforeTheFirstPass(t *testing.T) {
	p := newPlace(t)
	p.signer().mustRun(t)
	before := p.state()
	if _, err := p.signer().order(t.Context(), byTest, rollKSK); !errors.Is(err, ErrNotReady) {
		t.Errorf("got %v", err)
	}
	if !reflect.DeepEqual(p.state(), before) {
		t.Error("the state has changed")
	}
}
