package rollover

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// caches remembers everything that was ever served, the slow way.
type caches struct {
	ttl   uint32
	until []cached
}

// cached is until when a cache may have something, and under which TTL.
type cached struct {
	ttl uint32
	at  time.Time
}

func (c *caches) serve(now time.Time, ttl uint32) {
	for _, t := range []uint32{c.ttl, ttl} {
		c.until = append(c.until, cached{t, now.Add(time.Duration(t) * time.Second)})
	}
	c.ttl = ttl
}

// longest is the longest TTL of what a cache may have at a moment.
func (c *caches) longest(now time.Time) (ttl uint32) {
	ttl = c.ttl
	for _, u := range c.until {
		if !u.at.Before(now) {
			ttl = max(ttl, u.ttl)
		}
	}
	return ttl
}

// Longest is never less than what a cache may have, now or a few days ago, and in
// the end no more. Said twice, or written down and read, it is the same.
func TestLongest_LikeARecordOfEverything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var l Longest
		var c caches
		now := start
		for range 30 {
			now = now.Add(time.Duration(r.IntN(1+r.IntN(60*86400))) * time.Second)
			for _, lag := range []time.Duration{0, time.Hour, 3 * day} {
				at := now.Add(-lag)
				if got, least := l.At(at), time.Duration(c.longest(at))*time.Second; got < least {
					t.Fatalf("%+v at %s, %s ago: %s, but a cache may have something for %s", l, now, lag, got, least)
				}
			}
			ttl := []uint32{60, 3600, 86400, 86400 * 4, 86400 * 7}[r.IntN(5)]
			l.Serve(now, ttl)
			c.serve(now, ttl)
			again := l
			again.Serve(now, ttl)
			if data, err := json.Marshal(l); err != nil || again != l {
				t.Fatalf("said twice: %+v, then %+v, %v", l, again, err)
			} else if err := json.Unmarshal(data, &again); err != nil || again != l {
				t.Fatalf("read again: %+v, was %+v, %v", again, l, err)
			}
		}
		if got, want := l.At(now.Add(15*day)), time.Duration(l.TTL)*time.Second; got != want {
			t.Fatalf("%+v: %s two weeks later, want %s", l, got, want)
		}
	}
}

// longTTL is what the tests below lower a TTL from.
const longTTL = 5 * day

// since a TTL was lowered, servers that lag hand out what was before for as long
// as a version takes to reach them.
func TestTiming_LoweredTTLs(t *testing.T) {
	lowered := noon.Add(-time.Hour)
	before := func(ttl time.Duration) (l Longest) {
		l.Serve(noon.Add(-99*day), uint32(longTTL/time.Second))
		l.Serve(lowered, uint32(ttl/time.Second))
		return l
	}
	ksk, zsk := inService("ksk", policy.KSK), inService("zsk", policy.ZSK)
	newKSK := inService("new", policy.KSK).in(DNSKEY, Rumoured, Omnipresent).in(KRRSIG, Rumoured, Omnipresent).in(DS, Hidden, Omnipresent)
	oldKSK := retired(inService("old", policy.KSK).in(DS, Hidden, Hidden)).in(DNSKEY, Unretentive, Hidden).in(KRRSIG, Unretentive, Hidden)
	newZSK := inService("new", policy.ZSK).in(ZRRSIG, Rumoured, Omnipresent)
	newDS := inService("new", policy.KSK).in(DS, Rumoured, Omnipresent)
	newDS.DSSeen = lowered
	served := noon.Add(-time.Minute) // of all moves
	for _, c := range []struct {
		name        string
		set         KeySet
		id          string
		r           Record
		to          State
		lag, safety time.Duration
	}{
		{"DNSKEY set, key shown", ours(ksk, zsk, newKSK), "new", DNSKEY, Omnipresent, dprp, publish},
		{"DNSKEY set, key withdrawn", ours(ksk, zsk, oldKSK), "old", DNSKEY, Hidden, dprp, retiring},
		{"zone", ours(ksk, retired(zsk).in(ZRRSIG, Unretentive, Hidden), newZSK), "new", ZRRSIG, Omnipresent, dprp, publish},
		{"DS set", ours(ksk, zsk, newDS), "new", DS, Omnipresent, dprpP, publish},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.set.DNSKEYTTL, c.set.ZoneTTL, c.set.DSTTL = before(ttlKey), before(ttlSig), before(ttlDS)
			f := Facts{Served: served, Complete: served}
			// The last server hands the old set out until lag after the move.
			end := served.Add(c.lag + longTTL + c.safety)
			// No cache has anything of before the TTL was lowered after this; then
			// the TTL of now counts, and has long been over.
			if old := lowered.Add(longTTL + c.lag + c.safety); old.Before(end) {
				end = old.Add(time.Nanosecond)
			}
			early := end.Add(-time.Second)
			plan := Step(early, odd(), f, c.set)
			if got := plan.KeySet.Key(c.id).state(c.r); got == c.to {
				t.Errorf("%s at %s", got, moment(early))
			}
			plan = Step(end, odd(), f, c.set)
			if got := plan.KeySet.Key(c.id).state(c.r); got != c.to {
				t.Errorf("%s at %s", got, moment(end))
			}
		})
	}
}

// P17: a record with a long TTL is deleted right before a roll. What caches have
// of it, signed by the old key, outlives the roll's own times.
func TestRun_P17_LongTTLDeletedBeforeTheRoll(t *testing.T) {
	w := newWorld()
	w.p.ZSKLifetime = 0
	w.maxTTL = uint32(longTTL / time.Second)
	w.run(30 * day)
	deleted := w.now
	w.maxTTL = 60
	w.command([]string{"roll", "ZSK", "emergency"}) // the shortest of all
	least := deleted.Add(w.p.ZonePropagation + longTTL)
	for w.now.Before(least.Add(day)) {
		w.run(5 * time.Minute)
		for _, k := range w.set.Keys {
			s := k.Records[ZRRSIG]
			if k.Role == policy.ZSK && s.Since.After(deleted) && s.Since.Before(least) && (s.State == Hidden || s.State == Omnipresent) {
				t.Fatalf("%s ZRRSIG %s at %s, while caches have the record until %s", k.ID, s.State, moment(s.Since), moment(least))
			}
		}
	}
}

// P4: the parent raises the TTL of the DS in the middle of a roll, or had it
// longer until then. The old KSK stays for the longer.
func TestRun_P4_ParentChangesItsTTL(t *testing.T) {
	for _, c := range []struct{ before, after time.Duration }{{day, 4 * day}, {4 * day, day}, {4 * day, 4 * day}} {
		w := newWorld()
		w.p.ZSKLifetime, w.p.DSTTL = 0, day
		w.dsTTL = uint32(c.before / time.Second)
		w.run(30 * day)
		w.command([]string{"roll", "KSK"})
		w.run(4 * time.Hour) // published, asked for, not there yet
		w.dsTTL = uint32(c.after / time.Second)
		changed := w.now
		for w.set.Key("KSK-1").state(DS) == Unretentive {
			w.run(10 * time.Minute)
		}
		// Caches took the old DS under either TTL: the first until it was changed,
		// the second until the last server had another set.
		gone := w.set.Key("KSK-1").DSGone
		for _, until := range []time.Time{changed.Add(c.before), gone.Add(c.after)} {
			if w.set.Key("KSK-1").state(DS) == Hidden && w.now.Before(until) {
				t.Errorf("%s to %s: the old DS is taken for gone at %s, and caches have it until %s", c.before, c.after, moment(w.now), moment(until))
			}
		}
	}
}
