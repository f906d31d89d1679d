package answer

import "github.com/autosign-dns/autosign/plugin/zone"

const typeANY = 255

// exact answers for a name that exists (RFC 4035 sections 3.1.1 and 3.1.3.1).
func (r *responder) exact(name *owner, at zone.Pos) (next []byte) {
	next, found := r.data(name, at)
	switch found {
	case Alias, Positive:
		r.res.Kind = found
	default:
		r.noData(at)
	}
	return next
}

// data gives what the name at a position owns of the type asked for, as records
// of name (Positive), or else its CNAME (Alias), whose target is next when the
// answer is to go on there, or else nothing (NoData).
func (r *responder) data(name *owner, at zone.Pos) (next []byte, found Kind) {
	b := r.s.At(at)
	switch {
	case r.q.Type == typeANY:
		return nil, r.any(name, at)
	case r.q.Type == zone.TypeRRSIG:
		return nil, r.signatures(name, at)
	case r.q.Type == zone.TypeNSEC && r.s.HasNSEC():
		return nil, r.denialRecord(name, at)
	}
	if j := b.FindSet(at.Name, r.q.Type); j >= 0 {
		r.answerSet(name, at, j)
		if at == (zone.Pos{}) {
			r.soaAnswer = r.q.Type == zone.TypeSOA
			r.addresses = r.q.Type == zone.TypeNS
		}
		return nil, Positive
	}
	j := b.FindSet(at.Name, zone.TypeCNAME)
	if j < 0 {
		return nil, NoData
	}
	target := b.Set(j).Data[2:]
	if isNew, fits := r.answerSet(name, at, j); !isNew || !fits || nameLen(target) != len(target) {
		return nil, Alias
	}
	return target, Alias
}

// any answers a question for type ANY with one RRset (RFC 8482 section 4.1):
// the first, which is small and likely to be of use.
func (r *responder) any(name *owner, at zone.Pos) Kind {
	from, to := r.s.At(at).Sets(at.Name)
	if from == to {
		return NoData
	}
	r.answerSet(name, at, from)
	return Positive
}

// signatures answers a question for type RRSIG, as one for ANY, with those of
// the first RRset: all of them would be as large an answer to as small a question.
func (r *responder) signatures(name *owner, at zone.Pos) Kind {
	from, to := r.s.At(at).Sets(at.Name)
	if from == to {
		return NoData
	}
	set := r.signedSet(at, from, maxTTL)
	if set.from == set.to && len(set.foreign) == 0 {
		return NoData
	}
	m := r.mark()
	if !r.setSigs(answerSection, name, set) {
		r.truncate(m)
	}
	return Positive
}

// denialRecord answers a question for type NSEC with the name's own, if it has
// one. From a wildcard it is expanded like any other (RFC 4592 section 4.7).
func (r *responder) denialRecord(name *owner, at zone.Pos) Kind {
	if !zone.InNSEC(r.s.At(at).Flags(at.Name)) {
		return NoData
	}
	m := r.mark()
	if !r.nsec(answerSection, name, at) {
		r.truncate(m)
	}
	return Positive
}

// given remembers the RRsets in the answer section, so that a loop of aliases
// ends where it closes and a DNAME that is used twice is there once.
type given struct {
	n    int
	list [2 * (maxChain + 1)]struct{ at, typ uint16 }
}

// add remembers the RRset of that type whose owner stands at an offset of the
// message, 0 for one that no pointer reaches. It reports whether it was new.
func (g *given) add(at, typ uint16) bool {
	if at == 0 {
		return true
	}
	for _, e := range g.list[:g.n] {
		if e.at == at && e.typ == typ {
			return false
		}
	}
	g.list[g.n].at, g.list[g.n].typ = at, typ
	g.n++
	return true
}

// answerSet adds set j of the block at a position to the answer section. isNew
// is false when the section has it already.
func (r *responder) answerSet(name *owner, at zone.Pos, j int) (isNew, fits bool) {
	m := r.mark()
	if !r.set(answerSection, name, r.signedSet(at, j, maxTTL)) {
		r.truncate(m)
		return true, false
	}
	if !r.given.add(name.at, r.s.At(at).SetType(j)) {
		r.undo(m)
		return false, true
	}
	return true, true
}
