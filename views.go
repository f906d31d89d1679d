package autosign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// The views of a zone are signed each by itself: every one has a document, keys
// in it, and rolls of its own. What they have in common is the key store and the
// parent, whose one DS set has to lead to the keys of each. So the parent is asked
// for what all views want together, and a DS that any of them wants stays.

// otherViews is what the zone's other views have stored.
type otherViews struct {
	views []otherView
	lost  error // why it is not known
}

// otherView is another view of the zone.
type otherView struct {
	name string // of its document
	doc  *state.Document
}

// wish is what the parent is asked for.
type wish struct {
	keys   []rollover.Key // whose DS it is to have
	remove bool           // it is to have none at all
	waits  string         // why it is asked for nothing, and keeps what it has; empty: it is
}

// wants reports whether the parent is to have the DS of a key.
func (w wish) wants(id string) bool {
	return slices.ContainsFunc(w.keys, func(k rollover.Key) bool { return k.ID == id })
}

// lookAtOthers reads what the zone's other views have stored.
func (s *signer) lookAtOthers(ctx context.Context) {
	if s.view == "" && (s.inst == nil || len(s.inst.relations().byOrigin[string(s.origin)]) < 2) {
		return
	}
	list, err := s.docs.others(ctx)
	list = slices.DeleteFunc(list, func(o otherView) bool {
		return !o.doc.Published && len(o.doc.KeySet.Keys) == 0 || o.doc.Policy.NoParent
	})
	s.box.others = otherViews{list, err}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.warnOnce(fmt.Sprintf("what other views of the zone want of the parent is not known, and it is asked for nothing new: %v", err))
	}
}

// wish returns what a view and those beside it ask of the parent. Views may have
// different keys: then the DS set leads to those of each. They must agree on
// whether there is a DS, and on its algorithms: a view that has not come so far,
// or has not followed, has everybody wait.
func (b otherViews) wish(own *rollover.KeySet) wish {
	if b.lost != nil {
		return wish{waits: "the state of another view of the zone, which cannot be read: " + b.lost.Error()}
	}
	w := wish{keys: delegated(own), remove: own.Withdrawn()}
	for _, v := range b.views {
		theirs := delegated(&v.doc.KeySet)
		if !slices.Equal(algorithmsOf(delegated(own)), algorithmsOf(theirs)) {
			return wish{waits: fmt.Sprintf("another view of the zone, which is to have a DS of the same algorithms, or none, too (%s)", v.name)}
		}
		w.remove = w.remove || v.doc.KeySet.Withdrawn()
		for _, k := range theirs {
			if !w.wants(k.ID) {
				w.keys = append(w.keys, k)
			}
		}
	}
	if len(b.views) > 0 { // all views say the same in the same order
		slices.SortFunc(w.keys, func(x, y rollover.Key) int { return cmp.Compare(x.ID, y.ID) })
	}
	return w
}

// delegated returns the keys of which a key set has a DS shown.
func delegated(set *rollover.KeySet) (keys []rollover.Key) {
	for _, id := range set.Delegated() {
		keys = append(keys, *set.Key(id))
	}
	return keys
}

// algorithmsOf returns the algorithms of keys, each once.
func algorithmsOf(keys []rollover.Key) (list []policy.Algorithm) {
	for _, k := range keys {
		list = append(list, k.Algorithm)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// counted returns what was seen of the parent as it counts for a view. One that
// is to be without DS, or without one of an algorithm, is so only when no view has
// any: until then what it has withdrawn is still there, in effect. Otherwise a DS
// that it has withdrawn and that stays on account of others is theirs where the
// server has its own beside it: there it does no harm.
func (b otherViews) counted(seen rollover.Observation, own *rollover.KeySet) rollover.Observation {
	if len(b.views) == 0 {
		return seen
	}
	w, wanted := b.wish(own), algorithmsOf(delegated(own))
	seen.Servers = slices.Clone(seen.Servers)
	for i := range seen.Servers {
		there := seen.Servers[i].Keys
		ours := slices.DeleteFunc(delegated(own), func(k rollover.Key) bool { return !slices.Contains(there, k.ID) })
		has := slices.DeleteFunc(slices.Clone(there), func(id string) bool {
			k := own.Key(id)
			return k != nil && !k.Status(rollover.DS).State.Shown() && k.Status(rollover.DS).Goal == rollover.Hidden &&
				slices.Contains(algorithmsOf(ours), k.Algorithm) && b.holds(id) && (w.waits != "" || w.wants(id))
		})
		for _, k := range own.Keys {
			if k.Status(rollover.DS).State == rollover.Unretentive && !slices.Contains(wanted, k.Algorithm) && !slices.Contains(has, k.ID) &&
				slices.ContainsFunc(there, func(id string) bool { o := b.key(id); return o != nil && o.Algorithm == k.Algorithm }) {
				has = append(has, k.ID)
			}
		}
		seen.Servers[i].Keys = has
	}
	return seen
}

// holds reports whether another view has not seen the end of a key's DS.
func (b otherViews) holds(id string) bool {
	return slices.ContainsFunc(b.views, func(v otherView) bool {
		k := v.doc.Key(id)
		return k != nil && k.Status(rollover.DS).State != rollover.Hidden
	})
}

// explain puts into the reasons of a view what it waits for on account of others.
func (b otherViews) explain(reasons []rollover.Reason, own *rollover.KeySet) {
	w := b.wish(own)
	for i := range reasons {
		r := &reasons[i]
		if r.Record != rollover.DS || r.Key == "" || r.State == rollover.Hidden {
			continue
		}
		switch gone := r.State == rollover.Unretentive; {
		case w.waits != "" && r.State != r.Goal && r.When.IsZero():
			r.Waiting, r.Do = w.waits, ""
		case w.waits != "":
			r.Do = ""
		case gone && w.wants(r.Key):
			r.Waiting, r.Do = "another view of the zone, which still needs this DS", ""
		}
	}
}

// key returns a key of another view; nil if none has it.
func (b otherViews) key(id string) *rollover.Key {
	for _, v := range b.views {
		if k := v.doc.Key(id); k != nil {
			return k
		}
	}
	return nil
}

// uses reports whether caches may have anything of a key from another view, or
// whether that is not known.
func (b otherViews) uses(id string) bool {
	return b.lost != nil || slices.ContainsFunc(b.views, func(v otherView) bool {
		k := v.doc.Key(id)
		return k != nil && !k.Gone()
	})
}

// othersKeys returns the keys of other views, by ID.
func (s *signer) othersKeys() map[string]key.Key {
	keys := map[string]key.Key{}
	for _, v := range s.box.others.views {
		for id, k := range s.publicKeys(&v.doc.KeySet) {
			keys[id] = k
		}
	}
	return keys
}

// tellOthers has the zone's other views in this process work, if what this one
// wants of the parent is another thing than before.
func (s *signer) tellOthers(before *life, set *rollover.KeySet) {
	wants := func(set *rollover.KeySet) string { return fmt.Sprint(set.Delegated(), set.Withdrawn()) }
	if before != nil && wants(&before.doc.KeySet) == wants(set) || s.inst == nil {
		return
	}
	for _, o := range s.inst.relations().byOrigin[string(s.origin)] {
		if o != s && o.loop != nil {
			o.loop.ask(o)
		}
	}
}
