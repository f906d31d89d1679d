package rollover

import "time"

// Strange is what is remembered of DS records at the parent that belong to no
// key of the zone: as long as a cache may have one the zone must not be unsigned.
type Strange struct {
	Seen bool      `json:"seen,omitempty"`
	Gone time.Time `json:"gone,omitzero"` // since when no server of the parent has one; zero: they are there
}

// observeStrange takes in whether there are such DS records.
func (st *step) observeStrange(at time.Time) {
	o, s := &st.f.Parent, &st.set.StrangeDS
	answered := o.answered()
	switch {
	case len(o.Unknown) > 0:
		*s = Strange{Seen: true}
	case s.Seen && s.Gone.IsZero() && answered == len(o.Servers):
		s.Gone = at
	case s.Seen && !s.Gone.IsZero() && answered > 0 && !st.t.strangeGone().After(st.now):
		*s = Strange{}
	}
}

// strangeGone returns when no cache has a DS of other keys any more; zero: that
// hangs on the parent.
func (t timing) strangeGone() time.Time {
	if t.s.StrangeDS.Gone.IsZero() {
		return time.Time{}
	}
	return t.s.StrangeDS.Gone.Add(t.p.ParentPropagation + t.ttlDS(t.p.RetireSafety) + t.p.RetireSafety)
}

// strangers reports whether the parent vouches for other keys and none of ours, by
// the last look, or by what is remembered where nobody answered that.
func (st *step) strangers() bool {
	s, o := &st.set.StrangeDS, &st.f.Parent
	there := len(o.Unknown) > 0 || o.answered() == 0 && s.Seen && s.Gone.IsZero()
	return there && !st.p.NoParent && !st.set.has(func(k *Key) bool {
		has, _, _ := st.f.Parent.count(k.ID)
		return has > 0 || !k.DSSeen.IsZero()
	})
}

// watchedForOthers reports whether a validator may have a DS of other keys.
func (st *step) watchedForOthers() bool { return !st.p.NoParent && st.set.StrangeDS.Seen }
