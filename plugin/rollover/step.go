// Package rollover decides what becomes of a zone's keys. Each key has four
// records (its DNSKEY, its signatures over the DNSKEY set and over the rest, its
// DS), each record one of four states and a goal; a rollover of any kind is
// nothing but goals, and rules say which step towards them is safe now. The
// model is that of Schaeffer, Overeinder and Mekking's "Flexible and Robust Key
// Rollover in DNSSEC", which BIND and OpenDNSSEC use too.
//
// Step is the only entrance. It is pure: it reads no clock and touches nothing;
// what is to be done comes back as data.
package rollover

import (
	"reflect"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Step decides what a key set becomes at a moment. Called twice at one moment it
// changes nothing the second time; called too early it changes nothing; called
// late it only delays.
func Step(now time.Time, p policy.Policy, f Facts, s KeySet) Plan {
	return StepWithout("", now, p, f, s)
}

// StepWithout is Step with one of RuleNames switched off. It is for tests of
// whatever is to notice that: a zone run by it breaks.
func StepWithout(off string, now time.Time, p policy.Policy, f Facts, s KeySet) Plan {
	st := &step{now: now.UTC(), p: p, f: f, off: off, set: s.Clone()}
	st.run()
	st.plan.KeySet = st.set
	st.plan.Changed = !reflect.DeepEqual(st.set, s)
	st.explain()
	return st.plan
}

// step is a Step under way.
type step struct {
	now   time.Time
	p     policy.Policy
	f     Facts
	off   string // rule that is switched off
	set   KeySet
	plan  Plan
	tried KeySet // of trial
	t     timing

	standing []standing // rolls that cannot begin, for Reasons
}

// standing is a roll that has not begun.
type standing struct {
	role    policy.Role
	when    time.Time
	waiting string
}

func (st *step) run() {
	st.t = newTiming(st.now, &st.p, &st.set)
	if st.f.Freeze != "" {
		return
	}
	st.straighten()
	st.confirm()
	st.observe()
	for again := true; again; {
		st.standing, st.plan.Make = nil, nil
		again = st.settle()
		again = st.want() || again
		again = st.move() || again
	}
	st.forget()
}

// straighten sets moments in the future from which holds run to now: they are of
// a clock that was wrong, and the holds begin again. What lives run from is left
// as it is: a clock far behind would end them all when it is put right.
func (st *step) straighten() {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		for _, t := range []*time.Time{&k.Revoked, &k.DSSeen, &k.DSGone} {
			st.past(t)
		}
		for r := range records {
			st.past(&k.Records[r].Since)
		}
	}
	st.past(&st.set.StrangeDS.Gone)
}

func (st *step) past(t *time.Time) {
	if t.After(st.now) {
		*t = st.now
	}
}

// confirm begins the holds of moves that are being served. A DS is no part of
// the zone; its move is confirmed with the CDS that asks for it.
func (st *step) confirm() {
	if st.f.Served.IsZero() {
		return
	}
	for i := range st.set.Keys {
		for r := range records {
			s := &st.set.Keys[i].Records[r]
			if s.Pending {
				s.Pending, s.Since = false, later(s.Since, st.f.Served)
				st.past(&s.Since)
			}
		}
	}
}

// observe takes in what the servers of the parent have.
func (st *step) observe() {
	o := st.f.Parent
	if st.p.NoParent || o.At.IsZero() || len(o.Servers) == 0 {
		return
	}
	at := o.At
	st.past(&at)
	if o.TTL > 0 {
		st.set.DSTTL.Serve(at, o.TTL)
	}
	st.observeStrange(at)
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		has, lacks, unknown := o.count(k.ID)
		st.delegation(k, at, has, lacks, unknown)
	}
}

// delegation brings what is known of a key's DS to what was seen. A DS that is
// somewhere is a fact, wanted or not; what nobody knows changes nothing.
func (st *step) delegation(k *Key, at time.Time, has, lacks, unknown int) {
	if k.Insisted {
		agreed := !k.DSSeen.IsZero() && lacks+unknown == 0 || !k.DSGone.IsZero() && has+unknown == 0
		k.Insisted = !agreed
		return
	}
	if s := k.Records[DS]; s.Pending || at.Before(s.Since) || at.Before(later(k.DSSeen, k.DSGone)) {
		return // what was seen before a move, or before what is known, is no answer to it
	}
	if has > 0 {
		k.DSGone = time.Time{}
	}
	if lacks > 0 {
		k.DSSeen = time.Time{}
	}
	if has+lacks > 0 {
		k.ByHand = false
	}
	if has > 0 && lacks+unknown == 0 && k.DSSeen.IsZero() {
		k.DSSeen = at
	}
	if lacks > 0 && has+unknown == 0 && k.DSGone.IsZero() && k.state(DS) != Hidden && st.acted(k, at) {
		k.DSGone = at
	}
	s := k.Status(DS)
	switch {
	case has > 0 && s.State == Hidden && s.Goal == Omnipresent:
		st.set1(k, DS, Rumoured, at, "the parent has it")
	case has > 0 && s.State == Hidden:
		st.set1(k, DS, Unretentive, at, "the parent has it, though it should not")
	case lacks > 0 && has+unknown == 0 && s.State == Omnipresent:
		st.set1(k, DS, Rumoured, at, "no server of the parent has it any more")
	}
}

// acted reports whether a look that found no DS of a key shows that the parent
// has acted on its being withdrawn. A registry may have read the CDS before and
// publish it later: that every server has another DS that is wanted shows it, or,
// where none is wanted or there at all, that the time has passed which the parent
// takes.
func (st *step) acted(k *Key, at time.Time) bool {
	s := k.Records[DS]
	if s.State != Unretentive {
		return true
	}
	wanted := st.set.Delegated()
	if len(wanted) == 0 || st.f.Parent.bare() {
		return !at.Before(s.Since.Add(st.p.ZonePropagation + st.p.ParentPropagation))
	}
	return !slices.ContainsFunc(st.f.Parent.Servers, func(o Server) bool {
		return !slices.ContainsFunc(o.Keys, func(id string) bool { return slices.Contains(wanted, id) })
	})
}

// borneOut reports whether the last look at the parent still says what is
// remembered of a key's DS: one server does, and none says otherwise. A single
// wrong answer of a parent that then falls silent is not enough for a hold to end.
// Where there was no look yet, Unsure says what that means.
func (st *step) borneOut(k *Key) bool {
	if st.p.NoParent || k.ByHand || st.f.Parent.At.IsZero() {
		return true
	}
	has, lacks, _ := st.f.Parent.count(k.ID)
	if k.state(DS) == Unretentive {
		has, lacks = lacks, has
	}
	return has > 0 && lacks == 0
}

// set1 sets a record of a key as a fact, not as a move.
func (st *step) set1(k *Key, r Record, to State, since time.Time, why string) {
	s := k.Status(r)
	st.tell(k.ID, r.String(), s.State.String(), to.String(), why)
	s.State, s.Since, s.Pending = to, since, false
	k.began(change{k.ID, r, to}, st.now)
}

func (st *step) tell(key, record, from, to, why string) {
	st.plan.Moves = append(st.plan.Moves, Move{key, record, from, to, why})
}

// settle lets records whose hold is over be Omnipresent or Hidden: all of them
// at once, for what was shown together is known together, or else those that the
// rules let go alone.
func (st *step) settle() (changed bool) {
	var due []change
	for i := range st.set.Keys {
		for r := range records {
			if c, ok := st.due(&st.set.Keys[i], r); ok {
				due = append(due, c)
			}
		}
	}
	if st.settled(due...) {
		return len(due) > 0
	}
	for _, c := range due {
		changed = st.settled(c) || changed
	}
	return changed
}

// due returns what a record settles to, if its hold is over.
func (st *step) due(k *Key, r Record) (c change, ok bool) {
	if k.Records[r].Pending || r == DS && (st.f.Unsure != "" && !k.ByHand || !st.borneOut(k)) {
		return c, false
	}
	c = change{k.ID, r, k.state(r)}
	var at time.Time
	switch c.to {
	case Rumoured:
		c.to, at = Omnipresent, st.t.shown(k, r, &st.f)
	case Unretentive:
		c.to, at = Hidden, st.t.hidden(k, r, &st.f)
	}
	return c, !at.IsZero() && !at.After(st.now)
}

// trial returns a copy of the keys to try changes on. The next trial overwrites it.
func (st *step) trial() *KeySet {
	st.tried.Keys = append(st.tried.Keys[:0], st.set.Keys...)
	return &st.tried
}

// settled makes changes of records whose hold is over, if the rules allow.
func (st *step) settled(list ...change) bool {
	next := st.trial()
	for _, c := range list {
		s := next.Key(c.key).Status(c.record)
		*s = Status{State: c.to, Goal: s.Goal, Since: st.now}
	}
	if ok, _ := allowed(&st.set, next, st.p.Insecure, true, st.off); !ok {
		return false
	}
	for _, c := range list {
		why := "every cache has it"
		if c.to == Hidden {
			why = "no cache has it any more"
		}
		st.set1(st.set.Key(c.key), c.record, c.to, st.now, why)
	}
	return true
}

// forget notes keys of which nothing is left, and in time forgets them. While
// signatures move an older generation may still name them.
func (st *step) forget() {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		if k.Emergency && k.InService() && !slices.ContainsFunc(k.Records[:], func(s Status) bool { return !s.Settled() }) {
			k.Emergency = false
		}
		switch gone := k.Gone(); {
		case !gone:
			k.Removed = time.Time{} // a DS of it has turned up at the parent
		case k.Removed.IsZero():
			k.Removed = st.now
			st.tell(k.ID, "key", "retired", "removed", "nothing of it is left in any cache")
		}
	}
	if st.p.PurgeKeys <= 0 || st.f.Complete.IsZero() && st.set.Signed() || st.set.Hold != nil || st.f.Unsure != "" || st.strangers() {
		return // what is forgotten cannot be had back
	}
	st.set.Keys = slices.DeleteFunc(st.set.Keys, func(k Key) bool {
		purge := !k.Removed.IsZero() && !k.Removed.Add(st.p.PurgeKeys).After(st.now)
		if purge {
			st.tell(k.ID, "key", "removed", "forgotten", "purge_keys is over")
		}
		return purge
	})
}
