package autosign

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// P3: with the state lost and the key files there, keys that were retired, since
// they were stolen perhaps, do not come back, and one that was made for the next
// roll is no signer. What is in service goes on.
func TestP3_StateLost_KeysAreAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, stolen := p.delegated(t, r)
		zsk := p.of(policy.ZSK)
		for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
			if _, err := s.order(t.Context(), byTest, func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
				return k.Roll(o, role, true)
			}); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "the new DS is asked for", 3*day, p.in(stolen, rollover.DS, rollover.Unretentive))
		r.follow(t, s, "a.")
		wait(t, "the stolen keys are gone", 20*day, func() bool { return p.state().Key(stolen).Gone() && p.state().Key(zsk).Gone() })
		x, err := s.spare(t.Context(), p.state(), rollover.Wanted{Role: policy.KSK, Algorithm: policy.ED25519}, moment{now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		s.loop.stop()
		before := map[string]string{}
		for _, k := range p.state().KeySet.Keys {
			before[k.ID] = told(&k)
		}

		p.store, p.copies = memory.New(), newMemoryCopies()
		p.parent.ds = append(p.parent.ds, r.ds["a."]...)
		s = p.signer()
		s.mustRun(t)
		for _, k := range p.state().KeySet.Keys {
			switch {
			case k.ID == stolen || k.ID == zsk:
				if k.Status(rollover.KRRSIG).State.Shown() || k.Status(rollover.ZRRSIG).State.Shown() || k.Status(rollover.DNSKEY).State.Shown() ||
					k.Status(rollover.DS).Goal != rollover.Hidden {
					t.Errorf("a retired %s has come back: %s", k.Role, told(&k))
				}
			case k.ID == x.ID:
				if !k.DNSKEYOnly() {
					t.Errorf("a spare is in use: %s", told(&k))
				}
			case !used(&k) || !k.Retired.IsZero():
				t.Errorf("%s was %s, now %s", k.ID, before[k.ID], told(&k))
			}
		}
	})
}

// What another signer has noted of a key stays until something else is so.
func TestTimesOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	shown := rollover.Status{State: rollover.Omnipresent, Goal: rollover.Omnipresent, Since: ago(40 * day)}
	over := rollover.Status{State: rollover.Unretentive, Since: ago(day)}
	bind := keystore.Timing{Created: ago(50 * day), Publish: ago(45 * day), Activate: ago(44 * day), Inactive: now.Add(day), Delete: now.Add(2 * day)}
	with := func(t keystore.Timing, f func(*keystore.Timing)) keystore.Timing { f(&t); return t }
	for _, tt := range []struct {
		name    string
		has     keystore.Timing
		dnskey  rollover.Status
		zrrsig  rollover.Status
		retired time.Time
		beside  bool
		want    keystore.Timing
	}{
		{"as it is", bind, shown, shown, time.Time{}, false, bind},
		{"no times at all", keystore.Timing{}, shown, shown, time.Time{}, false, keystore.Timing{}},
		{"a spare in service", keystore.Timing{Created: ago(50 * day)}, shown, shown, time.Time{}, false,
			keystore.Timing{Created: ago(50 * day), Publish: ago(40 * day), Activate: ago(30 * day)}},
		{"retired, it signs still", bind, shown, shown, ago(2 * day), false, bind},
		{"it signs no more", bind, shown, over, ago(2 * day), false, with(bind, func(t *keystore.Timing) { t.Inactive = ago(day) })},
		{"gone", bind, over, over, ago(2 * day), false, with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(day), ago(day) })},
		{"gone, its signatures after its DNSKEY", bind, over, rollover.Status{Since: ago(time.Hour)}, ago(2 * day), false,
			with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(time.Hour), ago(day) })},
		{"retired after its records were gone", bind, over, over, ago(time.Hour), false,
			with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(time.Hour), ago(time.Hour) })},
		{"gone, as it is noted", with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(time.Hour), ago(time.Hour) }), over, over, ago(2 * day), false,
			with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(time.Hour), ago(time.Hour) })},
		{"over, as another has noted, and not shown", with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(day), ago(day) }), rollover.Status{}, rollover.Status{}, time.Time{}, false,
			with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(day), ago(day) })},
		{"gone, and in use in another view", bind, over, over, ago(2 * day), true, bind},
		{"it was to be over, and is needed", with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = ago(day), ago(day) }), shown, shown, time.Time{}, false,
			with(bind, func(t *keystore.Timing) { t.Inactive, t.Delete = time.Time{}, time.Time{} })},
	} {
		k := rollover.Key{Role: policy.ZSK, Active: ago(30 * day), Retired: tt.retired}
		*k.Status(rollover.DNSKEY), *k.Status(rollover.ZRRSIG) = tt.dnskey, tt.zrrsig
		e := keystore.Entry{Timing: tt.has, HasTiming: !tt.has.IsZero()}
		got := timesOf(&k, e, tt.beside, now)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		e.Timing = got
		if again := timesOf(&k, e, tt.beside, now); again != got {
			t.Errorf("%s: %+v the second time", tt.name, again)
		}
	}
}

// A key that revokes itself is noted as that, once.
func TestTimesOf_Revoked(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ has, revoked, want time.Time }{
		{time.Time{}, time.Time{}, time.Time{}},
		{time.Time{}, now.Add(1500 * time.Millisecond), now.Add(time.Second)},
		{now, now.Add(day), now},
		{now, time.Time{}, now},
	} {
		k := rollover.Key{Role: policy.KSK, Revoked: c.revoked}
		if got := timesOf(&k, keystore.Entry{Timing: keystore.Timing{Revoke: c.has}}, false, now); !got.Revoke.Equal(c.want) {
			t.Errorf("%s, noted as %s: %s", c.revoked, c.has, got.Revoke)
		}
	}
}
