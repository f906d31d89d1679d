package autosign

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// caches is a model of all resolvers at once: whatever was served until a moment
// can be in some cache for its TTL after it, in any mixture. It is an oracle of
// its own: it knows records and keys, nothing of states.
type caches struct {
	spread time.Duration // how long a server may lag behind
	dsTTL  time.Duration

	keys map[string]*cached // DNSKEY sets with the keys that sign them
	sets map[string]*cached // RRsets by the keys that sign them
	ds   map[string]*cached // DS sets of the parent

	mixes int // that were judged
}

// cached is something that can be in caches.
type cached struct {
	until   time.Time
	what    string
	keys    map[string]bool // of a DNSKEY set, of a DS set: algorithm and tag
	signers map[string]bool // algorithm and tag
}

func newCaches(p *place) *caches {
	return &caches{spread: p.policy.ZonePropagation, dsTTL: p.policy.DSTTL,
		keys: map[string]*cached{}, sets: map[string]*cached{}, ds: map[string]*cached{}}
}

// serve takes in that a version is served now.
func (c *caches) serve(now time.Time, s *zone.Signed) {
	type set struct {
		ttl  uint32
		sigs map[string]bool
	}
	all := map[string]*set{}
	at := func(owner []byte, typ uint16) *set {
		name := zone.Text(owner) + " " + zone.TypeText(typ)
		if all[name] == nil {
			all[name] = &set{sigs: map[string]bool{}}
		}
		return all[name]
	}
	published := map[string]bool{}
	apex := zone.Text(s.Origin()) + " DNSKEY"
	glue := map[string]bool{}
	for r := range s.SignedRecords() {
		switch r.Type {
		case 46:
			covered := uint16(r.RData[0])<<8 | uint16(r.RData[1])
			at(r.Owner, covered).sigs[fmt.Sprintf("%d/%d", r.RData[2], uint16(r.RData[16])<<8|uint16(r.RData[17]))] = true
		case 48:
			published[fmt.Sprintf("%d/%d", r.RData[3], key.Tag(r.RData))] = true
			at(r.Owner, r.Type).ttl = r.TTL
		default:
			at(r.Owner, r.Type).ttl = r.TTL
			if strings.HasPrefix(zone.Text(r.Owner), "ns.sub.") || strings.HasPrefix(zone.Text(r.Owner), "sub.") && r.Type == 2 {
				glue[zone.Text(r.Owner)+" "+zone.TypeText(r.Type)] = true
			}
		}
	}
	note := func(into map[string]*cached, id string, ttl time.Duration, e cached) {
		e.until = now.Truncate(time.Millisecond).Add(c.spread + ttl) // states are kept in milliseconds
		if old := into[id]; old == nil || old.until.Before(e.until) {
			into[id] = &e
		}
	}
	dnskey := &set{sigs: map[string]bool{}}
	if all[apex] != nil {
		dnskey = all[apex]
	}
	words := func(m map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(m)), "+") }
	note(c.keys, words(published)+" by "+words(dnskey.sigs), time.Duration(dnskey.ttl)*time.Second,
		cached{what: "DNSKEY " + words(published), keys: published, signers: dnskey.sigs})
	for name, v := range all {
		if name == apex || glue[name] || strings.HasSuffix(name, " CDS") || strings.HasSuffix(name, " CDNSKEY") {
			continue
		}
		note(c.sets, words(v.sigs), time.Duration(v.ttl)*time.Second, cached{what: name + " by " + words(v.sigs), signers: v.sigs})
	}
}

// delegate takes in that the parent has a DS set now.
func (c *caches) delegate(now time.Time, list []parent.DS) {
	keys := map[string]bool{}
	for _, d := range list {
		keys[fmt.Sprintf("%d/%d", d.Algorithm, d.KeyTag)] = true
	}
	id := strings.Join(slices.Sorted(maps.Keys(keys)), "+")
	c.ds[id] = &cached{until: now.Add(c.dsTTL), what: "DS " + id, keys: keys}
}

// judge returns the first mixture that a validator would refuse.
func (c *caches) judge(now time.Time) error {
	for _, m := range []map[string]*cached{c.keys, c.sets, c.ds} {
		maps.DeleteFunc(m, func(_ string, e *cached) bool { return !e.until.After(now) })
	}
	watched := false
	for _, ds := range c.ds {
		if len(ds.keys) == 0 {
			continue
		}
		watched = true
		for _, d := range c.keys {
			c.mixes++
			if err := leadsOn(ds.keys, func(k string) bool { return ds.keys[k] && d.keys[k] && d.signers[k] }); err != nil {
				return fmt.Errorf("%s: %s with %s signed by %v: %w", now, ds.what, d.what, slices.Sorted(maps.Keys(d.signers)), err)
			}
		}
	}
	if !watched {
		return nil
	}
	for _, d := range c.keys {
		for _, s := range c.sets {
			c.mixes++
			if err := leadsOn(d.keys, func(k string) bool { return d.keys[k] && s.signers[k] }); err != nil {
				return fmt.Errorf("%s: %s with %s: %w", now, d.what, s.what, err)
			}
		}
	}
	return nil
}

// leadsOn reports whether for each algorithm there is a key that does.
func leadsOn(keys map[string]bool, does func(string) bool) error {
	ok := map[string]bool{}
	for k := range keys {
		algorithm, _, _ := strings.Cut(k, "/")
		ok[algorithm] = ok[algorithm] || does(k)
	}
	for algorithm, good := range ok {
		if !good {
			return fmt.Errorf("nothing of algorithm %s leads on", algorithm)
		}
	}
	return nil
}

// life of a zone under observation: its signers, its parent, all caches.
type observed struct {
	t       *testing.T
	p       *place
	signers []*signer
	parent  *upper
	caches  *caches
	delay   time.Duration // from a new CDS to the DS
	asked   string        // CDS that the parent acts on, and when it does
	acts    time.Time
	late    bool // the second server is still to follow
	down    bool
	many    bool // signers
	wrong   bool // the clock is, and signatures with it
}

// observe starts signers on one store, under one parent.
func observe(t *testing.T, p *place, n int) *observed {
	o := unobserved(t, p)
	o.many = n > 1
	for range n {
		o.signers = append(o.signers, o.start())
	}
	o.look()
	return o
}

// unobserved is what observe begins with: a parent and caches, and no signer.
func unobserved(t *testing.T, p *place) *observed {
	o := &observed{t: t, p: p, parent: newUpper("ns1.org.", "ns2.org."), caches: newCaches(p), delay: time.Hour}
	o.parent.ttl = uint32(p.policy.DSTTL / time.Second)
	p.poll = day
	return o
}

// start starts a signer. One that is alone need not look for others' news.
func (o *observed) start() *signer {
	s := o.p.attended(o.t, o.parent)
	if !o.many {
		s.loop.mu.Lock()
		s.loop.agenda.Remove(s.label(), workNews)
		s.loop.mu.Unlock()
	}
	return s
}

// stop ends the signers.
func (o *observed) stop() {
	for _, s := range o.signers {
		s.loop.stop()
	}
}

// run lets time pass, from one thing on the agendas to the next.
func (o *observed) run(span time.Duration, each func()) {
	o.t.Helper()
	end := time.Now().Add(span)
	for time.Now().Before(end) {
		next := end
		if !o.acts.IsZero() && o.acts.Before(next) {
			next = o.acts
		}
		for _, s := range o.signers {
			s.loop.mu.Lock()
			for _, i := range s.loop.agenda.All() {
				if when := i.When.Add(-time.Duration(o.p.jump.Load())); i.What != workNews && when.Before(next) {
					next = when
				}
			}
			s.loop.mu.Unlock()
		}
		time.Sleep(max(time.Until(next), time.Second)) // in the bubble's clock
		synctest.Wait()
		o.look()
		if each != nil {
			each()
		}
	}
}

// look shows the caches what there is, lets the parent act, and judges.
func (o *observed) look() {
	o.t.Helper()
	now := time.Now()
	for _, s := range o.signers {
		if v := s.served.Load(); v != nil {
			o.caches.serve(now, v.signed)
			if left := time.Unix(v.signed.Expiry, 0).Sub(now); left < o.p.policy.Refresh-time.Hour && !o.wrong && !v.signed.Unsigned {
				o.t.Fatalf("%s are left of a signature", left)
			}
		}
	}
	o.follow(now)
	o.parent.mu.Lock()
	for _, n := range o.parent.names {
		o.caches.delegate(now, o.parent.ds[n])
	}
	o.parent.mu.Unlock()
	if err := o.caches.judge(now); err != nil {
		o.t.Fatal(err)
	}
}

// follow has the parent act on CDS after its delay; one server is later still.
func (o *observed) follow(now time.Time) {
	s := o.signers[0]
	v := s.served.Load()
	if v == nil || o.down {
		return
	}
	var want string
	if set, ok := v.signed.ApexSet(59); ok {
		for rd := range set.RData {
			want += fmt.Sprintf("%x ", rd)
		}
	}
	if want != "" && want != o.asked {
		o.asked, o.acts, o.late = want, now.Add(o.delay), false
	}
	if o.acts.IsZero() || now.Before(o.acts) || want == "" {
		return
	}
	name := o.parent.names[0]
	if o.late {
		name = o.parent.names[1]
	}
	o.parent.follow(o.t, s, name)
	o.late, o.acts = !o.late, o.acts.Add(o.p.policy.ParentPropagation/2)
	if !o.late {
		o.acts = time.Time{}
	}
}
