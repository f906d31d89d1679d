package rollover

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// explain fills the plan's Reasons and Wake from the key set as it has become.
func (st *step) explain() {
	st.plan.Reasons = make([]Reason, 0, int(records)*len(st.set.Keys)+len(st.standing))
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		for r := range records {
			if s := k.Records[r]; r.of(k.Role) || s.State != Hidden {
				st.plan.Reasons = append(st.plan.Reasons, st.reason(k, r))
			}
		}
		if !k.Removed.IsZero() && st.p.PurgeKeys > 0 {
			st.wakeAt(k.Removed.Add(st.p.PurgeKeys))
		}
		if k.Retired.IsZero() {
			st.wakeAt(k.Retire)
		}
	}
	for _, w := range st.standing {
		st.plan.Reasons = append(st.plan.Reasons, Reason{Role: w.role, When: w.when, Waiting: w.waiting})
	}
	for _, r := range st.plan.Reasons {
		st.wakeAt(r.When)
	}
	if st.f.Freeze != "" {
		st.plan.Wake = st.f.Until
	}
}

// wakeAt has the plan call again at a moment to come.
func (st *step) wakeAt(t time.Time) {
	if t.After(st.now) && (st.plan.Wake.IsZero() || t.Before(st.plan.Wake)) {
		st.plan.Wake = t
	}
}

// reason explains one record.
func (st *step) reason(k *Key, r Record) Reason {
	s := k.Records[r]
	out := Reason{Key: k.ID, Tag: k.Tag, Role: k.Role, Record: r, State: s.State, Since: s.Since, Goal: s.Goal, Next: s.State}
	switch {
	case s.Pending: // its hold begins when it is served, now at the earliest
		soon := *k
		soon.Records[r].Since = st.now
		st.reasonHold(&out, &soon, r)
		out.Waiting = "a version of the zone with it to be served"
	case s.State == Rumoured && s.Goal == Omnipresent || s.State == Unretentive && s.Goal == Hidden:
		st.reasonHold(&out, k, r)
	case s.State == s.Goal:
		if r == DS {
			out.Do = st.sayDS(k)
		}
		return out
	default:
		out.Next = Rumoured
		if s.Goal == Hidden {
			out.Next = Unretentive
		}
		st.wakeForHold(k, r)
		out.Waiting = st.obstacle()
		if out.Waiting == "" {
			out.Waiting = st.blocked(k, r)
		}
	}
	if r == DS {
		out.Do = st.sayDS(k)
	}
	switch {
	case st.f.Freeze != "":
		out.Waiting, out.When = st.f.Freeze, st.f.Until
	case st.f.Unsure != "" && r == DS && !k.ByHand:
		out.Waiting, out.When = st.f.Unsure, time.Time{}
	}
	return out
}

// wakeForHold has the plan call again when a record settles, though it is to go
// the other way: others may wait for that.
func (st *step) wakeForHold(k *Key, r Record) {
	switch k.state(r) {
	case Rumoured:
		st.wakeAt(st.t.shown(k, r, &st.f))
	case Unretentive:
		st.wakeAt(st.t.hidden(k, r, &st.f))
	}
}

// reasonHold explains a record that waits for caches.
func (st *step) reasonHold(out *Reason, k *Key, r Record) {
	due := st.t.shown(k, r, &st.f)
	verb := "have it"
	out.Next = Omnipresent
	if out.State == Unretentive {
		due, verb, out.Next = st.t.hidden(k, r, &st.f), "have dropped it", Hidden
	}
	out.When = due
	switch {
	case due.IsZero() && r == DS:
		out.Waiting = st.waitParent(k, out.State)
	case due.IsZero():
		out.Waiting = "the zone's signatures to be made anew, each in its time"
	case due.After(st.now):
		out.Waiting = "every cache to " + verb
	case r == DS && !st.borneOut(k):
		out.Waiting, out.When = st.waitParent(k, out.State), time.Time{}
	default:
		out.Waiting = "other records of its algorithm, which would be without it"
	}
}

// waitParent says what the parent's servers have of a key's DS.
func (st *step) waitParent(k *Key, state State) string {
	o := &st.f.Parent
	if st.p.NoParent {
		return "an operator to say that validators have taken their trust anchors of it away"
	}
	if o.At.IsZero() || len(o.Servers) == 0 {
		return fmt.Sprintf("DS %d: the parent has not been asked yet, or did not answer", k.Tag) + nextLook(o)
	}
	has, lacks, _ := o.count(k.ID)
	seen := has
	word := "seen"
	if state == Unretentive {
		seen, word = lacks, "gone"
	}
	var silent []string
	for _, s := range o.Servers {
		if s.Err != "" && !slices.Contains(s.Keys, k.ID) {
			silent = append(silent, s.Name+": "+s.Err)
		}
	}
	text := fmt.Sprintf("DS %d %s at %d of %d servers of %s", k.Tag, word, seen, len(o.Servers), o.Zone)
	if silent != nil {
		text += " (" + strings.Join(silent, "; ") + ")"
	}
	return text + nextLook(o)
}

func nextLook(o *Observation) string {
	if o.Next.IsZero() {
		return ""
	}
	return ", next look at " + moment(o.Next)
}

// sayDS says what an operator has to do about a key's DS.
func (st *step) sayDS(k *Key) string {
	has, lacks, _ := st.f.Parent.count(k.ID)
	switch s := k.Records[DS]; {
	case st.p.NoParent && s.State == Rumoured:
		return fmt.Sprintf("give key %d to validators as a trust anchor, and say so; those that follow RFC 5011 take it by themselves", k.Tag)
	case st.p.NoParent && s.State == Unretentive && k.Revoked.IsZero():
		return fmt.Sprintf("take the trust anchor of key %d out of validators, and say so", k.Tag)
	case st.p.NoParent || st.p.ParentLocal || st.f.Parent.At.IsZero() && s.State == Omnipresent:
		return ""
	case s.State.Shown() && s.Goal == Omnipresent && (lacks > 0 || len(st.f.Parent.Servers) == 0) && k.DSSeen.IsZero():
		return fmt.Sprintf("have the parent publish the DS of key %d, if it does not follow CDS", k.Tag)
	case s.State == Unretentive && (has > 0 || len(st.f.Parent.Servers) == 0) && k.DSGone.IsZero():
		return fmt.Sprintf("have the parent take away the DS of key %d, if it does not follow CDS", k.Tag)
	}
	return ""
}

// blocked says what a record waits for that is not where its goal is.
func (st *step) blocked(k *Key, r Record) string {
	showing := k.Records[r].Goal == Omnipresent
	switch {
	case st.p.Insecure && !showing && st.unwatched() && st.watchedForOthers():
		st.wakeAt(st.t.strangeGone())
		return "the DS records of other keys at the parent" + tags(st.f.Parent.Unknown) + " to be gone, from it and from every cache"
	case r == ZRRSIG && !st.mayResign():
		return "signatures still move to the keys before"
	case r == ZRRSIG && showing:
		return st.firstOf(k, "its DNSKEY", DNSKEY)
	case r == ZRRSIG:
		return "its successor's DNSKEY to be known to every cache; the last signatures of an algorithm go after its DNSKEY"
	case r == DS && showing:
		return st.firstOf(k, "its DNSKEY and the signatures", DNSKEY, KRRSIG, ZRRSIG)
	case r == DS:
		return "another DS to be known to every cache"
	case showing:
		return "signatures of its algorithm to be known to every cache"
	case k.state(DS) != Hidden:
		return fmt.Sprintf("its DS to be gone from every cache (it is %s)", k.state(DS))
	case k.state(ZRRSIG) != Hidden:
		return fmt.Sprintf("its signatures to be gone from every cache (they are %s)", k.state(ZRRSIG))
	}
	return "the zone's other keys to be known to every cache"
}

// firstOf says which of a key's records keeps another from being shown.
func (st *step) firstOf(k *Key, what string, list ...Record) string {
	for _, r := range list {
		if r.of(k.Role) && k.state(r) != Omnipresent {
			return fmt.Sprintf("%s to be known to every cache (%s is %s)", what, r, k.state(r))
		}
	}
	return what + " of the zone's other keys to be known to every cache"
}
