package autosign

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// beyond is what a signer knows of the world outside its zone.
type beyond struct {
	inst       *instance // that the zone belongs to
	watch      watch
	herald     herald
	wanted     atomic.Pointer[localDS] // with parent local, what the parent is to have; nil: that is not known yet
	localFault string                  // why there is no such parent, as it was told last
	localWaits string                  // what such a parent is waited for
	localTries int                     // since that changed
	localNext  time.Time               // when it is looked at again
	begun      rollover.KeySet         // before the keys were looked at by this process
	asked      map[string]bool         // what was told of DS records for the parent: IDs of keys, false where they are to go
	leftLocal  bool                    // the DS went from a parent in this process when the policy of before, with parent local, did
	listening  bool                    // it is looked whether another instance has changed the state; under the loop's lock
}

// prospect is what was known of the world when a zone's keys were looked at last.
type prospect struct {
	seen  rollover.Observation
	facts rollover.Facts
	keys  map[string]key.Key // by ID

	others otherViews
	theirs map[string]key.Key // of other views, by ID
}

// attend has the zone's parent looked at, and told, through o.
func (s *signer) attend(i *instance, o outside) {
	s.inst = i
	now := func() time.Time { return s.clock.now().UTC() }
	w := &s.watch
	w.zone, w.origin, w.policy, w.ask, w.now, w.tell = s.zone, s.origin, s.policy, o, now, s.tell
	w.wake = func() { s.loop.ask(s) }
	w.plan = func(t time.Time) { s.loop.hasten(s, workParent, t) }
	h := &s.herald
	h.zone, h.policy, h.ask, h.now, h.tell = s.zone, s.policy, o, now, s.tell
	h.plan = func(t time.Time) { s.loop.hasten(s, workNotify, t) }
	h.told = w.soon
}

// parentSight returns what is known of the parent, whichever kind it is of.
func (s *signer) parentSight(now time.Time) sighting {
	if s.policy.ParentLocal && s.inst != nil {
		set := s.begun
		if l := s.life.Load(); l != nil {
			set = l.doc.KeySet
		}
		v := s.localSight(withOthers(s.publicKeys(&set), s.othersKeys()), now)
		doubt := s.watch.sight(now)
		v.freeze, v.until = doubt.freeze, doubt.until
		return v
	}
	return s.watch.sight(now)
}

// beginBeyond takes in the document with which this process begins.
func (s *signer) beginBeyond(doc *state.Document, now time.Time) {
	s.begun = doc.KeySet
	s.watch.begin(now, doc.Published)
}

// publicKeys returns the keys of a set as they are in the key store, by ID,
// without the revoke bit.
func (s *signer) publicKeys(set *rollover.KeySet) map[string]key.Key {
	keys := map[string]key.Key{}
	for _, e := range s.box.known {
		if k := set.Key(e.ID); k != nil && e.Err == nil && plain(e.Key).PublicDigest() == k.PublicDigest {
			keys[e.ID] = plain(e.Key)
		}
	}
	return keys
}

// follow has whatever lies outside the zone follow its keys: what is looked for
// at the parent, what the parent is told, and what a parent in this process has.
// The document is stored.
func (s *signer) follow(doc *state.Document, seen rollover.Observation) {
	w := s.box.others.wish(&doc.KeySet)
	keys, theirs := s.publicKeys(&doc.KeySet), s.othersKeys()
	e := expectation{set: doc.KeySet, keys: keys, theirs: theirs, hosts: s.hosts()}
	for _, t := range doc.UsedTags {
		e.digests = append(e.digests, t.PublicDigest)
	}
	s.watch.expect(e)
	if v := s.served.Load(); v != nil && v.shape == shapeOf(doc) && w.waits == "" {
		s.herald.serve(&doc.KeySet, v.since)
	}
	s.want(&doc.KeySet, w, withOthers(keys, theirs))
	s.awaitLocal(waitsFor(&doc.KeySet))
	s.remind(&doc.KeySet, w)
	if !s.policy.NoParent {
		measureParent(s.zone, s.view, &doc.KeySet, seen)
	}
}

// awaitLocal has the zone look at its parent in this process again, as long as it
// waits for that. Usually the parent is faster, and has the zone look.
func (s *signer) awaitLocal(waits string) {
	if !s.policy.ParentLocal || waits == "" {
		s.localWaits = waits
		return
	}
	if waits != s.localWaits {
		s.localWaits, s.localTries, s.localNext = waits, 0, time.Time{}
	}
	now := s.clock.now()
	if now.Before(s.localNext) {
		return
	}
	s.localNext = now.Add(paceOf(s.policy).next(s.zone, true, s.localTries))
	s.localTries++
	s.loop.hasten(s, workParent, s.localNext)
}

// withOthers returns the keys of a view with those of the others.
func withOthers(own, theirs map[string]key.Key) map[string]key.Key {
	all := maps.Clone(theirs)
	maps.Copy(all, own)
	return all
}

// remind tells once of each DS record that the parent still lacks, or has and is
// not to have: after it was decided, and after a start.
func (s *signer) remind(set *rollover.KeySet, w wish) {
	if w.waits != "" {
		return
	}
	told := map[string]bool{}
	for i := range set.Keys {
		k := &set.Keys[i]
		state, wanted := k.Status(rollover.DS).State, w.wants(k.ID)
		if missing := state == rollover.Rumoured && k.DSSeen.IsZero(); !missing && (state != rollover.Unretentive || wanted || !k.DSGone.IsZero()) {
			continue
		}
		before, known := s.asked[k.ID]
		told[k.ID] = wanted
		switch {
		case known && before == wanted:
		case wanted:
			s.tellDS(k, "put it into the parent zone, where it was not seen yet")
		case !s.policy.NoParent:
			s.tellGone(k)
		}
	}
	s.asked = told
}

// dsWhy says what is to be done about a DS record at the parent, unless the
// parent needs nobody for that.
func dsWhy(p policy.Policy, do string) string {
	switch {
	case p.NoParent:
		return "there is no parent: it is for validators that have it as a trust anchor"
	case p.ParentLocal:
		return "the parent is a zone of this server, which sees to it"
	case p.CDS:
		return do + ", if the parent does not follow CDS"
	}
	return do
}

// hasten puts an errand on the agenda, unless it is there for an earlier moment.
func (l *loop) hasten(s *signer, what string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.agenda.Hasten(s.label(), what, at)
	l.nudge()
}

// errand has the world outside asked or told something for a zone, beside its
// passes. The lock is held.
func (l *loop) errand(s *signer, what string) {
	l.done.Go(func() {
		select {
		case l.errands <- struct{}{}:
			defer func() { <-l.errands }()
		case <-l.ctx.Done():
			return
		}
		do := s.watch.look
		switch {
		case what == workNotify:
			do = s.herald.send
		case s.policy.ParentLocal: // a pass sees for itself
			do = func(ctx context.Context) time.Time { l.ask(s); return s.watch.look(ctx) }
		}
		if next := do(l.ctx); !next.IsZero() {
			l.hasten(s, what, next)
		}
	})
}

// asksOutside reports whether work is done beside the passes.
func asksOutside(what string) bool { return what == workParent || what == workNotify }
