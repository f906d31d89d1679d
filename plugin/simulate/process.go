package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/rollover"
)

// maxRounds is how often a process may Step at one moment.
const maxRounds = 64

// process is a server that signs the zone. Its secondaries lag behind it.
type process struct {
	index int
	down  time.Time // true time until which it is

	version  version
	serving  bool
	served   time.Time // keys' time: since when the version carries all moves
	complete time.Time // keys' time: since when one generation signs everything; zero: two do
	wake     time.Time // true time of the next look; zero: none is planned
}

// version is a version of the zone, as far as keys are concerned.
type version struct {
	keys, revoked, signers []string
	zone                   [][]string // the signers of each generation
	cds                    []string
	withdraw               bool // CDS delete
	denial                 string
	dnskeyTTL, zoneTTL     uint32
}

func (v version) equal(o version) bool {
	return slices.Equal(v.keys, o.keys) && slices.Equal(v.revoked, o.revoked) && slices.Equal(v.signers, o.signers) &&
		slices.EqualFunc(v.zone, o.zone, slices.Equal) && slices.Equal(v.cds, o.cds) && v.withdraw == o.withdraw &&
		v.denial == o.denial && v.dnskeyTTL == o.dnskeyTTL && v.zoneTTL == o.zoneTTL
}

// whole reports whether the version validates by itself: it is not signed at
// all, or a key that is in it has signed its DNSKEY set, and one everything else.
func (v version) whole() bool {
	of := func(signers []string) bool {
		return slices.ContainsFunc(signers, func(id string) bool { return slices.Contains(v.keys, id) })
	}
	unsigned := len(v.keys) == 0 && !slices.ContainsFunc(v.zone, func(g []string) bool { return len(g) > 0 })
	return unsigned || of(v.signers) && !slices.ContainsFunc(v.zone, func(g []string) bool { return !of(g) })
}

// look is what a process does when it wakes: rounds of work, until nothing is
// left to do at this moment.
func (w *world) look(p *process) {
	if w.now.Before(p.down) {
		return // it looks when it is up again
	}
	for range maxRounds {
		if w.round(p) {
			return
		}
	}
	w.history.Bogus = append(w.history.Bogus, Bogus{At: w.now, Mix: "Step does not come to rest"})
	w.queue = nil
}

// round is Step, store, act, publish. It reports whether there is nothing left
// to do, or nothing that can be done now.
func (w *world) round(p *process) (rest bool) {
	plan := w.step(w.clock.keys(w.now), w.policy, w.facts(p), w.set)
	w.history.Steps++
	if plan.Changed {
		if w.now.Before(w.noStore) {
			w.wakeAt(p, w.noStore)
			return true
		}
		w.record(plan)
		w.set = plan.KeySet
	}
	made := w.makeKeys(plan.Make)
	w.generations()
	published, ok := w.publish(p)
	if !ok {
		w.wakeAt(p, w.noPublish)
		return true
	}
	if w.parent != nil {
		w.parent.asked(w)
	}
	if !plan.Changed && !made && !published {
		w.sleep(p, plan)
		return true
	}
	w.others(p)
	return false
}

// others lets the other processes see what was stored, each a little later.
func (w *world) others(p *process) {
	for _, o := range w.processes {
		if o != p {
			w.wakeAt(o, w.now.Add(w.rng.upTo(w.lag())))
		}
	}
}

// wakeAt has a process look at a moment, unless it will before.
func (w *world) wakeAt(p *process, t time.Time) {
	if !p.wake.IsZero() && !t.Before(p.wake) {
		return
	}
	p.wake = t
	w.at(t, func() {
		if p.wake.Equal(t) {
			p.wake = time.Time{}
			w.look(p)
		}
	})
}

// sleep plans the next look.
func (w *world) sleep(p *process, plan rollover.Plan) {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(plan.Wake)
	if len(w.gens) > 1 {
		sooner(w.gens[1].done())
	}
	if len(plan.Make) > 0 {
		sooner(w.noKeys.Add(w.clock.offset))
	}
	if next.IsZero() {
		return
	}
	at := next.Add(-w.clock.offset)
	if until, frozen := w.clock.frozen(); frozen {
		at = until.Add(-w.clock.offset)
	}
	w.wakeAt(p, maxTime(at, w.now.Add(time.Second)))
}

// facts gathers what a process knows.
func (w *world) facts(p *process) rollover.Facts {
	f := rollover.Facts{Pool: w.pool, Complete: p.complete}
	if p.serving && p.version.equal(w.wanted()) {
		f.Served = p.served
	} else {
		f.Complete = time.Time{}
	}
	if w.parent != nil {
		f.Parent = w.parent.seen(w)
	}
	if until, frozen := w.clock.frozen(); frozen {
		f.Freeze, f.Until = "the clock jumped", until
	}
	return f
}

// makeKeys makes keys that are asked for, and reports whether it did.
func (w *world) makeKeys(wanted []rollover.Wanted) (made bool) {
	if w.now.Before(w.noKeys) {
		return false
	}
	for _, k := range wanted {
		w.makeKey(k)
	}
	return len(wanted) > 0
}

// makeKey makes a key whose tag, with the revoke bit too, no key ever had.
func (w *world) makeKey(k rollover.Wanted) {
	const revoked = 128 // RFC 5011 section 2.1: the flag adds that to the sum
	tag := uint16(w.rng.next())
	for w.tags[tag] || w.tags[tag+revoked] || w.tags[tag-revoked] {
		tag++
	}
	w.tags[tag] = true
	id := fmt.Sprintf("%s-%d", strings.ToLower(k.Role.String()), len(w.tags))
	w.pool = append(w.pool, rollover.Candidate{
		ID: id, Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits, Tag: tag, PublicDigest: id, Created: w.clock.keys(w.now),
	})
}

// wanted is the version that the store describes.
func (w *world) wanted() version {
	v := version{
		keys: w.set.Published(), signers: w.set.DNSKEYSigners(),
		dnskeyTTL: w.policy.DNSKEYTTL, zoneTTL: w.zoneTTL,
	}
	for i := range w.set.Keys {
		if k := &w.set.Keys[i]; !k.Revoked.IsZero() && k.Status(rollover.DNSKEY).State.Shown() {
			v.revoked = append(v.revoked, k.ID)
		}
	}
	for _, g := range w.gens {
		v.zone = append(v.zone, g.signers)
	}
	if len(v.keys) > 0 {
		v.denial = w.policy.Denial.String()
	}
	if w.policy.CDS && !w.policy.NoParent {
		v.cds, v.withdraw = w.set.Delegated(), w.set.Withdrawn()
	}
	return v
}

// publish serves what the store describes, if that is not served. It reports
// whether it did, and whether that can be done now.
func (w *world) publish(p *process) (did, ok bool) {
	v := w.wanted()
	if p.serving && p.version.equal(v) {
		return false, true
	}
	if w.now.Before(w.noPublish) {
		return false, false
	}
	now := w.clock.keys(w.now)
	w.expose(v, now)
	if len(v.zone) > 1 {
		p.complete = time.Time{}
	} else if p.complete.IsZero() || !slices.EqualFunc(p.version.zone, v.zone, slices.Equal) {
		p.complete = now
	}
	if !v.whole() {
		w.history.Bogus = append(w.history.Bogus, Bogus{At: w.now, Mix: fmt.Sprintf("a version that nobody can make: "+
			"DNSKEY %v, signed by %v, the rest signed by %v", v.keys, v.signers, v.zone)})
	}
	p.version, p.serving, p.served = v, true, now
	w.serve(p, v)
	return true, true
}

// expose notes what is about to be handed out, as rollover wants to know it.
func (w *world) expose(v version, now time.Time) {
	w.set.DNSKEYTTL.Serve(now, v.dnskeyTTL)
	w.set.ZoneTTL.Serve(now, v.zoneTTL)
	for i := range w.set.Keys {
		k := &w.set.Keys[i]
		if slices.ContainsFunc(v.zone, func(g []string) bool { return slices.Contains(g, k.ID) }) {
			k.Exposure.MaxTTL = max(k.Exposure.MaxTTL, v.zoneTTL)
			k.Exposure.LatestExpiry = maxTime(k.Exposure.LatestExpiry, now.Add(w.policy.Validity))
		}
	}
}

// lag is how far the secondaries of a process lag. Where there are several
// processes, half of what the policy allows for is their own.
func (w *world) lag() time.Duration {
	if len(w.processes) > 1 {
		return w.setup.Policy.ZonePropagation / 2
	}
	return w.setup.Policy.ZonePropagation
}

// stop takes a process down. Its secondaries go on, unless there are others
// that do.
func (w *world) stop(p *process, until time.Time) {
	p.down = maxTime(p.down, until)
	w.at(until, func() { w.wakeAt(p, w.now) })
	if len(w.processes) > 1 {
		p.serving = false
		w.caches.dnskey.serve(p.index, w.now, w.lag(), 0)
		w.caches.zone.serve(p.index, w.now, w.lag(), 0)
	}
}

// serve shows a version to resolvers.
func (w *world) serve(p *process, v version) {
	w.history.MostKeys = max(w.history.MostKeys, len(v.keys))
	w.recordDenial(v)
	c := w.caches
	keys := content{keys: c.indexes(v.keys), revoked: c.indexes(v.revoked), signers: c.indexes(v.signers)}
	zone := make([]content, len(v.zone))
	for i, g := range v.zone {
		zone[i] = content{signers: c.indexes(g)}
	}
	lag, ttl := w.lag(), v.dnskeyTTL
	if len(v.keys) == 0 {
		ttl = v.zoneTTL // that there is none is kept as long as the SOA allows (RFC 2308 section 5)
	}
	fresh := c.dnskey.serve(p.index, w.now, lag, ttl, keys)
	fresh = c.zone.serve(p.index, w.now, lag, v.zoneTTL, zone...) || fresh
	if w.anchors != nil {
		w.watch(keys)
	}
	if fresh {
		w.judge()
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// keyName names a key after its role and the order of its appearance.
func (w *world) keyName(k *rollover.Key) string {
	w.numbers[k.Role]++
	return fmt.Sprintf("%s %d", k.Role, w.numbers[k.Role])
}
