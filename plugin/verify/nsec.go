package verify

import "bytes"

// nsecRing follows the NSEC records through the zone (RFC 4035 section 2.3).
type nsecRing struct {
	from []byte // the last name with an NSEC record
	next []byte // where it points
}

// add judges the NSEC record of the next name that must have one.
func (r *nsecRing) add(j *judge, n *owner, at place) {
	next := j.nsec(n, at)
	if r.from != nil && r.next != nil && !bytes.Equal(r.next, n.name) {
		j.fault(r.from, typeNSEC, "points to %s, but %s comes next", nameString(r.next), nameString(n.name))
	}
	r.from = append(r.from[:0], n.name...)
	if next == nil {
		r.next = nil // said already
		return
	}
	r.next = appendLower(r.next[:0], next)
}

// end closes the ring.
func (r *nsecRing) end(j *judge) {
	if r.next != nil && !bytes.Equal(r.next, j.origin) {
		j.fault(r.from, typeNSEC, "the last one points to %s, not to the apex", nameString(r.next))
	}
}

// nsec judges the NSEC record of one name, its neighbours aside, and returns
// where it points; nil when there is nothing to return.
func (j *judge) nsec(n *owner, at place) []byte {
	s := n.find(typeNSEC)
	if s == nil {
		j.fault(n.name, typeNSEC, "missing")
		return nil
	}
	if s.count > 1 {
		j.fault(n.name, typeNSEC, "%d records", s.count)
		return nil
	}
	next, bitmap, ok := splitNSEC(s.first())
	if !ok {
		j.fault(n.name, typeNSEC, "malformed")
		return nil
	}
	j.negative(n, s)
	j.types = n.appendTypes(j.types[:0], at)
	if len(j.types) == 0 {
		j.fault(n.name, typeNSEC, "at a name that owns nothing else (RFC 4035 section 2.3)")
	}
	j.types = insertType(insertType(j.types, typeRRSIG), typeNSEC)
	if j.form = appendBitmap(j.form[:0], j.types); !bytes.Equal(j.form, bitmap) {
		j.fault(n.name, typeNSEC, "lists %s, there is %s", bitmapString(bitmap), bitmapString(j.form))
	}
	return next
}

// negative judges the TTL of a denial record (RFC 9077 section 3).
func (j *judge) negative(n *owner, s *rrset) {
	if s.ttl > j.negativeTTL {
		j.fault(n.name, s.typ, "TTL %d, more than the zone's negative TTL %d", s.ttl, j.negativeTTL)
	}
}

// splitNSEC takes the RDATA of an NSEC record apart (RFC 4034 section 4.1).
func splitNSEC(rdata []byte) (next, bitmap []byte, ok bool) {
	off := 0
	for off < len(rdata) && rdata[off] != 0 && rdata[off] <= 63 {
		off += 1 + int(rdata[off])
	}
	if off >= len(rdata) || rdata[off] != 0 || off >= 255 {
		return nil, nil, false
	}
	return rdata[:off+1], rdata[off+1:], true
}

// insertType puts a type into an ascending list.
func insertType(types []uint16, typ uint16) []uint16 {
	types = append(types, typ)
	for i := len(types) - 1; i > 0 && types[i] < types[i-1]; i-- {
		types[i], types[i-1] = types[i-1], types[i]
	}
	return types
}
