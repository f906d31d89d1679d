package rollover

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// change is a record of a key on its way to another state.
type change struct {
	key    string
	record Record
	to     State
}

// attempt is changes that are made together, in one version of the zone, or not
// at all.
type attempt struct {
	changes []change
	why     string
	resigns bool // other keys sign the zone
	// unwatched changes may break what a validator would want, since none looks:
	// every DS is Hidden, and the zone is not signed before, or not after.
	unwatched bool
}

// move makes the first attempt that the rules allow, if any. Nothing is
// attempted before what was moved last is served.
func (st *step) move() bool {
	if st.obstacle() != "" {
		return false
	}
	for _, a := range st.attempts() {
		if len(a.changes) == 0 || a.resigns && !a.unwatched && !st.mayResign() || st.f.Unsure != "" && st.hangsOnDS(a) {
			continue
		}
		next := st.trial()
		for _, c := range a.changes {
			s := next.Key(c.key).Status(c.record)
			s.State, s.Since, s.Pending = c.to, st.now, true
		}
		if ok, _ := allowed(&st.set, next, st.p.Insecure, a.unwatched, st.off); ok {
			st.make(a)
			return true
		}
	}
	return false
}

// obstacle says why nothing at all may be moved; empty: it may.
func (st *step) obstacle() string {
	switch {
	case st.f.Freeze != "":
		return st.f.Freeze
	case st.set.Hold != nil:
		return "an operator to resume: held since " + moment(st.set.Hold.Since) + because(st.set.Hold.Why)
	case st.set.Pending():
		return "a version of the zone with what was moved last to be served"
	case st.strangers():
		return "an operator: the parent has DS records of other keys only" + tags(st.f.Parent.Unknown) + "; the state here may be an old one: " +
			"put back the right one, or take these DS records out of the parent zone"
	}
	return ""
}

// hangsOnDS reports whether an attempt is right only if the parent has what it
// is remembered to have.
func (st *step) hangsOnDS(a attempt) bool {
	return slices.ContainsFunc(a.changes, func(c change) bool {
		k := st.set.Key(c.key)
		return c.record == DS || c.to == Unretentive && c.record != ZRRSIG && k.Role.SignsDNSKEY() && !k.ByHand
	})
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func tags(list []uint16) string {
	if len(list) == 0 {
		return ""
	}
	words := make([]string, len(list))
	for i, t := range list {
		words[i] = strconv.Itoa(int(t))
	}
	return " (tag " + strings.Join(words, ", ") + ")"
}

// mayResign reports whether other keys may sign: not while signatures still
// move to the ones before.
func (st *step) mayResign() bool { return !st.f.Complete.IsZero() }

// make makes the changes of an attempt that was tried.
func (st *step) make(a attempt) {
	for _, c := range a.changes {
		st.tell(c.key, c.record.String(), st.set.Key(c.key).state(c.record).String(), c.to.String(), a.why)
	}
	st.set.Keys, st.tried.Keys = st.tried.Keys, st.set.Keys
	for _, c := range a.changes {
		k := st.set.Key(c.key)
		k.began(c, st.now)
		if c.record == DS { // what was seen or said before is no answer to this
			k.DSSeen, k.DSGone, k.ByHand, k.Insisted = time.Time{}, time.Time{}, false, false
		}
		if c.record == DS && c.to == Unretentive && st.p.NoParent && !st.p.Insecure && !k.Retired.IsZero() {
			k.Revoked = st.now // RFC 5011 section 2.1; there is no way back from it
		}
		if c.record == ZRRSIG && (a.unwatched || k.Emergency) {
			st.set.Urgent = true
		}
	}
}

// began notes that a key came into service with a change: it takes over what
// its predecessor did.
func (k *Key) began(c change, now time.Time) {
	duty := ZRRSIG
	if !k.Role.SignsZone() {
		duty = DS
	}
	if k.Active.IsZero() && c.record == duty && c.to == Rumoured {
		k.Active = now
	}
}

// attempts returns what could be done, in the order of preference.
func (st *step) attempts() (list []attempt) {
	list = append(list, st.begin(), st.leave())
	for _, a := range st.algorithms() {
		list = append(list, st.publish(a)...)
		list = append(list, st.sign(a))
		list = append(list, st.unpublish(a)...)
		list = append(list, st.unsign(a))
	}
	return append(list, st.delegate()...)
}

// algorithms returns the algorithms of the keys, ascending.
func (st *step) algorithms() (list []policy.Algorithm) {
	for i := range st.set.Keys {
		list = append(list, st.set.Keys[i].Algorithm)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// each makes changes of all keys' records that fit.
func (st *step) each(to State, fit func(*Key, Record) bool) (list []change) {
	for i := range st.set.Keys {
		k := &st.set.Keys[i]
		for r := range records {
			if r.changes(k, to) && fit(k, r) {
				list = append(list, change{k.ID, r, to})
			}
		}
	}
	return list
}

// changes reports whether a record is to be shown, or withdrawn, by its goal.
func (r Record) changes(k *Key, to State) bool {
	s := k.Records[r]
	if to == Rumoured {
		return s.Goal == Omnipresent && !s.State.Shown()
	}
	return s.Goal == Hidden && s.State.Shown()
}

// begin signs a zone that is not signed: everything at once, the DS apart.
func (st *step) begin() attempt {
	if !st.unwatched() || st.set.Signed() {
		return attempt{}
	}
	return attempt{changes: st.each(Rumoured, func(_ *Key, r Record) bool { return r != DS }),
		why: "the zone begins to be signed", resigns: true, unwatched: true}
}

// leave unsigns a zone whose keys are all to go: everything at once.
func (st *step) leave() attempt {
	wanted := st.set.has(func(k *Key) bool {
		return slices.ContainsFunc(k.Records[:], func(s Status) bool { return s.Goal == Omnipresent })
	})
	if !st.p.Insecure || !st.unwatched() || st.watchedForOthers() || wanted {
		return attempt{}
	}
	return attempt{changes: st.each(Unretentive, func(*Key, Record) bool { return true }),
		why: "the zone leaves DNSSEC", resigns: true, unwatched: true}
}

// unwatched reports whether no validator can have a DS of the zone.
func (st *step) unwatched() bool {
	return !st.set.has(func(k *Key) bool { return k.state(DS) != Hidden })
}

// publish shows the DNSKEYs of an algorithm, with their signatures over the set:
// one by one, or all of them in one version.
func (st *step) publish(a policy.Algorithm) (list []attempt) {
	const why = "it is to be known before it is needed"
	all := st.each(Rumoured, func(k *Key, r Record) bool { return k.Algorithm == a && (r == DNSKEY || r == KRRSIG) })
	return append(apart(all, why), attempt{changes: all, why: why})
}

// apart makes an attempt of each key's changes.
func apart(all []change, why string) (list []attempt) {
	for _, c := range all {
		if n := len(list); n > 0 && list[n-1].changes[0].key == c.key {
			list[n-1].changes = append(list[n-1].changes, c)
		} else {
			list = append(list, attempt{changes: []change{c}, why: why})
		}
	}
	return list
}

// sign has new keys of an algorithm sign the zone: in the place of those that
// retire, or, for an algorithm of which no DNSKEY is to be seen, before it is.
func (st *step) sign(a policy.Algorithm) attempt {
	fresh := st.each(Rumoured, func(k *Key, r Record) bool { return k.Algorithm == a && r == ZRRSIG })
	retiring := st.each(Unretentive, func(k *Key, r Record) bool {
		return k.Algorithm == a && r == ZRRSIG && k.state(ZRRSIG) == Omnipresent
	})
	seen := st.set.has(func(k *Key) bool { return k.Algorithm == a && k.state(DNSKEY) != Hidden })
	switch {
	case len(fresh) == 0 && st.signer(a):
		return attempt{changes: retiring, why: "another key's signatures are known to every cache", resigns: true}
	case len(fresh) == 0:
		return attempt{}
	case len(retiring) > 0:
		return attempt{changes: append(fresh, retiring...), why: "its successor's DNSKEY is known to every cache", resigns: true}
	case seen && st.signer(a):
		return attempt{changes: fresh, why: "it is in service beside others", resigns: true}
	case seen && st.signing(a):
		return attempt{} // another is about to retire: its signatures are still spreading
	}
	return attempt{changes: fresh, why: "an algorithm's signatures come before its DNSKEY", resigns: true}
}

// signer reports whether a key of an algorithm is known to sign, and stays.
func (st *step) signer(a policy.Algorithm) bool {
	return st.set.has(func(k *Key) bool {
		return k.Algorithm == a && k.Records[ZRRSIG].Goal == Omnipresent && signed([]*Key{k})
	})
}

// signing reports whether a key of an algorithm has signatures in the zone.
func (st *step) signing(a policy.Algorithm) bool {
	return st.set.has(func(k *Key) bool { return k.Algorithm == a && k.state(ZRRSIG) != Hidden })
}

// unpublish withdraws DNSKEYs for which nothing stands any more, one by one; the
// last ones of an algorithm in one version, while their signatures stay.
func (st *step) unpublish(a policy.Algorithm) []attempt {
	idle := st.each(Unretentive, func(k *Key, r Record) bool {
		return k.Algorithm == a && (r == DNSKEY || r == KRRSIG) && k.state(DS) == Hidden && k.state(ZRRSIG) == Hidden
	})
	list := apart(idle, "no cache has anything that needs it")
	stays := st.set.has(func(k *Key) bool {
		return k.Algorithm == a && k.state(DNSKEY) != Hidden && (k.Records[DNSKEY].Goal != Hidden || k.state(DS) != Hidden)
	})
	if stays {
		return list
	}
	return append(list, attempt{why: "no cache has a DS of its algorithm", changes: st.each(Unretentive, func(k *Key, r Record) bool {
		return k.Algorithm == a && (r == DNSKEY || r == KRRSIG)
	})})
}

// unsign ends signing by keys whose DNSKEY no cache has any more.
func (st *step) unsign(a policy.Algorithm) attempt {
	return attempt{why: "no cache has its DNSKEY any more", resigns: true, changes: st.each(Unretentive, func(k *Key, r Record) bool {
		return k.Algorithm == a && r == ZRRSIG && k.state(DNSKEY) == Hidden
	})}
}

// delegate asks the parent for other DS records. The parent puts a new set in
// the place of the old one.
func (st *step) delegate() []attempt {
	fresh := st.each(Rumoured, func(_ *Key, r Record) bool { return r == DS })
	old := st.each(Unretentive, func(_ *Key, r Record) bool { return r == DS })
	switch {
	case st.p.Insecure:
		return []attempt{{changes: old, why: "the zone leaves DNSSEC"}}
	case st.p.NoParent:
		return st.anchors(fresh, old)
	}
	drop := attempt{changes: old, why: "another DS leads to the zone"}
	if len(fresh) == 0 {
		return []attempt{drop}
	}
	return []attempt{{changes: slices.Concat(fresh, old), why: "its DNSKEY and signatures are known to every cache"}, drop}
}

// anchors has validators take up new trust anchors, and, when they all have one,
// revokes the old (RFC 5011): nobody swaps them.
func (st *step) anchors(fresh, old []change) []attempt {
	fresh = slices.DeleteFunc(fresh, func(c change) bool { return !leads(st.set.Key(c.key)) })
	if !st.set.has(func(k *Key) bool {
		return k.Records[DS].Settled() && k.Records[DS].Goal == Omnipresent
	}) {
		old = nil
	}
	return []attempt{
		{changes: fresh, why: "its DNSKEY and signatures are known to every cache"},
		{changes: old, why: "every validator trusts another key"},
	}
}
