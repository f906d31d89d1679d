package autosign

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/metrics"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// maxTurns bounds how often a pass brings the keys to the moment: each key that
// has to be made takes one.
const maxTurns = 8

// keysRetry is when it is tried again to make or to destroy a key.
const keysRetry = 10 * time.Minute

// life is what is known of a zone's keys since the last pass, for whoever asks.
// It is not changed once it is stored.
type life struct {
	at     time.Time
	doc    *state.Document
	policy policy.Policy // in force
	plan   rollover.Plan
	freeze string
	prospect
}

// moveKeys brings the document's keys to the moment, in the order that keeps a
// zone whole whatever stops the process: what is decided is stored before it
// shows; a key exists before the state names it; it is destroyed after the state
// that forgets it is stored. Next is when to look again.
func (s *signer) moveKeys(ctx context.Context, doc *state.Document, m moment) (*state.Document, error) {
	fresh := false
	for range maxTurns {
		t, err := turn(clone(doc), s.outlook(m))
		if err != nil {
			return nil, err
		}
		if t.changed {
			if doc, t, err = s.storeTurn(ctx, m); err != nil {
				return nil, err
			}
			s.tellMoves(t.plan)
			if m.frozen.IsZero() { // the document knows now
				s.clock.took(m.jump)
				m.jump = 0
			}
		}
		s.effective = t.policy
		s.noteLife(doc, t, m)
		if !fresh && len(t.plan.Make) > 0 {
			fresh = true // another instance may have made it meanwhile
			if _, err := s.box.list(ctx, s.effective.Scheme); err != nil {
				return nil, err
			}
			if doc, err = s.docs.load(ctx); err != nil {
				return nil, err
			}
			continue
		}
		made := false
		if doc, made, err = s.makeSpares(ctx, doc, t.plan, m); err != nil {
			return nil, err
		}
		if !made {
			break
		}
	}
	if m.frozen.IsZero() {
		s.clock.took(m.jump)
	}
	return s.destroyDoomed(ctx, doc)
}

// storeTurn turns the stored document. Who loses the race to another turns what
// that one has made of it.
func (s *signer) storeTurn(ctx context.Context, m moment) (doc *state.Document, t turned, err error) {
	local := false
	doc, err = s.docs.change(ctx, func(d *state.Document) error {
		local = d.Policy.ParentLocal
		if t, err = turn(d, s.outlook(m)); err != nil {
			return err
		}
		if !t.changed {
			t.plan.Moves = nil
			return errUnchanged
		}
		m.see(d)
		return nil
	})
	if err == nil {
		if s.leftLocal = !t.policy.ParentLocal && (local || s.leftLocal); local && s.leftLocal {
			s.tellLeft(&doc.KeySet)
		}
	}
	return doc, t, err
}

// outlook gathers what is known at a moment.
func (s *signer) outlook(m moment) outlook {
	w := outlook{policy: s.policy, asOf: s.asOf, entries: s.box.known, listed: s.box.away == nil, now: m.key,
		parent: s.parentSight(m.key), others: s.box.others, salt: make([]byte, 255)}
	rand.Read(w.salt) // never fails
	if m.frozen.IsZero() {
		w.jump = m.jump
	}
	if at := &w.parent.seen.At; w.jump > 0 && !at.IsZero() {
		*at = earlier(at.Add(w.jump), m.key)
	}
	switch {
	case !m.frozen.IsZero():
		w.freeze, w.until = "the clock jumped, and is not believed yet", m.frozen
	case s.box.away != nil:
		w.freeze = "the key store cannot be reached: " + s.box.away.Error()
	}
	if v := s.served.Load(); v != nil {
		w.shape, w.since = v.shape, v.since
		if w.jump > 0 && !v.since.IsZero() {
			w.since = earlier(v.since.Add(w.jump), m.key)
		}
	}
	return w
}

// noteLife keeps what is known of the keys, and tells of what changed in it.
func (s *signer) noteLife(doc *state.Document, t turned, m moment) {
	f := t.facts
	before := s.life.Swap(&life{at: m.key, doc: clone(doc), policy: t.policy, plan: t.plan, freeze: f.Freeze,
		prospect: prospect{seen: f.Parent, facts: f, keys: s.publicKeys(&doc.KeySet), others: s.box.others, theirs: s.othersKeys()}})
	switch was := before != nil && before.freeze != ""; {
	case t.frozen && !was:
		s.tell(event.Event{Kind: event.Frozen, Why: f.Freeze, Next: f.Until})
	case f.Freeze == "" && was:
		s.tell(event.Event{Kind: event.Thawed})
	}
	if t.older {
		s.warnOnce(fmt.Sprintf("the configuration here, of %s, is older than the one that set the stored policy, of %s, or came before it: "+
			"that one stays in force; touch the Corefile if this is the one to follow",
			s.asOf.UTC().Format(time.RFC3339), doc.PolicyAsOf.Format(time.RFC3339)))
	}
	if zskOnly(doc) && t.policy.Insecure {
		s.warnOnce("insecure on does nothing here: the private key of the KSK is elsewhere, and whoever has it takes the zone out of DNSSEC")
	}
	s.countKeys(&doc.KeySet)
	metrics.Roll(s.zone, s.view, gauges(t.plan, f.Freeze != "" || doc.KeySet.Hold != nil))
	s.tellWaits(t.plan)
	s.follow(doc, f.Parent)
	s.tellOthers(before, &doc.KeySet)
}

// gauges returns what metrics show of a plan.
func gauges(p rollover.Plan, frozen bool) metrics.Rollover {
	g := metrics.Rollover{Next: p.Wake, Frozen: frozen}
	count := map[metrics.RecordCount]int{}
	for _, r := range p.Reasons {
		if r.Key == "" {
			continue
		}
		count[metrics.RecordCount{Role: strings.ToLower(r.Role.String()), Record: strings.ToLower(r.Record.String()), State: r.State.String()}]++
		if r.State != r.Goal && !r.Since.IsZero() {
			g.Waiting = sooner(g.Waiting, r.Since)
		}
	}
	for c, n := range count {
		c.N = n
		g.Records = append(g.Records, c)
	}
	return g
}

// tellMoves makes an event of everything that a plan has changed.
func (s *signer) tellMoves(p rollover.Plan) {
	for _, m := range p.Moves {
		e := event.Event{Kind: event.KeyMoved, Key: m.Key, Record: m.Record, From: m.From, To: m.To, Why: m.Why}
		if k := p.KeySet.Key(m.Key); k != nil {
			e.Tag = k.Tag
		}
		for _, r := range p.Reasons {
			if r.Key == m.Key && (r.Record.String() == m.Record || m.Record == "key") {
				e.Next = sooner(e.Next, r.When)
			}
		}
		s.tell(e)
		s.tellLost(m, e)
	}
}

// makeSpares makes the keys that a plan asks for and puts them into the pool. A
// key that could not be made does not keep the zone from being signed; it is
// tried again.
func (s *signer) makeSpares(ctx context.Context, doc *state.Document, p rollover.Plan, m moment) (*state.Document, bool, error) {
	if s.box.away != nil {
		return doc, false, nil
	}
	made := false
	for _, k := range p.Make {
		e, err := s.spare(ctx, doc, k, m)
		if err != nil {
			s.tell(event.Event{Kind: event.KeyUnusable, Record: k.Role.String(), Err: err, Reason: "keystore",
				Why: "no new key could be made; it is tried again", Next: m.key.Add(keysRetry)})
			s.again = sooner(s.again, m.key.Add(keysRetry))
			continue
		}
		if doc, err = s.keepSpare(ctx, e); err != nil {
			return nil, false, err
		}
		made = true
	}
	return doc, made, nil
}

// spare returns a new key: one that this process has made before without being
// able to note it, or one made now. No tag is used twice (P2).
func (s *signer) spare(ctx context.Context, doc *state.Document, k rollover.Wanted, m moment) (state.Spare, error) {
	for _, x := range s.spares {
		if fits(x, k) && !doc.Names(x.ID) && usableSpare(x, s.box.known) {
			return x, nil
		}
	}
	e, err := s.box.store.Create(ctx, s.zone, keystore.Spec{Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits, Now: m.now, Spare: true,
		Used: func(tag uint16) bool { return doc.TagUsed(tag) || foreignTag(s.box.known, tag) }})
	if err != nil {
		return state.Spare{}, fmt.Errorf("making a %s in %s: %w", k.Role, s.dir, err)
	}
	s.box.known = append(slices.Clone(s.box.known), e)
	x := state.Spare{ID: e.ID, Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits, Tag: e.Key.Tag,
		PublicDigest: e.Key.PublicDigest(), Created: m.now}
	s.spares = append(s.spares, x)
	return x, nil
}

func fits(x state.Spare, k rollover.Wanted) bool {
	return x.Role == k.Role && x.Algorithm == k.Algorithm && x.Bits == k.Bits
}

// addSpare puts a key into the pool of a document, and notes the tags that it
// has and, as far as its files are at hand, would have revoked.
func addSpare(d *state.Document, x state.Spare, entries []keystore.Entry) error {
	if err := d.AddSpare(x); err != nil {
		return err
	}
	for _, e := range entries {
		if e.ID == x.ID {
			return d.UseTag(e.Key.RevokedTag(), x.PublicDigest)
		}
	}
	return nil
}

// foreignTag reports whether a key at hand has a tag, or would have it revoked.
func foreignTag(entries []keystore.Entry, tag uint16) bool {
	return slices.ContainsFunc(entries, func(e keystore.Entry) bool {
		return e.Key.Tag == tag || len(e.Key.Public) > 0 && plain(e.Key).RevokedTag() == tag
	})
}

// keepSpare puts a key into the pool. Where another instance has put one there
// that does as well, or one of its tag, ours goes again.
func (s *signer) keepSpare(ctx context.Context, x state.Spare) (*state.Document, error) {
	kept := false
	doc, err := s.docs.change(ctx, func(d *state.Document) error {
		if kept = d.Names(x.ID); kept {
			return errUnchanged
		}
		if slices.ContainsFunc(d.Pool, func(o state.Spare) bool {
			return o.Role == x.Role && o.Algorithm == x.Algorithm && o.Bits == x.Bits && usableSpare(o, s.box.known)
		}) {
			return errUnchanged
		}
		with := clone(d)
		err := addSpare(with, x, s.box.known)
		if errors.Is(err, state.ErrTagUsed) {
			return errUnchanged
		}
		if kept = err == nil; kept {
			*d = *with
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.spares = slices.DeleteFunc(s.spares, func(o state.Spare) bool { return o.ID == x.ID })
	if !kept {
		s.discard(ctx, x.ID)
		return doc, nil
	}
	s.tell(event.Event{Kind: event.KeyCreated, Key: x.ID, Tag: x.Tag, To: x.Role.String(), Why: "for the next roll, in " + s.dir})
	return doc, nil
}

// destroyDoomed destroys the private keys that the stored state has forgotten.
func (s *signer) destroyDoomed(ctx context.Context, doc *state.Document) (*state.Document, error) {
	if len(doc.Doomed) == 0 || s.box.away != nil {
		return doc, nil
	}
	var gone []string
	for _, id := range doc.Doomed {
		if s.discard(ctx, id) {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return doc, nil
	}
	return s.docs.change(ctx, func(d *state.Document) error {
		n := len(d.Doomed)
		d.Doomed = slices.DeleteFunc(d.Doomed, func(id string) bool { return slices.Contains(gone, id) })
		if len(d.Doomed) == n {
			return errUnchanged
		}
		return nil
	})
}

// discard has a key that the state does not name leave the key store, and
// reports whether it is none of ours any more. Another view of the zone may have
// it: then the files stay, as they do when nobody can tell.
func (s *signer) discard(ctx context.Context, id string) bool {
	named, err := s.docs.namedByOthers(ctx, id)
	if err != nil {
		s.warnOnce(fmt.Sprintf("key %s is no longer used, and is not destroyed yet: %v", id, err))
		s.again = sooner(s.again, s.clock.now().Add(keysRetry))
		return false
	}
	return named || s.destroy(ctx, id)
}

// destroy removes a key from the key store, and reports whether it is gone.
func (s *signer) destroy(ctx context.Context, id string) bool {
	if i := slices.IndexFunc(s.box.known, func(e keystore.Entry) bool { return e.ID == id }); i >= 0 {
		delete(s.box.open, s.box.known[i].Key.PublicDigest())
		s.box.known = slices.Delete(slices.Clone(s.box.known), i, i+1)
	}
	switch err := s.box.store.Destroy(ctx, s.zone, id); {
	case errors.Is(err, keystore.ErrNotExist):
		return true
	case err != nil:
		s.tell(event.Event{Kind: event.Warned, Key: id, Why: "a key that is no longer used could not be destroyed; it is tried again", Err: err})
		s.again = sooner(s.again, s.clock.now().Add(keysRetry))
		return false
	}
	s.tell(event.Event{Kind: event.KeyDestroyed, Key: id, Why: "the state has forgotten it"})
	return true
}

// confirm notes in the state that what the document says is being served: holds
// begin with that. It reports whether keys have moved on, so that another
// version is to be made.
func (s *signer) confirm(ctx context.Context, doc *state.Document, m moment) (*state.Document, bool, error) {
	v := s.served.Load()
	if v == nil || v.shape != shapeOf(doc) || !m.frozen.IsZero() {
		return doc, false, nil
	}
	complete := len(doc.Generations) == 1 && doc.Generations[0].Complete.IsZero()
	if !complete && !doc.KeySet.Pending() {
		return doc, false, nil
	}
	if now := s.clock.now().Truncate(time.Millisecond); now.After(m.key) {
		m.key = now
	}
	doc, err := s.moveKeys(ctx, doc, m)
	if err != nil {
		return nil, false, err
	}
	return doc, shapeOf(doc) != v.shape, nil
}

// nextTurn returns when the keys are to be looked at again.
func (s *signer) nextTurn(doc *state.Document) (next time.Time) {
	if l := s.life.Load(); l != nil {
		next = l.plan.Wake
	}
	if n := len(doc.Generations); n > 1 {
		next = sooner(next, doc.Generations[n-1].Since.Add(spreadOf(doc.Generations[n-1])))
	}
	next = sooner(next, s.again)
	s.again = time.Time{}
	return next
}
