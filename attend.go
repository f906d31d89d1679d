package autosign

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
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
	reminded   bool                    // of DS records that the parent was to have at the start
	listening  bool                    // it is looked whether another instance has changed the state; under the loop's lock
}

// prospect is what was known of the world when a zone's keys were looked at last.
type prospect struct {
	seen  rollover.Observation
	facts rollover.Facts
	keys  map[string]key.Key // by ID
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
		return s.localSight(s.publicKeys(&set), now)
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
func (s *signer) follow(doc *state.Document, plan rollover.Plan, seen rollover.Observation) {
	keys := s.publicKeys(&doc.KeySet)
	e := expectation{set: doc.KeySet, keys: keys}
	for _, t := range doc.UsedTags {
		e.digests = append(e.digests, t.PublicDigest)
	}
	s.watch.expect(e)
	if v := s.served.Load(); v != nil && v.shape == shapeOf(doc) {
		s.herald.serve(&doc.KeySet, v.since)
	}
	s.want(&doc.KeySet, keys)
	s.awaitLocal(waitsFor(&doc.KeySet))
	s.remind(doc, plan)
	if s.policy.NoParent {
		return
	}
	measureParent(s.zone, s.view, &doc.KeySet, seen)
	for _, m := range plan.Moves {
		k, ok := keys[m.Key]
		if ok && m.Record == rollover.DS.String() && m.To == rollover.Unretentive.String() {
			s.tell(event.Event{Kind: event.DSToRemove, Key: m.Key, Tag: k.Tag, Record: dsText(s.origin, k),
				Why: dsWhy(s.policy, "once it has the others that are wanted, have it taken away there")})
		}
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

// remind tells once after a start of the DS records that the parent still lacks.
func (s *signer) remind(doc *state.Document, plan rollover.Plan) {
	if s.reminded {
		return
	}
	s.reminded = true
	for i := range doc.KeySet.Keys {
		k := &doc.KeySet.Keys[i]
		told := slices.ContainsFunc(plan.Moves, func(m rollover.Move) bool { return m.Key == k.ID && m.Record == rollover.DS.String() })
		if !told && k.Status(rollover.DS).State == rollover.Rumoured && k.DSSeen.IsZero() {
			s.tellDS(k, "put it into the parent zone, where it was not seen yet")
		}
	}
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
			do = func(context.Context) time.Time { l.ask(s); return time.Time{} }
		}
		if next := do(l.ctx); !next.IsZero() {
			l.hasten(s, what, next)
		}
	})
}

// asksOutside reports whether work is done beside the passes.
func asksOutside(what string) bool { return what == workParent || what == workNotify }
