package verify

import "bytes"

// hashedName judges the owner of an NSEC3 record, which is in c.new and c.old.
func (c *changes) hashedName(name []byte) {
	var is, was nsec3Record
	if c.new.has(typeNSEC3) {
		c.judge.name(&c.new, hashed)
		var ok bool
		if _, is, ok = c.nsec3(&c.new); !ok {
			return
		}
	}
	if s := c.old.find(typeNSEC3); s != nil {
		was, _ = splitNSEC3(s.first())
	}
	came := (is.params == nil) != (was.params == nil)
	if came || !bytes.Equal(is.bitmap, was.bitmap) {
		c.altered = append(c.altered, bytes.Clone(name))
	}
	if came || is.next != was.next || is.optOut != was.optOut {
		c.around(name)
	}
}

// unclaimed looks for NSEC3 records that came, went or list other types and
// belong to no name that was judged. That is a fault, or an empty non-terminal
// that opt-out lets a signer leave out or put in at will (RFC 5155 section
// 7.1), when a wildcard came above it for instance: only Zone tells them apart.
func (c *changes) unclaimed() {
	for _, owner := range c.altered {
		c.whole = c.whole || !c.claimed[string(owner)]
	}
}

// nsec3Name judges the NSEC3 records of a changed name (in c.new) and of the
// empty non-terminals above it.
func (c *changes) nsec3Name(name []byte, at place) {
	inChain := at != occluded && len(c.new.sets) > 0 && (at != cut || c.new.has(typeDS))
	if c.hashOf(name, &c.new, at, false) {
		inChain = true
	}
	for up := name; len(up) > len(c.origin); {
		if up = parent(up); len(up) <= len(c.origin) {
			return
		}
		read(&c.other, c.u.Old, up)
		ownedBefore := len(c.other.sets) > 0
		read(&c.other, c.u.New, up)
		if ownedBefore && len(c.other.sets) > 0 {
			continue // it has a record of its own
		}
		at := inside
		if c.hidden(c.u.New, up) {
			at = occluded
		} else if len(c.other.sets) > 0 {
			c.push(up) // came, and is judged as a changed name
			continue
		}
		c.hashOf(up, &c.other, at, inChain)
	}
}

// hashOf judges the NSEC3 record of a name against what the name owns, and
// reports whether there is one. below says that some name below it is in the
// chain for certain.
func (c *changes) hashOf(name []byte, n *owner, at place, below bool) bool {
	owner := hashName(name, c.params).owner(c.origin)
	c.claimed[string(owner)] = true
	bitmap, found := c.nsec3Bitmap(c.u.New, owner)
	_, before := c.nsec3Bitmap(c.u.Old, owner)
	if found != before {
		c.push(owner)
	}
	exists, must := at != occluded && len(n.sets) > 0, false
	c.form = c.form[:0]
	switch {
	case exists:
		must = at != cut || n.has(typeDS)
		c.form = appendBitmap(c.form, c.nsec3Types(c.types[:0], n, at))
	case at != occluded && c.emptyNonTerminal(name):
		exists = true
		must = below || before && !found && c.chainBelow(name)
	}
	switch {
	case found && !exists:
		c.fault(owner, typeNSEC3, "the hash of %s, which is not in the zone", nameString(name))
	case found && !bytes.Equal(c.form, bitmap):
		c.fault(name, typeNSEC3, "lists %s, there is %s", bitmapString(bitmap), bitmapString(c.form))
	case !found && must:
		c.fault(name, typeNSEC3, "%s is missing", nameString(owner))
	case !found && exists && !c.optsOut(owner):
		c.fault(name, typeNSEC3, "%s is missing, and no record that covers it opts out", nameString(owner))
	}
	return found && exists
}

// nsec3Bitmap returns the types that the NSEC3 record of an owner lists.
func (c *changes) nsec3Bitmap(v View, owner []byte) (bitmap []byte, ok bool) {
	for r := range v.Owner(owner) {
		if r.Type == typeNSEC3 {
			n, ok := splitNSEC3(r.RData)
			return bytes.Clone(n.bitmap), ok
		}
	}
	return nil, false
}

// emptyNonTerminal reports whether the new version has a name below one that
// owns nothing and is not occluded itself.
func (c *changes) emptyNonTerminal(name []byte) bool {
	next := c.u.New.After(name)
	return next != nil && below(next, name)
}

// chainBelow reports whether a name below an empty non-terminal is in the chain.
func (c *changes) chainBelow(name []byte) bool {
	var n owner
	for at := c.u.New.After(name); at != nil && below(at, name); at = c.u.New.After(bytes.Clone(at)) {
		read(&n, c.u.New, at)
		where := c.place(c.u.New, n.name, &n)
		if len(n.sets) == 0 || where == occluded {
			continue
		}
		if _, found := c.nsec3Bitmap(c.u.New, hashName(n.name, c.params).owner(c.origin)); found || where != cut || n.has(typeDS) {
			return true
		}
	}
	return false
}

// optsOut reports whether the record that covers a hash opts out.
func (c *changes) optsOut(owner []byte) bool {
	from := bytes.Clone(c.u.New.Before(owner))
	l, ok := c.link(c.u.New, from)
	return ok && l.optOut && c.chainOrder(from, owner) != 0 && covers(from, owner, l.next)
}

// covers reports whether an owner lies between a chain record and the next one.
func covers(from, owner, next []byte) bool {
	if compare(from, next) < 0 {
		return compare(from, owner) < 0 && compare(owner, next) < 0
	}
	return compare(from, owner) < 0 || compare(owner, next) < 0 // the last one, or the only one
}
