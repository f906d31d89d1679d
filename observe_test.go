package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

func TestPace_Table(t *testing.T) {
	short := policy.Default()
	short.DSTTL, short.ParentPropagation = 5*time.Second, time.Second
	for _, c := range []struct {
		name   string
		policy policy.Policy
		want   pace
	}{
		{"days", policy.Default(), pace{time.Minute, time.Hour, 6 * time.Hour}},
		{"seconds", short, pace{time.Second, time.Second, 1500 * time.Millisecond}},
	} {
		if got := paceOf(c.policy); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPace_BacksOffAndSpreads(t *testing.T) {
	c := paceOf(policy.Default())
	last := time.Duration(0)
	for n := range 40 {
		d := c.next("example.org.", true, n)
		if d < last || d > c.most || d < c.first*7/8 {
			t.Errorf("look %d after %s, before that %s", n, d, last)
		}
		last = d
	}
	seen := map[time.Duration]bool{}
	for n := range 1000 {
		d := c.next(fmt.Sprintf("zone%d.example.", n), false, n)
		if d > c.rest || d < c.rest*7/8 {
			t.Fatalf("at rest a look after %s, want at most an eighth less than %s", d, c.rest)
		}
		seen[d.Truncate(10*time.Minute)] = true
	}
	if len(seen) < 4 {
		t.Errorf("a thousand zones are looked at in %d different intervals", len(seen))
	}
}

// A KSK is rolled in step with the parent: nothing goes before every server has
// the new DS, and the old one is gone from all.
func TestWatch_AllServersMustAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.", "c.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "a new key", time.Hour, func() bool { return p.of(policy.KSK) != old })
		fresh := p.of(policy.KSK)
		wait(t, "asking for the new DS", 3*day, p.in(fresh, rollover.DS, rollover.Rumoured))
		r.follow(t, s, "a.", "b.")
		time.Sleep(10 * day)
		synctest.Wait()
		if !p.in(fresh, rollover.DS, rollover.Rumoured)() || !p.in(old, rollover.DNSKEY, rollover.Omnipresent)() {
			t.Error("something moved although one server has the old DS")
		}
		st, _ := s.status()
		if text := st.String(); !strings.Contains(text, "seen at 2 of 3 servers of org., next look at ") {
			t.Errorf("the status does not say what is waited for:\n%s", text)
		}
		r.change(func() { r.silent["c."] = errors.New("no answer") })
		time.Sleep(5 * day)
		synctest.Wait()
		if !p.in(fresh, rollover.DS, rollover.Rumoured)() {
			t.Error("silence was taken for agreement")
		}
		r.change(func() { delete(r.silent, "c.") })
		r.follow(t, s, "c.")
		wait(t, "through with the DS", 5*day, p.in(fresh, rollover.DS, rollover.Omnipresent))
		wait(t, "rid of the old key", 5*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
		s.mustServe(t)
	})
}

// P4: the parent raises the TTL of its DS in the middle of a roll. The old key
// stays until the last cache that took its DS under that TTL has dropped it.
func TestWatch_P4_ParentRaisesTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "a new key", time.Hour, func() bool { return p.of(policy.KSK) != old })
		fresh := p.of(policy.KSK)
		wait(t, "asking for the new DS", 3*day, p.in(fresh, rollover.DS, rollover.Rumoured))
		r.change(func() { r.ttl = 7 * 86400 })
		time.Sleep(2 * time.Hour) // it is seen
		synctest.Wait()
		swapped := time.Now()
		r.follow(t, s, "a.", "b.")
		wait(t, "rid of the old key", 20*day, func() bool { return !p.in(old, rollover.DNSKEY, rollover.Omnipresent)() })
		if held := time.Since(swapped); held < 7*day {
			t.Errorf("the old key went %s after its DS, which caches have for 7 days", held)
		}
	})
}

// A DS that never comes: the zone stays as it is, valid, and the parent is asked
// at bounded intervals.
func TestWatch_DSThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(30 * day)
		synctest.Wait()
		s.mustServe(t)
		if !p.in(old, rollover.DNSKEY, rollover.Omnipresent)() {
			t.Error("the key that the parent vouches for is gone")
		}
		if n := r.looksSince(began); n < 24*25 || n > 24*40 {
			t.Errorf("%d looks in 30 days, want about one an hour", n)
		}
		st, _ := s.status()
		want := dsText(s.origin, s.life.Load().keys[p.of(policy.KSK)])
		if len(st.Do) == 0 || !slices.ContainsFunc(st.Do, func(do string) bool { return strings.Contains(do, want) }) {
			t.Errorf("to do is %q, want a line with %q", st.Do, want)
		}
	})
}

// A parent that has the DS before it is asked for it: that counts from when it
// is, and is not waited for for ever.
func TestWatch_DSThereBeforeItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, old := p.delegated(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		wait(t, "a new key", time.Hour, func() bool { return p.of(policy.KSK) != old })
		fresh := p.of(policy.KSK)
		k := s.life.Load().keys[fresh]
		rd, err := k.DS(s.origin, key.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		early := []parent.DS{{KeyTag: k.Tag, Algorithm: uint8(k.Algorithm), DigestType: key.SHA256, Digest: rd[4:]}}
		r.change(func() { r.ds["a."], r.ds["b."] = append(early, r.ds["a."]...), append(early, r.ds["b."]...) })
		wait(t, "asking for the new DS", 3*day, p.in(fresh, rollover.DS, rollover.Rumoured))
		wait(t, "done with the new DS", 3*day, p.in(fresh, rollover.DS, rollover.Omnipresent))
		if p.in(old, rollover.DS, rollover.Hidden)() {
			t.Error("the old DS is at the parent, and counts as gone")
		}
		r.change(func() { r.ds["a."], r.ds["b."] = early, early })
		wait(t, "rid of the old key", 5*day, p.in(old, rollover.DNSKEY, rollover.Hidden))
		s.mustServe(t)
	})
}

// A DS that somebody takes away by hand: the zone stays signed, an operator is
// told which record is missing, and all goes on when it is back.
func TestWatch_DSThatVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, ksk := p.delegated(t, r)
		defer s.loop.stop()
		r.change(func() { r.ds = map[string][]parent.DS{} })
		wait(t, "aware of it", 7*time.Hour, p.in(ksk, rollover.DS, rollover.Rumoured))
		time.Sleep(10 * day)
		synctest.Wait()
		if s.mustServe(t).Unsigned || !p.in(ksk, rollover.DNSKEY, rollover.Omnipresent)() {
			t.Error("the key went after its DS")
		}
		st, _ := s.status()
		if want := dsText(s.origin, s.life.Load().keys[ksk]); len(st.Do) != 1 || !strings.HasSuffix(st.Do[0], want) {
			t.Errorf("to do is %q, want %q to be published", st.Do, want)
		}
		r.follow(t, s, "a.", "b.")
		wait(t, "delegated again", 3*day, p.in(ksk, rollover.DS, rollover.Omnipresent))
	})
}

func TestWatch_AtRestItLooksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, _ := p.delegated(t, r)
		defer s.loop.stop()
		began := time.Now()
		time.Sleep(30 * day)
		synctest.Wait()
		if n := r.looksSince(began); n < 30*3 || n > 30*6 {
			t.Errorf("%d looks in 30 quiet days", n)
		}
	})
}

// P8b: the zone stays signed until no server has a DS, and for the TTL of the
// last one after that.
func TestWatch_P8b_InsecureOnlyWithoutDS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.", "b.")
		s, _ := p.delegated(t, r)
		s.loop.stop()
		p.policy.Insecure = true
		s = p.attended(t, r)
		defer s.loop.stop()
		wait(t, "a wish for no DS", 3*day, func() bool { d := p.state().KeySet; return d.Withdrawn() })
		r.follow(t, s, "a.") // one of the two
		time.Sleep(20 * day)
		synctest.Wait()
		if s.mustServe(t).Unsigned {
			t.Fatal("unsigned while a server has the DS")
		}
		gone := time.Now()
		r.follow(t, s, "b.")
		wait(t, "unsigned", 10*day, func() bool { return s.served.Load().signed.Unsigned })
		if held := time.Since(gone); held < p.policy.DSTTL+p.policy.ParentPropagation {
			t.Errorf("unsigned %s after the DS went", held)
		}
	})
}

// After a start keys wait for the first look, and no longer.
func TestWatch_KeysWaitForTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		s.loop.stop()
		now := time.Now()
		w := &p.signer().watch
		w.zone, w.policy, w.ask = "example.org.", p.policy, r
		w.begin(now, true)
		if v := w.sight(now); v.freeze == "" || !v.until.Equal(now.Add(startBound)) {
			t.Errorf("before the first look: %+v", v)
		}
		if v := w.sight(now.Add(startBound)); v.freeze != "" || v.unsure == "" {
			t.Errorf("after a long time without a look: %+v", v)
		}
		r.change(func() { r.err = errors.New("no network") })
		s = p.attended(t, r)
		defer s.loop.stop()
		if v := s.watch.sight(time.Now()); v.freeze != "" || !strings.Contains(v.unsure, "no network") {
			t.Errorf("after a look that failed: %+v", v)
		}
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * day)
		synctest.Wait()
		fresh := p.of(policy.KSK)
		if fresh == ksk || !p.in(fresh, rollover.DNSKEY, rollover.Omnipresent)() || !p.in(fresh, rollover.DS, rollover.Hidden)() {
			t.Error("what does not hang on the parent did not move, or what does did")
		}
		r.change(func() { r.err = nil })
		wait(t, "moving on once the parent answers", 2*time.Hour, p.in(fresh, rollover.DS, rollover.Rumoured))
	})
}

// A restored older state: the world shows a key that it does not know.
func TestWatch_StrangeKeysFreeze(t *testing.T) {
	stranger, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, ksk := p.delegated(t, r)
		s.loop.stop()
		r.change(func() { r.keys, r.keysErr = [][]byte{stranger.DNSKEY()}, nil })
		s = p.attended(t, r)
		defer s.loop.stop()
		if _, err := s.order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * day)
		synctest.Wait()
		s.mustServe(t)
		if p.of(policy.KSK) != ksk {
			t.Error("keys moved although the state is one of the past")
		}
		st, _ := s.status()
		if want := fmt.Sprintf("tag %d at ns2.example.net.", stranger.Tag); !strings.Contains(st.Frozen, want) {
			t.Errorf("frozen because of %q, want %q", st.Frozen, want)
		}
		// An operator knows better.
		if _, err := s.resume(t.Context(), byTest); err == nil {
			t.Error("resumed without being told why not")
		}
		insist := byTest
		insist.Override = true
		if e, err := s.resume(t.Context(), insist); err != nil || e.Overrides == "" {
			t.Errorf("%+v, %v", e, err)
		}
		wait(t, "moving", day, func() bool { return p.of(policy.KSK) != ksk })
	})
}

// Keys that the state knows, or knew, in use or revoked, are no strangers.
func TestWatch_KnownKeysAreNoStrangers(t *testing.T) {
	k, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	w := &watch{zone: "example.org.", digests: map[string]bool{k.PublicDigest(): true}}
	for _, rdata := range [][]byte{k.DNSKEY(), k.Revoked().DNSKEY()} {
		if why := w.strangers(parent.Published{Copies: []parent.Copy{{Name: "ns.", DNSKEY: [][]byte{rdata}}}}); why != "" {
			t.Error(why)
		}
	}
}

// No more than maxLooks zones are looked at at a time, and a pass does not wait
// for them.
func TestErrand_BoundedBesideThePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		s := p.attended(t, newUpper("a."))
		defer s.loop.stop()
		slow := &slowWorld{upper: newUpper("a.")}
		for n := range 3 * maxLooks {
			o := p.signer()
			o.zone, o.loop = fmt.Sprintf("zone%d.example.", n), s.loop
			o.attend(s.inst, slow)
			o.watch.wake = func() {}
			s.loop.mu.Lock()
			s.loop.errand(o, workParent)
			s.loop.mu.Unlock()
		}
		time.Sleep(time.Second)
		if err := s.Sign(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if slow.most != maxLooks {
			t.Errorf("%d at a time, want %d", slow.most, maxLooks)
		}
	})
}

// slowWorld takes its time, and counts who asks at a time.
type slowWorld struct {
	*upper
	now, most int
}

func (w *slowWorld) Look(ctx context.Context, zone string) (parent.Look, error) {
	w.mu.Lock()
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	time.Sleep(10 * time.Second)
	w.mu.Lock()
	w.now--
	w.mu.Unlock()
	return w.upper.Look(ctx, zone)
}

// A server of the parent that is silent leaves what is known, and what is not,
// as it is.
func TestTake_FailedLookKnowsNothing(t *testing.T) {
	w := &watch{zone: "example.org.", policy: policy.Default(), now: time.Now, tell: func(event.Event) {}, wake: func() {}}
	w.take(parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a."}}}, nil)
	w.take(parent.Look{}, errors.New("no network"))
	if s := w.seen.Servers; len(s) != 1 || s[0].Name != "a." || s[0].Err != "no network" || w.seen.Zone != "org." {
		t.Errorf("seen: %+v", w.seen)
	}
}

// DS records of digest types that nobody makes any more count for their key.
func TestIsDSOf(t *testing.T) {
	k, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	origin := []byte("\x07example\x03org\x00")
	rd, _ := k.DS(origin, key.SHA384)
	good := parent.DS{KeyTag: k.Tag, Algorithm: uint8(k.Algorithm), DigestType: key.SHA384, Digest: rd[4:]}
	for _, c := range []struct {
		name string
		edit func(*parent.DS)
		want bool
	}{
		{"SHA-384", func(*parent.DS) {}, true},
		{"another digest", func(d *parent.DS) { d.Digest = make([]byte, 48) }, false},
		{"another tag", func(d *parent.DS) { d.KeyTag++ }, false},
		{"another algorithm", func(d *parent.DS) { d.Algorithm++ }, false},
		{"SHA-1", func(d *parent.DS) { d.DigestType, d.Digest = 1, make([]byte, 20) }, true},
	} {
		d := good
		c.edit(&d)
		if got := isDSOf(d, k, origin); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}
