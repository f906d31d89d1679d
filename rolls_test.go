package autosign

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// Whole lives of zones, in a clock that runs as fast as it can: at every moment
// at which something happens every mixture of what caches can hold is judged.

const longZone = testZone + "long 86400 IN TXT \"a long TTL\"\n"

// rolled counts the keys of a role that have come into service.
func (p *place) rolled(role policy.Role) (n int) {
	for _, k := range p.state().KeySet.Keys {
		if k.Role == role && !k.Active.IsZero() {
			n++
		}
	}
	return n
}

func TestLife_ZSKsRollForYears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(longZone)
		p.policy.PurgeKeys = 0
		o := observe(t, p, 1)
		defer o.stop()
		o.run(2*365*day, nil)
		if n := p.rolled(policy.ZSK); n < 8 || n > 9 {
			t.Errorf("%d ZSKs in two years", n)
		}
		if n := p.rolled(policy.KSK); n != 1 {
			t.Errorf("%d KSKs", n)
		}
		if o.caches.mixes < 1000 {
			t.Errorf("only %d mixtures were judged", o.caches.mixes)
		}
	})
}

func TestLife_AllKeysRoll(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*policy.Policy){
		"KSK and ZSK": func(p *policy.Policy) { p.KSKLifetime, p.ZSKLifetime = 120*day, 60*day },
		"CSK":         func(p *policy.Policy) { p.Scheme, p.SchemeGiven, p.CSKLifetime = policy.SchemeCSK, true, 60*day },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				p.source.set(longZone)
				change(&p.policy)
				o := observe(t, p, 1)
				defer o.stop()
				o.run(365*day, nil)
				entries, _ := p.keys.List(t.Context(), "example.org.")
				if doc := p.state(); len(doc.UsedTags) < 10 || len(entries) > 9 {
					t.Errorf("%d tags used in a year, %d keys are left", len(doc.UsedTags), len(entries))
				}
			})
		})
	}
}

// A policy that changes becomes the right roll, one thing after the other.
func TestLife_PolicyChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(longZone)
		o := observe(t, p, 1)
		defer func() { o.stop() }()
		o.run(30*day, nil)
		for _, step := range []struct {
			what   string
			change func(*policy.Policy)
			done   func() bool
		}{
			{"algorithm", func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ECDSAP256SHA256, true }, func() bool {
				return p.all(func(k *rollover.Key) bool { return k.Algorithm == policy.ECDSAP256SHA256 })
			}},
			{"CSK", func(p *policy.Policy) { p.Scheme, p.SchemeGiven = policy.SchemeCSK, true }, func() bool {
				return p.all(func(k *rollover.Key) bool { return k.Role == policy.CSK })
			}},
			{"KSK and ZSK again", func(p *policy.Policy) { p.Scheme = policy.SchemeSplit }, func() bool {
				return p.all(func(k *rollover.Key) bool { return k.Role != policy.CSK })
			}},
			{"NSEC3", func(p *policy.Policy) { p.Denial = policy.Denial{NSEC3: true} }, func() bool {
				return o.signers[0].served.Load().signed.NSEC3 != nil
			}},
			{"validity", func(p *policy.Policy) { p.Validity, p.ValidityDNSKEY = 20*day, 20*day }, func() bool {
				g := p.state().Generations
				return len(g) == 1 && time.Duration(g[0].Validity) == 20*day
			}},
			{"insecure", func(p *policy.Policy) { p.Insecure = true }, func() bool { return o.signers[0].served.Load().signed.Unsigned }},
			{"secure again", func(p *policy.Policy) { p.Insecure = false }, func() bool {
				return !o.signers[0].served.Load().signed.Unsigned && len(o.parent.ds["ns2.org."]) > 0
			}},
		} {
			o.stop()
			step.change(&p.policy)
			o.signers[0] = o.start()
			began := time.Now()
			for !step.done() {
				if time.Since(began) > 90*day {
					t.Fatalf("%s: not done in 90 days: %s", step.what, strings.Join(p.waiting(o.signers[0]), "; "))
				}
				o.run(day, nil)
			}
			t.Logf("%s: done in %s", step.what, time.Since(began))
			o.run(20*day, nil)
		}
	})
}

// all reports whether all keys that are not retired are so, and nothing is on its way.
func (p *place) all(so func(*rollover.Key) bool) bool {
	set := p.state().KeySet
	for i := range set.Keys {
		k := &set.Keys[i]
		if k.Retired.IsZero() && !so(k) || !k.Retired.IsZero() && !k.Gone() {
			return false
		}
	}
	return true
}

// waiting says what keys wait for.
func (p *place) waiting(s *signer) (list []string) {
	l := s.life.Load()
	for _, r := range l.plan.Reasons {
		if r.Waiting != "" {
			list = append(list, r.Key+" "+r.Record.String()+" "+r.State.String()+" waits for "+r.Waiting)
		}
	}
	return append(list, l.freeze)
}

// P3: two signers on one store make one story of it.
func TestLife_P3_TwoSignersOneStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(longZone)
		p.policy.ZSKLifetime, p.policy.KSKLifetime = 45*day, 90*day
		o := observe(t, p, 2)
		defer o.stop()
		o.run(200*day, nil)
		a, b := o.signers[0].served.Load().signed, o.signers[1].served.Load().signed
		if a.Serial != b.Serial || text(a) != text(b) {
			t.Errorf("serials %d and %d, or other records", a.Serial, b.Serial)
		}
		doc := p.state()
		entries, _ := p.keys.List(t.Context(), "example.org.")
		if known := len(doc.KeySet.Keys) + len(doc.Pool); len(entries) != known {
			t.Errorf("%d keys in the key store, %d in the state", len(entries), known)
		}
		if n := len(doc.UsedTags); n < 12 {
			t.Errorf("only %d tags used", n)
		}
	})
}

// P3: one of two signers does not get the zone that the other has. It stays with
// its own, and its signatures go with the keys all the same: caches may have the
// DNSKEY set of one and the rest of the other.
func TestLife_P3_OneSourceStaysBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(longZone)
		p.policy.ZSKLifetime, p.policy.KSKLifetime = 25*day, 25*day
		o := observe(t, p, 2)
		defer o.stop()
		o.run(10*day, nil)
		behind := o.signers[1]
		behind.source = &fakeSource{text: longZone, gen: behind.seen.(int)}
		serial := behind.served.Load().signed.Serial
		p.source.set(longZone + "more A 192.0.2.99\n")
		o.run(22*day, nil)
		if n := p.rolled(policy.ZSK); n < 2 {
			t.Errorf("%d ZSKs", n)
		}
		a, b := o.signers[0].served.Load(), behind.served.Load()
		if b.signed.Serial != serial || b.shape != a.shape {
			t.Errorf("it serves serial %d, not %d, or other keys", b.signed.Serial, serial)
		}
		behind.source = p.source
		o.run(2*day, nil)
		if a, b := o.signers[0].served.Load().signed, behind.served.Load().signed; a.Serial != b.Serial || text(a) != text(b) {
			t.Errorf("with the same source serials %d and %d, or other records", a.Serial, b.Serial)
		}
	})
}

// onceAPass spoils the first signature that is made after the keys were listed.
type onceAPass struct {
	brokenKeys
	armed *atomic.Bool
}

func (k onceAPass) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	k.armed.Store(true)
	return k.Keystore.List(ctx, zone)
}

// P3: what one of two signers is to publish is refused again and again. What it
// serves goes with the keys all the same.
func TestLife_P3_OneCannotPublishTheNewZone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(longZone)
		p.policy.ZSKLifetime, p.policy.KSKLifetime = 25*day, 25*day
		o := observe(t, p, 2)
		defer o.stop()
		o.signers[1].loop.stop()
		var armed, spoils atomic.Bool
		p.keys = onceAPass{brokenKeys{p.keys, func() bool { return spoils.Load() && armed.Swap(false) }}, &armed}
		o.signers[1] = o.start()
		o.run(10*day, nil)
		spoils.Store(true)
		p.source.set(longZone + "more A 192.0.2.99\n")
		o.run(22*day, nil)
		if n := p.rolled(policy.ZSK); n < 2 {
			t.Errorf("%d ZSKs", n)
		}
		behind := o.signers[1].served.Load()
		if strings.Contains(text(behind.signed), "more.") || behind.shape != o.signers[0].served.Load().shape {
			t.Error("it serves the new zone, or other keys")
		}
		spoils.Store(false)
		o.run(day, nil)
		if !strings.Contains(text(o.signers[1].served.Load().signed), "more.") {
			t.Error("the new zone is not there when all is well again")
		}
	})
}
