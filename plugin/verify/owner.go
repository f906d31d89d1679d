package verify

import (
	"bytes"
	"cmp"
	"slices"
)

// owner is a name with everything that it owns. It is used again for the next
// name, so that reading a zone does not allocate for each.
type owner struct {
	name []byte // lower case
	recs []entry
	sigs []entry // typ is the type covered
	data []byte  // RDATA of recs, each behind its length
	raw  []byte  // RDATA of sigs
	sets []rrset // after group

	spare []byte
}

// entry is one record.
type entry struct {
	typ      uint16
	ttl      uint32
	from, to uint32 // in data or raw
}

// rrset is an RRset with its signatures.
type rrset struct {
	typ      uint16
	ttl      uint32
	count    int
	data     []byte // as each reads it
	from, to int    // in owner.sigs
	uneven   bool   // records with another TTL
}

// reset makes room for another name.
func (n *owner) reset(name []byte) {
	n.name = appendLower(n.name[:0], name)
	n.recs, n.sigs, n.data, n.raw, n.sets = n.recs[:0], n.sigs[:0], n.data[:0], n.raw[:0], n.sets[:0]
}

// add takes one record of the name.
func (n *owner) add(r Record) {
	if r.Type != typeRRSIG {
		at := len(n.data)
		n.data = appendRData(n.data, r.RData)
		n.recs = append(n.recs, entry{r.Type, r.TTL, uint32(at), uint32(len(n.data))})
		return
	}
	covered := uint16(0)
	if len(r.RData) >= 2 {
		covered = be16(r.RData)
	}
	at := len(n.raw)
	n.raw = append(n.raw, r.RData...)
	n.sigs = append(n.sigs, entry{covered, r.TTL, uint32(at), uint32(len(n.raw))})
}

func byType(a, b entry) int { return cmp.Compare(a.typ, b.typ) }

// group sorts the records into sets and gives each its signatures.
func (n *owner) group() {
	if !slices.IsSortedFunc(n.recs, byType) {
		slices.SortStableFunc(n.recs, byType)
		n.spare = n.spare[:0]
		for i, e := range n.recs {
			at := len(n.spare)
			n.spare = append(n.spare, n.data[e.from:e.to]...)
			n.recs[i].from, n.recs[i].to = uint32(at), uint32(len(n.spare))
		}
		n.data, n.spare = n.spare, n.data
	}
	if !slices.IsSortedFunc(n.sigs, byType) {
		slices.SortStableFunc(n.sigs, byType)
	}
	n.sets = n.sets[:0]
	sig := 0
	for i := 0; i < len(n.recs); {
		first := n.recs[i]
		s := rrset{typ: first.typ, ttl: first.ttl}
		for ; i < len(n.recs) && n.recs[i].typ == first.typ; i++ {
			s.uneven = s.uneven || n.recs[i].ttl != first.ttl
			s.count++
		}
		s.data = n.data[first.from:n.recs[i-1].to]
		for sig < len(n.sigs) && n.sigs[sig].typ < s.typ {
			sig++
		}
		for s.from = sig; sig < len(n.sigs) && n.sigs[sig].typ == s.typ; {
			sig++
		}
		s.to = sig
		n.sets = append(n.sets, s)
	}
}

// find returns the set of a type, or nil.
func (n *owner) find(typ uint16) *rrset {
	for i := range n.sets {
		if n.sets[i].typ == typ {
			return &n.sets[i]
		}
	}
	return nil
}

// has reports whether the name owns a set of the type.
func (n *owner) has(typ uint16) bool { return n.find(typ) != nil }

// rrsig returns the RDATA of signature number i.
func (n *owner) rrsig(i int) []byte { return n.raw[n.sigs[i].from:n.sigs[i].to] }

// first returns the RDATA of a set's first record.
func (s *rrset) first() []byte { return s.data[2 : 2+int(be16(s.data))] }

// orphan returns the type of a signature over a set that is not there.
func (n *owner) orphan() (typ uint16, found bool) {
	for _, e := range n.sigs {
		if !n.has(e.typ) {
			return e.typ, true
		}
	}
	return 0, false
}

// fewRecords is how many records are compared each with each.
const fewRecords = 8

// twice reports whether two records of a set are the same in canonical form.
// Those that differ in more than case cannot be.
func (s *rrset) twice() bool {
	if s.count <= fewRecords {
		var list [fewRecords][]byte
		alike, i := false, 0
		for rdata := range each(s.data) {
			alike = alike || slices.ContainsFunc(list[:i], func(o []byte) bool { return len(o) == len(rdata) && bytes.EqualFold(o, rdata) })
			list[i] = rdata
			i++
		}
		if !alike {
			return false
		}
	}
	_, twice := canonicalSet(s.typ, s.data)
	return twice
}

// same reports whether two versions of a set hold the same records.
func (s *rrset) same(o *rrset) bool {
	return s.typ == o.typ && s.ttl == o.ttl && s.count == o.count && bytes.Equal(s.data, o.data)
}

// appendTypes appends the types of the name's sets, ascending, NSEC left out;
// at a cut only what the parent is asked for (RFC 4035 section 2.3).
func (n *owner) appendTypes(dst []uint16, at place) []uint16 {
	for i := range n.sets {
		t := n.sets[i].typ
		if t != typeNSEC && (at != cut || t == typeNS || t == typeDS) {
			dst = append(dst, t)
		}
	}
	return dst
}
