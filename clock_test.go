package autosign

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// newestZSK returns the ZSK that was made last, as it is stored.
func (p *place) newestZSK() *rollover.Key {
	var newest *rollover.Key
	doc := p.state()
	for i := range doc.KeySet.Keys {
		k := &doc.KeySet.Keys[i]
		if k.Role == policy.ZSK && (newest == nil || k.Created.After(newest.Created)) {
			newest = k
		}
	}
	return newest
}

// rolling starts a zone with DNSKEY sets that live for a day, and a roll of its
// ZSK two weeks later.
func rolling(t *testing.T) (*place, *signer) {
	p := newPlace(t)
	p.policy.DNSKEYTTL = 86400
	p.policy.NoParent = true
	s := p.start(t)
	time.Sleep(14 * day)
	synctest.Wait()
	if _, err := s.docs.change(t.Context(), func(d *state.Document) error {
		d.KeySet.Requests = append(d.KeySet.Requests, rollover.Request{Role: policy.ZSK, At: time.Now().UTC()})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.loop.ask(s)
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Rumoured {
		t.Fatalf("the roll has not begun: %+v", k)
	}
	return p, s
}

// A clock that jumps ahead and is believed after a while has not let time pass
// for caches: they hold what they hold.
func TestClock_JumpAheadIsNoHold(t *testing.T) {
	for _, jump := range []time.Duration{2 * day, 50 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			p, s := rolling(t)
			defer s.loop.stop()
			p.jump.Store(int64(jump))
			hold := day + policy.Default().ZonePropagation + policy.Default().PublishSafety
			time.Sleep(hold - 20*time.Minute) // of which ten minutes were over before
			synctest.Wait()
			if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Rumoured {
				t.Errorf("%s: the DNSKEY is %s before every cache can have it", jump, k.Status(rollover.DNSKEY).State)
			}
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Omnipresent {
				t.Errorf("%s: the DNSKEY is %s when every cache has it", jump, k.Status(rollover.DNSKEY).State)
			}
			s.mustServe(t)
		})
	}
}

// A clock that was set back a little and is put right again has not let time pass
// either, for what began meanwhile.
func TestClock_BackAndAheadAgainIsNoHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := rolling(t)
		defer s.loop.stop()
		p.jump.Store(-int64(50 * time.Minute))
		s.loop.ask(s)
		time.Sleep(time.Minute)
		synctest.Wait()
		p.jump.Store(0)
		s.loop.ask(s)
		hold := day + policy.Default().ZonePropagation + policy.Default().PublishSafety
		time.Sleep(hold - 20*time.Minute) // of which eleven minutes were over before
		synctest.Wait()
		if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Rumoured {
			t.Errorf("the DNSKEY is %s before every cache can have it", k.Status(rollover.DNSKEY).State)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Omnipresent {
			t.Errorf("the DNSKEY is %s when every cache has it", k.Status(rollover.DNSKEY).State)
		}
		s.mustServe(t)
	})
}

// A reload within the time in which a jump is doubted does not make it believed.
func TestClock_DoubtOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := rolling(t)
		p.jump.Store(int64(2 * day))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		next := p.signer()
		next.clock = clockAfter(s)
		next.loop.now = next.clock.now
		next.takeOver(s)
		next.loop.start()
		defer next.loop.stop()
		s.loop.stop()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if k := p.newestZSK(); k.Status(rollover.DNSKEY).State != rollover.Rumoured {
			t.Errorf("the DNSKEY is %s after three hours and a jump", k.Status(rollover.DNSKEY).State)
		}
	})
}

// A machine that starts with a clock of the past, to be put right later, writes
// nothing of the past into the state.
func TestClock_StartInThePast_MovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := rolling(t)
		s.loop.stop()
		before := p.newestZSK()
		p.jump.Store(-int64(20 * 365 * day))
		s = p.start(t)
		defer s.loop.stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if k := p.newestZSK(); !k.Status(rollover.DNSKEY).Since.Equal(before.Status(rollover.DNSKEY).Since) {
			t.Errorf("a clock of the past moved the key: %+v", k)
		}
		p.jump.Store(0)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		k := p.newestZSK()
		if k.ID != before.ID || k.Status(rollover.DNSKEY).State != rollover.Rumoured {
			t.Errorf("putting the clock right ended holds or lives: %+v", k)
		}
		s.mustServe(t)
	})
}

// A look at the parent that was made before a jump is as old after it as before.
func TestClock_JumpAgesNoLook(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	s.policy.NoParent = false
	s.watch.policy, s.watch.zone, s.watch.ask, s.watch.answered = s.policy, s.zone, newUpper("a."), true
	at := time.Now()
	s.watch.seen = rollover.Observation{At: at, Servers: []rollover.Server{{Name: "a."}}}
	for _, c := range []struct{ passed, jump, want time.Duration }{
		{10 * time.Minute, 0, 0},
		{10*time.Minute + time.Hour, time.Hour, time.Hour},
		{10 * time.Minute, time.Hour, 10 * time.Minute}, // it was made after the jump
	} {
		now := at.Add(c.passed)
		if got := s.outlook(moment{now: now, key: now, jump: c.jump}).parent.seen.At.Sub(at); got != c.want {
			t.Errorf("%s later, with a jump of %s: a look of %s after, want %s", c.passed, c.jump, got, c.want)
		}
	}
}
