package autosign

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

const day = 24 * time.Hour

// start runs a signer's loop until the test ends.
func (p *place) start(t *testing.T) *signer {
	t.Helper()
	s := p.signer()
	s.loop.start()
	t.Cleanup(func() { s.loop.stop() })
	synctest.Wait()
	return s
}

func TestLoop_SignaturesAreMadeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.start(t)
		defer s.loop.stop()
		last := s.mustServe(t).Serial
		for hour := range 40 * 24 {
			time.Sleep(time.Hour)
			synctest.Wait()
			signed := s.mustServe(t)
			if left := time.Until(time.Unix(signed.Expiry, 0)); left < p.policy.Refresh-2*time.Minute {
				t.Fatalf("hour %d: %s are left of a signature, less than %s", hour, left, p.policy.Refresh)
			}
			last = signed.Serial
		}
		if last < 30 {
			t.Errorf("serial %d after 40 days: signatures do not spread", last)
		}
	})
}

func TestSchedule_IsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.start(t)
		defer s.loop.stop()
		list := (&Autosign{signers: []*signer{s}}).Schedule()
		when := map[string]time.Time{}
		for _, i := range list {
			when[i.What] = i.When
		}
		if when[workSign].Unix() != s.mustServe(t).Due || !when[workKeys].Equal(s.life.Load().plan.Wake) {
			t.Errorf("on the agenda: %+v", list)
		}
	})
}

func TestLoop_SourceIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.start(t)
		defer s.loop.stop()
		s.loop.poll = poll
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
		time.Sleep(time.Minute + poll)
		synctest.Wait()
		if !strings.Contains(text(s.mustServe(t)), "c0000216") {
			t.Error("an edit is not served")
		}
	})
}

// P11: time jumps and stops.
func TestP11_ClockJumps(t *testing.T) {
	for _, tt := range []struct {
		name string
		jump time.Duration
	}{
		{"ahead by weeks", 21 * day}, {"back by an hour", -50 * time.Minute}, {"back by weeks", -21 * day}, {"ahead by a minute", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				s := p.start(t)
				defer s.loop.stop()
				time.Sleep(3 * day)
				synctest.Wait()
				before := s.mustServe(t)
				p.jump.Store(int64(tt.jump))
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				after := s.mustServe(t) // valid by the clock as it is now
				if after.Serial < before.Serial {
					t.Errorf("serial %d after %d", after.Serial, before.Serial)
				}
				p.jump.Store(int64(0))
				time.Sleep(day)
				synctest.Wait()
				if again := s.mustServe(t); again.Serial < after.Serial {
					t.Errorf("serial %d after %d", again.Serial, after.Serial)
				}
			})
		})
	}
}

// A clock that is set ahead for a while makes no signatures that begin later
// than now, as long as those that there are will do.
func TestP11_ClockAheadForAWhile_SignaturesStayValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.start(t)
		defer s.loop.stop()
		time.Sleep(3 * day)
		synctest.Wait()
		p.jump.Store(int64(2 * day))
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
		time.Sleep(steady / 2)
		synctest.Wait()
		if !strings.Contains(text(s.mustServe(t)), "c0000216") {
			t.Error("an edit waits for the clock")
		}
		p.jump.Store(0)
		s.mustServe(t) // valid by the true time
		p.jump.Store(int64(2 * day))
		time.Sleep(2 * steady)
		synctest.Wait()
		if left := time.Unix(s.mustServe(t).Expiry, 0).Sub(s.clock.now()); left < p.policy.Refresh-2*time.Minute {
			t.Errorf("the clock has run evenly since, and %s are left of a signature", left)
		}
	})
}

func TestP11_LongStop_SignsBeforeItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		first := p.signer().mustRun(t)
		time.Sleep(90 * day)
		s := p.signer()
		if s.served.Load() != nil {
			t.Fatal("served before signing")
		}
		if second := s.mustRun(t); second.Serial != first.Serial+1 {
			t.Errorf("serial %d after %d", second.Serial, first.Serial)
		}
	})
}

func TestLoop_RetriesWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.memory.SetHooks(memory.Hooks{Before: func(memory.Op, string) error { return errors.New("disk full") }})
		s := p.start(t)
		defer s.loop.stop()
		if s.served.Load() != nil {
			t.Fatal("served without a state")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.retries.tried > 20 {
			t.Errorf("tried %d times in an hour", s.retries.tried)
		}
		p.memory.SetHooks(memory.Hooks{})
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		s.mustServe(t)
	})
}

func TestSign_IsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.Automatic = false
		s := p.start(t)
		defer s.loop.stop()
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
		time.Sleep(time.Hour)
		synctest.Wait()
		if strings.Contains(text(s.mustServe(t)), "c0000216") {
			t.Fatal("an edit was signed without being asked for")
		}
		if err := s.Sign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text(s.mustServe(t)), "c0000216") {
			t.Error("an edit was not signed when that was asked for")
		}
		p.source.fail(errors.New("no such file"))
		wantError(t, s.Sign(t.Context()), "no such file")
		time.Sleep(30 * day)
		synctest.Wait()
		s.mustServe(t) // pinned records are kept fresh
	})
}

// A ZSK roll by BIND's timing lines: every event on time, every version valid,
// no key gone while caches can hold its signatures.
func TestKeyTiming_ZSKRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		start := time.Now()
		ksk, old, next := p.makeKey(policy.KSK), p.makeKey(policy.ZSK), p.makeKey(policy.ZSK)
		p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
			e.HasTiming = true
			e.Timing = keystore.Timing{Created: start.Add(-day), Publish: start.Add(-day), Activate: start.Add(-day)}
			switch e.ID {
			case old.ID:
				e.Timing.Inactive, e.Timing.Delete = start.Add(10*day), start.Add(30*day)
			case next.ID:
				e.Timing.Publish, e.Timing.Activate = start.Add(5*day), start.Add(10*day)
			}
		}}
		s := p.start(t)
		defer s.loop.stop()
		var story []string
		for hour := range 45 * 24 {
			signed := s.mustServe(t)
			var keys []string
			for _, k := range signed.Keys {
				keys = append(keys, map[uint16]string{ksk.Key.Tag: "ksk", old.Key.Tag: "old", next.Key.Tag: "next"}[k.Tag])
			}
			by := map[int]bool{}
			for _, b := range signed.Blocks {
				for i := range b.Total() {
					by[b.At(i).Key] = true
				}
			}
			var signing []string
			for n, k := range keys {
				if by[n] {
					signing = append(signing, k)
				}
			}
			slices.Sort(keys)
			slices.Sort(signing)
			line := strings.Join(keys, "+") + " signing: " + strings.Join(signing, " ")
			if len(story) == 0 || !strings.HasSuffix(story[len(story)-1], line) {
				story = append(story, fmt.Sprintf("day %d: %s", hour/24, line))
			}
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		want := []string{"day 0: ksk+old signing: ksk old", "day 9: ksk+next+old signing: ksk old",
			"day 1", "day 1", "day 19: ksk+next signing: ksk next"} // the signatures move in days 10 to 19
		if len(story) != len(want) {
			t.Fatalf("the roll went\n%s", strings.Join(story, "\n"))
		}
		for i, w := range want {
			if !strings.HasPrefix(story[i], w) {
				t.Errorf("step %d is %q, want %q", i, story[i], w)
			}
		}
	})
}

// The same with times that are too tight: what would break validation waits.
func TestKeyTiming_TooTight_Waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		start := time.Now()
		p.makeKey(policy.KSK)
		old, next := p.makeKey(policy.ZSK), p.makeKey(policy.ZSK)
		p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
			e.HasTiming = true
			e.Timing = keystore.Timing{Created: start.Add(-day), Publish: start.Add(-day), Activate: start.Add(-day)}
			switch e.ID {
			case old.ID:
				e.Timing.Inactive, e.Timing.Delete = start.Add(2*day), start.Add(2*day)
			case next.ID:
				e.Timing.Publish, e.Timing.Activate = start.Add(2*day), start.Add(2*day)
			}
		}}
		s := p.start(t)
		defer s.loop.stop()
		gone := time.Time{}
		for range 30 * 24 {
			time.Sleep(time.Hour)
			synctest.Wait()
			signed := s.mustServe(t)
			has := false
			for _, k := range signed.Keys {
				has = has || k.Tag == old.Key.Tag
			}
			if !has && gone.IsZero() {
				gone = time.Now()
			}
		}
		if held := gone.Sub(start); held < 11*day || held > 12*day {
			t.Errorf("the old key left after %s; its signatures can be cached for 11 days and some", held)
		}
	})
}

// A clock that jumps ahead must not run through a key's whole life.
func TestClock_JumpAhead_KeysStandStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		start := time.Now()
		p.makeKey(policy.KSK)
		old, next := p.makeKey(policy.ZSK), p.makeKey(policy.ZSK)
		p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
			e.HasTiming = true
			e.Timing = keystore.Timing{Created: start.Add(-day), Publish: start.Add(-day), Activate: start.Add(-day)}
			switch e.ID {
			case old.ID:
				e.Timing.Inactive, e.Timing.Delete = start.Add(10*day), start.Add(30*day)
			case next.ID:
				e.Timing.Activate = start.Add(10 * day)
			}
		}}
		s := p.start(t)
		defer s.loop.stop()
		time.Sleep(time.Hour)
		p.jump.Store(int64(60 * day))
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if g := p.state().Generations; len(g) != 1 {
			t.Fatalf("keys moved by a clock that jumped: %+v", g)
		}
		s.mustServe(t)
		p.jump.Store(int64(0))
		time.Sleep(day)
		synctest.Wait()
		if g := p.state().Generations; len(g) != 1 {
			t.Errorf("keys moved after the clock came back: %+v", g)
		}
		s.mustServe(t)
		p.jump.Store(int64(60 * day)) // and now it stays there
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if g := p.state().Generations; len(g) != 2 {
			t.Errorf("keys do not move although the clock runs evenly: %+v", g)
		}
		s.mustServe(t)
	})
}

func TestPolicyChange_SpreadsOverAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.signer().mustRun(t)
		time.Sleep(day)
		p.policy.Validity, p.policy.ValidityDNSKEY = 21*day, 21*day
		s := p.start(t)
		defer s.loop.stop()
		if made := s.mustServe(t); made.Serial > 13 {
			t.Errorf("serial %d", made.Serial)
		}
		if n := len(p.state().Generations); n != 2 {
			t.Fatalf("%d generations, want 2", n)
		}
		time.Sleep(20 * day)
		synctest.Wait()
		if n := len(p.state().Generations); n != 1 {
			t.Errorf("%d generations after a period, want 1", n)
		}
		s.mustServe(t)
	})
}

// What other instances have changed is noticed in its time, also while parents do
// not answer; and a zone looks for that once at a time.
func TestLoop_NewsDoNotWaitForParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.start(t)
		defer s.loop.stop()
		for range maxLooks {
			s.loop.errands <- struct{}{} // each of them waits for a parent
		}
		if _, err := p.signer().order(t.Context(), byTest, (*rollover.KeySet).HoldAll); err == nil {
			t.Fatal("an order was taken before the first pass")
		}
		other := p.signer()
		other.mustRun(t)
		if _, err := other.order(t.Context(), byTest, (*rollover.KeySet).HoldAll); err != nil {
			t.Fatal(err)
		}
		time.Sleep(p.policy.ZonePropagation)
		synctest.Wait()
		if l := s.life.Load(); l.doc.KeySet.Hold == nil {
			t.Error("the other instance's order is not known")
		}
		release, loads := make(chan struct{}), 0
		p.memory.SetHooks(memory.Hooks{Before: func(memory.Op, string) error { loads++; <-release; return nil }})
		time.Sleep(10 * p.policy.ZonePropagation)
		synctest.Wait()
		p.memory.SetHooks(memory.Hooks{})
		close(release)
		if loads != 1 {
			t.Errorf("%d looks at the store, of which none had come to an end", loads)
		}
	})
}
