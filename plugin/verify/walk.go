package verify

import "bytes"

// walk reads a zone in canonical order, one name at a time.
type walk struct {
	*judge
	n     owner
	open  bool   // n holds records that are not judged yet
	begun bool   // the apex was judged
	raw   []byte // the owner as it came, to know the next record's again
	last  []byte // the last name in canonical order
	top   []byte // the last delegation or DNAME: it hides what is below it
	nsec  nsecRing
	nsec3 nsec3Chain
}

func newWalk(origin []byte, o Options) *walk { return &walk{judge: newJudge(origin, o)} }

// add takes the next record; it is false when nothing else need be read.
func (w *walk) add(r Record) bool {
	if !w.open || !bytes.Equal(r.Owner, w.raw) {
		if !valid(r.Owner) {
			w.fault(w.origin, r.Type, "a record with a %s", nameString(r.Owner))
			return false
		}
		if !w.open || !equalNames(r.Owner, w.n.name) {
			if w.open && !w.flush() {
				w.open = false
				return false
			}
			w.n.reset(r.Owner)
			w.open = true
		}
		w.raw = append(w.raw[:0], r.Owner...)
	}
	w.report.Records++
	w.n.add(r)
	return true
}

// flush judges the name that was read; it is false when nothing else need be
// read.
func (w *walk) flush() bool {
	n := &w.n
	n.group()
	if !w.begun {
		if !bytes.Equal(n.name, w.origin) {
			w.fault(w.origin, typeSOA, "the first record must be at the apex, not at %s", nameString(n.name))
			return false
		}
		if !w.begin(n) {
			return false
		}
		w.begun = true
	} else if !below(n.name, w.origin) {
		w.fault(n.name, 0, "not in the zone, or out of canonical order")
		return false
	}
	if n.has(typeNSEC3) && !w.o.Unsigned {
		w.name(n, hashed)
		w.nsec3.add(w.judge, n)
		return w.stop == nil
	}
	if w.last != nil && compare(w.last, n.name) >= 0 {
		w.fault(n.name, 0, "out of canonical order, or twice")
		return false
	}
	w.last = append(w.last[:0], n.name...)
	w.report.Names++
	at := w.place(n)
	w.name(n, at)
	if at != occluded {
		w.deny(n, at)
	}
	return w.stop == nil
}

// place finds out where a name stands (RFC 4035 section 2.2, RFC 6672 section 2.4).
func (w *walk) place(n *owner) place {
	if len(w.top) > 0 && below(n.name, w.top) {
		return occluded
	}
	delegation := n.has(typeNS) && len(n.name) > len(w.origin)
	if delegation || n.has(typeDNAME) {
		w.top = append(w.top[:0], n.name...)
	}
	switch {
	case delegation:
		return cut
	case len(n.name) == len(w.origin):
		return apex
	}
	return inside
}

// deny judges a name's part in the chain.
func (w *walk) deny(n *owner, at place) {
	if w.o.Unsigned {
		return
	}
	if w.params != nil {
		if n.has(typeNSEC) {
			w.fault(n.name, typeNSEC, "in a zone with NSEC3")
		}
		w.nsec3.expect(w.judge, n, at)
		return
	}
	w.nsec.add(w.judge, n, at)
}

// end judges the last name and closes the chains.
func (w *walk) end() (Report, error) {
	if w.open {
		w.flush()
	}
	switch {
	case !w.begun:
		if len(w.list) == 0 {
			w.fault(w.origin, typeSOA, "no records")
		}
	case w.stop != nil || w.o.Unsigned:
	case w.params != nil:
		w.nsec3.end(w.judge)
	default:
		w.nsec.end(w.judge)
	}
	return w.judge.end()
}
