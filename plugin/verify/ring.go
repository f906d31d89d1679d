package verify

import "bytes"

// link is one record of a chain: where it points and whether it opts out.
type link struct {
	next   []byte // owner of the next record
	optOut bool
}

// link returns the chain record of an owner in a version.
func (c *changes) link(v View, owner []byte) (l link, ok bool) {
	for r := range v.Owner(owner) {
		switch {
		case c.params == nil && r.Type == typeNSEC:
			next, _, ok := splitNSEC(r.RData)
			return link{next: lowered(next)}, ok
		case c.params != nil && r.Type == typeNSEC3:
			n, ok := splitNSEC3(r.RData)
			return link{next: n.next.owner(c.origin), optOut: n.optOut}, ok
		}
	}
	return l, false
}

// home returns the owner of the apex's chain record.
func (c *changes) home() []byte {
	if c.params == nil {
		return c.origin
	}
	if c.apexOwner == nil {
		c.apexOwner = hashName(c.origin, c.params).owner(c.origin)
	}
	return c.apexOwner
}

// chainOrder compares owners of chain records, the apex's record last: it is in
// every version, so that going round ends there.
func (c *changes) chainOrder(a, b []byte) int {
	home := c.home()
	rank := func(x []byte) int {
		switch order := compare(x, home); {
		case order > 0:
			return 0
		case order < 0:
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return compare(a, b)
}

// maxSteps bounds the search for a record that both versions have.
const maxSteps = 1 << 20

// around judges the chain near an owner that came, went or points elsewhere: it
// finds a record that both versions have and follows both from there to where
// they meet again. Whatever lies between must have come or gone.
func (c *changes) around(owner []byte) {
	start := bytes.Clone(owner)
	for range maxSteps {
		_, is := c.link(c.u.New, start)
		_, was := c.link(c.u.Old, start)
		switch {
		case is && was:
			c.compareFrom(start)
			return
		case was:
			start = bytes.Clone(c.u.Old.Before(start))
		default:
			start = bytes.Clone(c.u.New.Before(start))
		}
		if len(start) == 0 {
			break
		}
	}
	c.whole = true // nothing of the old chain is left
}

// compareFrom follows both versions of the chain from a record in both.
func (c *changes) compareFrom(start []byte) {
	if c.walked[string(start)] {
		return
	}
	c.walked[string(start)] = true
	c.push(start)
	is, _ := c.link(c.u.New, start)
	was, _ := c.link(c.u.Old, start)
	if is.optOut != was.optOut {
		c.whole = true // names in the span may have relied on it
		return
	}
	from, next, then := start, is.next, was.next
	if c.back(start, next) {
		c.fault(start, c.chainType(), "points back to %s", nameString(next))
		return
	}
	for !bytes.Equal(next, then) {
		if c.chainOrder(then, next) < 0 {
			if then = c.leave(from, next, then, is.optOut); then == nil {
				return
			}
			continue
		}
		after := c.enter(from, next, is.optOut)
		if after == nil {
			return
		}
		from, next = next, after
	}
	if _, ok := c.link(c.u.New, next); !ok {
		c.fault(from, c.chainType(), "points to %s, which is not in the chain", nameString(next))
	}
}

// back reports whether a record points to an owner that is not after its own.
func (c *changes) back(owner, next []byte) bool {
	return c.chainOrder(owner, next) >= 0 && !bytes.Equal(owner, c.home())
}

// leave judges an owner that only the old version's chain reaches, and returns
// the next one there; nil ends the walk.
func (c *changes) leave(from, next, gone []byte, optOut bool) []byte {
	c.push(gone)
	if _, ok := c.link(c.u.New, gone); ok {
		c.fault(from, c.chainType(), "points to %s, but %s comes next", nameString(next), nameString(gone))
		return nil
	}
	l, ok := c.link(c.u.Old, gone)
	if !ok || c.back(gone, l.next) || l.optOut != optOut {
		c.whole = true
		return nil
	}
	return l.next
}

// enter judges an owner that only the new version's chain reaches, and returns
// the next one there; nil ends the walk.
func (c *changes) enter(from, came []byte, optOut bool) []byte {
	c.push(came)
	l, ok := c.link(c.u.New, came)
	if !ok {
		c.fault(from, c.chainType(), "points to %s, which is not in the chain", nameString(came))
		return nil
	}
	if c.back(came, l.next) {
		c.fault(came, c.chainType(), "points back to %s", nameString(l.next))
		return nil
	}
	if l.optOut != optOut {
		c.whole = true
		return nil
	}
	c.walked[string(came)] = true
	return l.next
}

func (c *changes) chainType() uint16 {
	if c.params == nil {
		return typeNSEC
	}
	return typeNSEC3
}
