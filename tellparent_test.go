package autosign

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// The parent is told once all servers of the zone have the new CDS, and looked at
// in short intervals from then on.
func TestHerald_TellsOfEveryNewCDS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		r.target = nil
		s := p.attended(t, r)
		defer s.loop.stop()
		ksk := p.of(policy.KSK)
		wait(t, "asking for a DS", 3*day, p.in(ksk, rollover.DS, rollover.Rumoured))
		shown := p.state().KeySet.Key(ksk).Status(rollover.DS).Since
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.told()) != 1 || r.told()[0].Before(shown.Add(p.policy.ZonePropagation)) {
			t.Fatalf("the CDS is shown since %s, the parent was told at %s", shown, r.told())
		}
		if n := r.looksSince(r.told()[0]); n < 4 {
			t.Errorf("%d looks in the hour after that", n)
		}
		r.follow(t, s, "a.")
		wait(t, "delegated", 4*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "told again", 3*day, func() bool { return len(r.told()) == 2 })
		s.loop.stop()
		s = p.attended(t, r) // the parent has not acted yet: it is told once more
		defer s.loop.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(r.told()) != 3 {
			t.Errorf("told %d times, want once more after the restart", len(r.told()))
		}
		r.follow(t, s, "a.")
		time.Sleep(10 * day)
		s.loop.stop()
		s = p.attended(t, r)
		defer s.loop.stop()
		time.Sleep(10 * day)
		synctest.Wait()
		if len(r.told()) != 3 {
			t.Errorf("told %d times, also of what the parent has", len(r.told()))
		}
	})
}

func TestHerald_TriesAgainAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		r.target = errors.New("refused")
		s := p.attended(t, r)
		defer s.loop.stop()
		ksk := p.of(policy.KSK)
		wait(t, "asking for a DS", 3*day, p.in(ksk, rollover.DS, rollover.Rumoured))
		time.Sleep(10 * day)
		synctest.Wait()
		if n := len(r.told()); n < 10*20 || n > 10*30 {
			t.Errorf("told %d times in 10 days, want about one an hour", n)
		}
		r.follow(t, s, "a.") // it has found out by itself
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		n := len(r.told())
		time.Sleep(5 * day)
		synctest.Wait()
		if len(r.told()) != n {
			t.Error("it is still told of what it has")
		}
	})
}

func TestHerald_TellsNobody(t *testing.T) {
	set := rollover.KeySet{Keys: []rollover.Key{{ID: "K", Role: policy.KSK}}}
	*set.Keys[0].Status(rollover.DS) = rollover.Status{State: rollover.Rumoured, Goal: rollover.Omnipresent}
	for _, c := range []struct {
		name  string
		edit  func(*policy.Policy, *rollover.KeySet)
		since time.Time
		plans int
	}{
		{"a parent that may want it", func(*policy.Policy, *rollover.KeySet) {}, time.Now(), 1},
		{"no parent", func(p *policy.Policy, _ *rollover.KeySet) { p.NoParent = true }, time.Now(), 0},
		{"a parent in this process", func(p *policy.Policy, _ *rollover.KeySet) { p.ParentLocal = true }, time.Now(), 0},
		{"without CDS", func(p *policy.Policy, _ *rollover.KeySet) { p.CDS = false }, time.Now(), 0},
		{"not served yet", func(*policy.Policy, *rollover.KeySet) {}, time.Time{}, 0},
		{"a move not served yet", func(_ *policy.Policy, s *rollover.KeySet) { s.Keys[0].Status(rollover.DS).Pending = true }, time.Now(), 0},
		{"no DS any more", func(_ *policy.Policy, s *rollover.KeySet) { s.Keys[0].Status(rollover.DS).State = rollover.Unretentive }, time.Now(), 1},
		{"gone already", func(_ *policy.Policy, s *rollover.KeySet) {
			s.Keys[0].Status(rollover.DS).State, s.Keys[0].DSGone = rollover.Unretentive, time.Now()
		}, time.Now(), 0},
		{"seen already", func(_ *policy.Policy, s *rollover.KeySet) { s.Keys[0].DSSeen = time.Now() }, time.Now(), 0},
	} {
		plans := 0
		h := &herald{policy: policy.Default(), ask: newUpper(), plan: func(time.Time) { plans++ }}
		set := set.Clone()
		c.edit(&h.policy, &set)
		for range 3 {
			h.serve(&set, c.since)
		}
		if plans != c.plans {
			t.Errorf("%s: %d messages planned, want %d", c.name, plans, c.plans)
		}
	}
}

// Where nobody wants to be told that is the end of it.
func TestHerald_NoTarget(t *testing.T) {
	r := newUpper()
	told := 0
	h := &herald{policy: policy.Default(), ask: r, now: time.Now, next: "K", tell: func(event.Event) { told++ }, told: func() { told++ }}
	for _, err := range []error{parent.ErrNoTarget, parent.ErrNoParent} {
		r.target, h.last = err, ""
		for range 2 {
			if again := h.send(t.Context()); !again.IsZero() {
				t.Errorf("%v: again at %s", err, again)
			}
		}
	}
	if len(r.told()) != 2 || told != 0 {
		t.Errorf("asked %d times, %d told", len(r.told()), told)
	}
}

// What fails is told, with when it is tried again; what was taken is told once.
func TestHerald_SaysHowItWent(t *testing.T) {
	r := newUpper()
	var events []event.Event
	soon := 0
	h := &herald{policy: policy.Default(), ask: r, now: time.Now, next: "K", tell: func(e event.Event) { events = append(events, e) }, told: func() { soon++ }}
	r.target = errors.New("refused")
	again := h.send(t.Context())
	if len(events) != 1 || events[0].Kind != event.NotifyFailed || events[0].Err == nil || again.IsZero() || !events[0].Next.Equal(again) || soon != 0 {
		t.Errorf("refused: %+v, again at %s", events, again)
	}
	r.target, events = nil, nil
	for range 2 {
		again = h.send(t.Context())
	}
	if len(events) != 1 || events[0].Kind != event.ParentNotified || events[0].To == "" || !again.IsZero() || soon != 1 {
		t.Errorf("taken: %+v, again at %s", events, again)
	}
}

// busyUpper is a parent at whose door things happen.
type busyUpper struct {
	*upper
	during func()
}

// Notify implements outside.
func (u busyUpper) Notify(ctx context.Context, zone string) ([]string, error) {
	u.during()
	return u.upper.Notify(ctx, zone)
}

// A pass may decide on news while a message is on its way.
func TestHerald_NewsDuringAMessage(t *testing.T) {
	asksFor := func(id string, seen bool) *rollover.KeySet {
		k := rollover.Key{ID: id, Role: policy.KSK}
		*k.Status(rollover.DS) = rollover.Status{State: rollover.Rumoured, Goal: rollover.Omnipresent}
		if seen {
			k.DSSeen = time.Now()
		}
		return &rollover.KeySet{Keys: []rollover.Key{k}}
	}
	newHerald := func(u outside) *herald {
		return &herald{policy: policy.Default(), ask: u, now: time.Now, plan: func(time.Time) {}, tell: func(event.Event) {}, told: func() {}}
	}
	for _, c := range []struct {
		name string
		then *rollover.KeySet
		news bool
	}{
		{"nothing", asksFor("K1", false), false},
		{"another key", asksFor("K2", false), true},
		{"the parent follows", asksFor("K1", true), false},
		{"the parent follows, and has another", asksFor("K2", true), false},
	} {
		r := newUpper()
		r.target = nil
		var h *herald
		h = newHerald(busyUpper{r, func() { h.serve(c.then, time.Now()) }})
		h.serve(asksFor("K1", false), time.Now())
		h.send(t.Context())
		if next, last := h.news(); len(r.told()) != 1 || (next != last) != c.news {
			t.Errorf("%s: told %d times, to be told of %s after %s", c.name, len(r.told()), next, last)
		}
	}
	r := newUpper()
	r.target = nil
	h := newHerald(busyUpper{r, runtime.Gosched})
	h.serve(asksFor("first", false), time.Now())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 1000 {
			h.serve(asksFor(fmt.Sprint("K", i), i%2 > 0), time.Now())
			runtime.Gosched()
		}
	})
	for range 1000 {
		h.send(t.Context())
		runtime.Gosched()
	}
	wg.Wait()
	if next, last := h.news(); next != last || len(r.told()) == 0 {
		t.Errorf("told %d times, still to be told of what the parent has", len(r.told()))
	}
}
