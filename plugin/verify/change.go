package verify

import (
	"bytes"
	"errors"
	"iter"
	"slices"
)

// ErrWhole says that a change concerns the whole zone (its keys, its denial of
// existence, its negative TTL), so that only Zone can judge it.
var ErrWhole = errors.New("the change concerns the whole zone")

// View looks names up in one version of a zone. What it returns must stay as it
// is until its next call.
type View interface {
	// Owner yields every record that owner (wire form, lower case) owns, RRSIG
	// and NSEC included; the owner names of NSEC3 records are names like any
	// other. It yields nothing for a name that owns nothing.
	Owner(owner []byte) iter.Seq[Record]
	// After returns the first name after owner in canonical order that is in
	// the zone, occluded ones included, owners of NSEC3 records not; empty
	// non-terminals may be left out. It returns nil after the last.
	After(owner []byte) []byte
	// Before returns the name before owner in the chain, which need not have
	// owner in it: in a zone with NSEC the last name before it in canonical
	// order that has an NSEC record, in a zone with NSEC3, where owner is a hash
	// as a label above the origin, the owner of the last NSEC3 record before it
	// in hash order. Before the first comes the last.
	Before(owner []byte) []byte
}

// Update is the step from one version of a zone, already judged, to the next.
type Update struct {
	Old, New View
	// Changed yields the names (wire form, lower case) whose records or
	// signatures differ; for NSEC3 also the owners of such records. Names of
	// which only the NSEC or NSEC3 record had to change, because a neighbour
	// came or went, may be left out.
	Changed iter.Seq[[]byte]
	// WasAnnounced are the Announced keys that the old version was judged by.
	WasAnnounced [][]byte
}

// Changes judges what an update changes: records, signatures and types of the
// changed names, and their places in the chain. What it costs depends on the
// change, not on the zone. It relies on the old version being valid and on
// Changed being complete; Zone relies on neither. The error is ErrWhole, or of
// type *Error, or one that Options.Signatures returned.
func Changes(origin []byte, u Update, o Options) (Report, error) {
	c := &changes{judge: newJudge(origin, o), u: u, seen: map[string]bool{}, claimed: map[string]bool{}, walked: map[string]bool{}}
	if !c.begin() {
		if c.whole {
			return c.report, ErrWhole
		}
		return c.judge.end()
	}
	for name := range u.Changed {
		c.push(name)
		for len(c.queue) > 0 && c.stop == nil && !c.whole {
			next := c.queue[len(c.queue)-1]
			c.queue = c.queue[:len(c.queue)-1]
			c.one(next)
		}
	}
	c.unclaimed()
	if c.whole {
		return c.report, ErrWhole
	}
	return c.judge.end()
}

// changes is the state of one call of Changes.
type changes struct {
	*judge
	u       Update
	queue   [][]byte
	seen    map[string]bool // names that were queued
	claimed map[string]bool // hash owners whose types were compared with their name's
	walked  map[string]bool // chain owners whose neighbours were judged
	altered [][]byte        // hash owners that came, went or list other types
	other   owner           // a name looked at beside the one being judged

	apexOwner []byte // of the apex's NSEC3 record
	whole     bool
	new       owner // the name being judged
	old       owner // the same in the old version
}

// begin compares the apexes; it is false when there is nothing more to judge.
func (c *changes) begin() bool {
	c.load(c.origin)
	before := newJudge(c.origin, Options{Now: c.o.Now, Announced: c.u.WasAnnounced, Beside: c.o.Beside, Unsigned: c.o.Unsigned})
	if !c.judge.begin(&c.new) || len(c.list) > 0 {
		return false
	}
	if !before.begin(&c.old) || len(before.list) > 0 {
		c.whole = true
		return false
	}
	gone := func(k *publicKey) bool {
		return !slices.ContainsFunc(c.keys, func(n *publicKey) bool { return bytes.Equal(n.rdata, k.rdata) })
	}
	came := func(a uint8) bool { return !slices.Contains(before.algorithms, a) }
	c.whole = before.negativeTTL != c.negativeTTL || !bytes.Equal(before.params, c.params) ||
		slices.ContainsFunc(before.keys, gone) || slices.ContainsFunc(c.algorithms, came)
	c.known = c.knownSignature
	return !c.whole
}

// load reads both versions of a name.
func (c *changes) load(name []byte) {
	read(&c.new, c.u.New, name)
	read(&c.old, c.u.Old, name)
}

func read(n *owner, v View, name []byte) {
	n.reset(name)
	for r := range v.Owner(name) {
		n.add(r)
	}
	n.group()
}

// knownSignature reports whether the old version had the same set with the same
// signature.
func (c *changes) knownSignature(n *owner, s *rrset, rrsig []byte) bool {
	was := c.old.find(s.typ)
	if was == nil || !was.same(s) {
		return false
	}
	for i := was.from; i < was.to; i++ {
		if bytes.Equal(c.old.rrsig(i), rrsig) {
			return true
		}
	}
	return false
}

// push queues a name once.
func (c *changes) push(name []byte) {
	if !c.seen[string(name)] {
		c.seen[string(name)] = true
		c.queue = append(c.queue, bytes.Clone(name))
	}
}

// one judges one changed name.
func (c *changes) one(name []byte) {
	if !atOrBelow(name, c.origin) {
		c.fault(name, 0, "not in the zone")
		return
	}
	c.load(name)
	c.report.Records += len(c.new.recs) + len(c.new.sigs)
	if !c.o.Unsigned && (c.new.has(typeNSEC3) || c.old.has(typeNSEC3)) {
		c.hashedName(name)
		return
	}
	c.report.Names++
	was, is := c.place(c.u.Old, name, &c.old), c.place(c.u.New, name, &c.new)
	if hides(&c.old, was) != hides(&c.new, is) {
		c.pushBelow(c.u.Old, name)
		c.pushBelow(c.u.New, name)
	}
	c.judge.name(&c.new, is)
	if c.o.Unsigned {
		return
	}
	if c.params == nil {
		c.nsecName(name, was, is)
		return
	}
	if c.new.has(typeNSEC) {
		c.fault(name, typeNSEC, "in a zone with NSEC3")
	}
	c.nsec3Name(name, is)
}

// hides reports whether nothing below a name is authoritative.
func hides(n *owner, at place) bool { return at == cut || at != occluded && n.has(typeDNAME) }

// pushBelow queues every name below name.
func (c *changes) pushBelow(v View, name []byte) {
	for at := v.After(name); at != nil && below(at, name); at = v.After(bytes.Clone(at)) {
		c.push(at)
	}
}

// place finds out where a name stands in a version.
func (c *changes) place(v View, name []byte, n *owner) place {
	if len(name) == len(c.origin) {
		return apex
	}
	if c.hidden(v, name) {
		return occluded
	}
	if n.has(typeNS) {
		return cut
	}
	return inside
}

// hidden reports whether a name is below a delegation or a DNAME.
func (c *changes) hidden(v View, name []byte) bool {
	for len(name) > len(c.origin) {
		name = parent(name)
		for r := range v.Owner(name) {
			if r.Type == typeDNAME || r.Type == typeNS && len(name) > len(c.origin) {
				return true
			}
		}
	}
	return false
}

// nsecName judges the NSEC record of a name and, when it points elsewhere than
// before, the chain around it.
func (c *changes) nsecName(name []byte, was, is place) {
	var now, then []byte
	if is != occluded && len(c.new.sets) > 0 {
		now = lowered(c.nsec(&c.new, is))
	}
	if s := c.old.find(typeNSEC); s != nil && was != occluded {
		then, _, _ = splitNSEC(s.first())
	}
	if !bytes.Equal(now, lowered(then)) {
		c.around(name)
	}
}
