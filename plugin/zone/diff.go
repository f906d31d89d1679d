package zone

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Change is a name that differs between two versions of a zone: its records,
// or what it is.
type Change struct {
	Key          []byte // relative to the origin
	Old, New     Pos
	InOld, InNew bool
}

// Diff yields the names in which two versions of a zone differ, in canonical
// order. Shared blocks cost one comparison.
func Diff(old, next *Zone) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		d := differ{a: old, b: next}
		for d.skipShared(); d.moreA() || d.moreB(); d.skipShared() {
			c, differs := d.step()
			if differs && !yield(c) {
				return
			}
		}
	}
}

// differ walks two zones side by side; pa and pb are the names to look at next.
type differ struct {
	a, b   *Zone
	pa, pb Pos
}

func (d *differ) moreA() bool { return d.pa.Block < len(d.a.blocks) }
func (d *differ) moreB() bool { return d.pb.Block < len(d.b.blocks) }

// skipShared steps over blocks that both zones hold.
func (d *differ) skipShared() {
	for d.moreA() && d.moreB() && d.pa.Name == 0 && d.pb.Name == 0 &&
		d.a.blocks[d.pa.Block] == d.b.blocks[d.pb.Block] {
		d.pa.Block++
		d.pb.Block++
	}
}

// step compares the names at hand and moves past the lesser, or both.
func (d *differ) step() (c Change, differs bool) {
	order := 0
	switch {
	case !d.moreA():
		order = 1
	case !d.moreB():
		order = -1
	default:
		order = bytes.Compare(d.a.At(d.pa).Key(d.pa.Name), d.b.At(d.pb).Key(d.pb.Name))
	}
	c = Change{InOld: order <= 0, InNew: order >= 0}
	if c.InOld {
		c.Old, c.Key = d.pa, d.a.At(d.pa).Key(d.pa.Name)
		d.pa = advance(d.a, d.pa)
	}
	if c.InNew {
		c.New, c.Key = d.pb, d.b.At(d.pb).Key(d.pb.Name)
		d.pb = advance(d.b, d.pb)
	}
	return c, order != 0 || !sameName(d.a.At(c.Old), c.Old.Name, d.b.At(c.New), c.New.Name)
}

// advance is Next that ends behind the last block.
func advance(z *Zone, p Pos) Pos {
	if next, ok := z.Next(p); ok {
		return next
	}
	return Pos{Block: len(z.blocks)}
}

// sameName reports whether a name has the same flags and records in two blocks.
func sameName(a *Block, i int, b *Block, k int) bool {
	fromA, toA := a.Sets(i)
	fromB, toB := b.Sets(k)
	if a.Flags(i) != b.Flags(k) || toA-fromA != toB-fromB {
		return false
	}
	for j := range toA - fromA {
		if !a.Set(fromA + j).Equal(b.Set(fromB + j)) {
			return false
		}
	}
	return true
}

// Equal reports whether two RRsets are the same, octet by octet.
func (s Set) Equal(o Set) bool {
	return s.Type == o.Type && s.TTL == o.TTL && s.Count == o.Count && bytes.Equal(s.Data, o.Data)
}

// gateNames is the size from which on the loss of names is judged: in a small
// zone a large share is soon reached by honest edits.
const gateNames = 100

// Reasons for which a new version of a zone is not taken for what its operator wants.
var (
	ErrDoubledOrigin = errors.New("names end in the origin twice, as if a trailing dot were missing")
	ErrMassRemoval   = errors.New("too many names are gone")
)

// CheckChange refuses a version that looks like an accident: names that end in
// the origin twice where the version before had none (as when .se lost its
// trailing dots in 2009), and the loss of more than maxRemoved percent of the
// names (0: any loss is taken). Old may be nil.
func CheckChange(old, next *Zone, maxRemoved int) error {
	if err := checkDoubled(old, next); err != nil {
		return err
	}
	if old == nil || maxRemoved <= 0 || old.stats.Names < gateNames {
		return nil
	}
	removed := 0
	for c := range Diff(old, next) {
		if c.InOld && old.owns(c.Old) && !(c.InNew && next.owns(c.New)) {
			removed++
		}
	}
	if removed*100 > maxRemoved*old.stats.Names {
		return fmt.Errorf("%w: %d of %d, more than %d percent", ErrMassRemoval, removed, old.stats.Names, maxRemoved)
	}
	return nil
}

// owns reports whether the name at p has records: empty non-terminals come and
// go with what is below them, and of one name there may be thirty.
func (z *Zone) owns(p Pos) bool {
	from, to := z.At(p).Sets(p.Name)
	return from < to
}

// checkDoubled refuses names below the origin's own name inside the zone.
func checkDoubled(old, next *Zone) error {
	doubled := AppendKey(nil, next.origin)
	if len(doubled) == 0 { // the root has no name to double
		return nil
	}
	n, first := next.countBelow(doubled)
	if old != nil {
		if before, _ := old.countBelow(doubled); before > 0 {
			return nil
		}
	}
	if n == 0 || old == nil && 2*n <= next.stats.Names {
		return nil
	}
	return fmt.Errorf("%w: %d of %d, the first is %s", ErrDoubledOrigin, n, next.stats.Names, first)
}

// countBelow counts the names that own records at and below a key, and names the first.
func (z *Zone) countBelow(key []byte) (n int, first string) {
	p, exact := z.Find(key)
	ok := true
	if !exact {
		p, ok = z.Next(p)
	}
	for ; ok && bytes.HasPrefix(z.At(p).Key(p.Name), key); p, ok = z.Next(p) {
		if !z.owns(p) {
			continue
		}
		if n++; n == 1 {
			first = Text(z.AppendName(nil, p))
		}
	}
	return n, first
}
