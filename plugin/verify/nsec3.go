package verify

import (
	"bytes"
	"cmp"
	"crypto/sha1" // the hash of NSEC3: RFC 5155 section 11
	"encoding/base32"
	"encoding/binary"
	"slices"
)

type hash [sha1.Size]byte

// hashName hashes a name in lower case (RFC 5155 section 5). params are hash
// algorithm, flags, iterations, salt, as NSEC3PARAM has them.
func hashName(name, params []byte) hash {
	var buf [255 + 255]byte
	salt := params[5:]
	h := hash(sha1.Sum(append(append(buf[:0], name...), salt...)))
	for range be16(params[2:]) {
		h = sha1.Sum(append(append(buf[:0], h[:]...), salt...))
	}
	return h
}

var base32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// hashOwner returns the hash in the owner name of an NSEC3 record.
func hashOwner(name, origin []byte) (h hash, ok bool) {
	if len(name) != 33+len(origin) || name[0] != 32 || !bytes.Equal(name[33:], origin) {
		return h, false
	}
	var upper [32]byte
	for i, c := range name[1:33] {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	n, err := base32Hex.Decode(h[:], upper[:])
	return h, err == nil && n == len(h)
}

// nsec3Record is the RDATA of an NSEC3 record (RFC 5155 section 3.2).
type nsec3Record struct {
	optOut bool
	params []byte // hash algorithm, flags, iterations, salt
	next   hash
	bitmap []byte
}

func splitNSEC3(b []byte) (r nsec3Record, ok bool) {
	if len(b) < 5 || b[1] > 1 {
		return r, false
	}
	at := 5 + int(b[4])
	if len(b) < at+1+len(r.next) || int(b[at]) != len(r.next) {
		return r, false
	}
	r.optOut, r.params = b[1] == 1, b[:at]
	r.next, r.bitmap = hash(b[at+1:at+1+len(r.next)]), b[at+1+len(r.next):]
	return r, true
}

// sameParams compares hash algorithm, iterations and salt.
func sameParams(a, b []byte) bool {
	return a[0] == b[0] && bytes.Equal(a[2:], b[2:])
}

// nsec3Chain holds the NSEC3 records of a zone and those that it should have
// (RFC 5155 section 7.1).
type nsec3Chain struct {
	found    []foundHash
	wanted   []wantedHash
	names    []byte   // of wanted, without the origin
	prev     []byte   // the last name that is in the zone's tree
	path     []int    // wanted empty non-terminals above prev, top first
	bitmaps  [][]byte // each once
	bitmapOf map[string]uint32
	next     hash // where the last record points
}

// foundHash is an NSEC3 record.
type foundHash struct {
	hash   hash
	bitmap uint32
	optOut bool
}

// wantedHash is a name that has an NSEC3 record, or may have one.
type wantedHash struct {
	hash   hash
	bitmap uint32
	name   uint32 // in names
	up     int32  // the empty non-terminal above it, or -1
	must   bool   // false: unsigned delegations, and empty non-terminals of such only
	found  bool
}

// intern returns the number of a bitmap.
func (c *nsec3Chain) intern(bitmap []byte) uint32 {
	if n, ok := c.bitmapOf[string(bitmap)]; ok {
		return n
	}
	if c.bitmapOf == nil {
		c.bitmapOf = map[string]uint32{}
	}
	n := uint32(len(c.bitmaps))
	c.bitmaps = append(c.bitmaps, bytes.Clone(bitmap))
	c.bitmapOf[string(bitmap)] = n
	return n
}

// add takes the next NSEC3 record.
func (c *nsec3Chain) add(j *judge, n *owner) {
	h, r, ok := j.nsec3(n)
	if !ok {
		return
	}
	if k := len(c.found); k > 0 {
		switch {
		case bytes.Compare(c.found[k-1].hash[:], h[:]) >= 0:
			j.fault(n.name, typeNSEC3, "out of hash order")
		case c.next != h:
			j.fault(n.name, typeNSEC3, "%s before it points to %s", c.found[k-1].hash, c.next)
		}
	}
	j.report.OptOut = j.report.OptOut || r.optOut
	c.found = append(c.found, foundHash{h, c.intern(r.bitmap), r.optOut})
	c.next = r.next
}

// nsec3 judges one NSEC3 record, its neighbours and types aside.
func (j *judge) nsec3(n *owner) (h hash, r nsec3Record, ok bool) {
	s := n.find(typeNSEC3)
	if j.params == nil {
		j.fault(n.name, typeNSEC3, "in a zone without NSEC3PARAM (RFC 5155 section 4)")
		return h, r, false
	}
	if h, ok = hashOwner(n.name, j.origin); !ok {
		j.fault(n.name, typeNSEC3, "the owner is no hash")
		return h, r, false
	}
	if s.count > 1 || len(n.sets) > 1 {
		j.fault(n.name, typeNSEC3, "beside other records")
		return h, r, false
	}
	if r, ok = splitNSEC3(s.first()); !ok {
		j.fault(n.name, typeNSEC3, "malformed, or with unknown flags")
		return h, r, false
	}
	if !sameParams(r.params, j.params) {
		j.fault(n.name, typeNSEC3, "other iterations or salt than NSEC3PARAM")
		return h, r, false
	}
	j.negative(n, s)
	return h, r, true
}

// expect notes a name that is in the zone, and the empty non-terminals above it.
func (c *nsec3Chain) expect(j *judge, n *owner, at place) {
	labels, shared := countLabels(n.name), j.originLabels
	if c.prev != nil {
		shared = common(c.prev, n.name)
	}
	for len(c.path) > 0 && c.labels(j, c.path[len(c.path)-1]) > shared {
		c.path = c.path[:len(c.path)-1]
	}
	for k := max(shared, j.originLabels) + 1; k < labels; k++ {
		c.want(j, ancestor(n.name, k), nil, false)
		c.path = append(c.path, len(c.wanted)-1)
	}
	must := at != cut || n.has(typeDS)
	j.types = j.nsec3Types(j.types[:0], n, at)
	j.form = appendBitmap(j.form[:0], j.types)
	c.want(j, n.name, j.form, must)
	for i := len(c.path) - 1; must && i >= 0 && !c.wanted[c.path[i]].must; i-- {
		c.wanted[c.path[i]].must = true
	}
	c.prev = append(c.prev[:0], n.name...)
}

// nsec3Types returns the types that an NSEC3 record shows: RRSIG only where
// something is signed (RFC 5155 section 7.1).
func (j *judge) nsec3Types(dst []uint16, n *owner, at place) []uint16 {
	dst = n.appendTypes(dst, at)
	if at != cut || n.has(typeDS) {
		dst = insertType(dst, typeRRSIG)
	}
	return dst
}

func (c *nsec3Chain) want(j *judge, name, bitmap []byte, must bool) {
	up := int32(-1)
	if len(c.path) > 0 {
		up = int32(c.path[len(c.path)-1])
	}
	c.wanted = append(c.wanted, wantedHash{hashName(name, j.params), c.intern(bitmap), uint32(len(c.names)), up, must, false})
	c.names = append(c.names, name[:len(name)-len(j.origin)]...)
	c.names = append(c.names, 0)
}

// nameOf returns the name of a wanted hash.
func (c *nsec3Chain) nameOf(j *judge, i int) []byte {
	at := c.names[c.wanted[i].name:]
	off := 0
	for at[off] != 0 {
		off += 1 + int(at[off])
	}
	return append(bytes.Clone(at[:off]), j.origin...)
}

// labels returns the number of labels of a wanted name.
func (c *nsec3Chain) labels(j *judge, i int) int {
	return j.originLabels + countLabels(c.names[c.wanted[i].name:])
}

// order is a wanted hash with the octets that mostly decide its place.
type order struct {
	lead uint64
	at   int32
}

// sorted returns the wanted hashes in hash order.
func (c *nsec3Chain) sorted() []order {
	list := make([]order, len(c.wanted))
	for i := range c.wanted {
		list[i] = order{binary.BigEndian.Uint64(c.wanted[i].hash[:]), int32(i)}
	}
	slices.SortFunc(list, func(a, b order) int {
		if c := cmp.Compare(a.lead, b.lead); c != 0 {
			return c
		}
		return bytes.Compare(c.wanted[a.at].hash[:], c.wanted[b.at].hash[:])
	})
	return list
}

// end compares what is there with what should be.
func (c *nsec3Chain) end(j *judge) {
	if len(c.found) == 0 {
		j.fault(j.origin, typeNSEC3PARAM, "no NSEC3 records")
		return
	}
	if last := c.found[len(c.found)-1]; c.next != c.found[0].hash {
		j.fault(last.hash.owner(j.origin), typeNSEC3, "the last one points to %s, not to the first", c.next)
	}
	at := 0
	cover := c.found[len(c.found)-1] // of a hash before c.found[at]
	var before *wantedHash
	for _, o := range c.sorted() {
		w := &c.wanted[o.at]
		if before != nil && before.hash == w.hash {
			j.fault(c.nameOf(j, int(o.at)), typeNSEC3, "has the hash of another name, %s", w.hash)
		}
		for at < len(c.found) && bytes.Compare(c.found[at].hash[:], w.hash[:]) < 0 {
			if before == nil || before.hash != c.found[at].hash {
				j.fault(c.found[at].hash.owner(j.origin), typeNSEC3, "the hash of no name in the zone")
			}
			cover = c.found[at]
			at++
		}
		c.match(j, int(o.at), at, cover)
		before = w
	}
	for ; at < len(c.found); at++ {
		if before == nil || before.hash != c.found[at].hash {
			j.fault(c.found[at].hash.owner(j.origin), typeNSEC3, "the hash of no name in the zone")
		}
	}
	c.optedOut(j)
}

// match judges one wanted hash against the record that is first not before it.
func (c *nsec3Chain) match(j *judge, i, at int, cover foundHash) {
	w := &c.wanted[i]
	switch {
	case at < len(c.found) && c.found[at].hash == w.hash:
		w.found = true
		if c.found[at].bitmap != w.bitmap {
			j.fault(c.nameOf(j, i), typeNSEC3, "%s lists %s, there is %s", w.hash, bitmapString(c.bitmaps[c.found[at].bitmap]), bitmapString(c.bitmaps[w.bitmap]))
		}
	case w.must:
		j.fault(c.nameOf(j, i), typeNSEC3, "%s is missing", w.hash)
	case !cover.optOut:
		j.fault(c.nameOf(j, i), typeNSEC3, "%s is missing, and %s that covers it does not opt out", w.hash, cover.hash)
	}
}

// optedOut judges that no delegation in the chain has an empty non-terminal
// above it that is not (RFC 5155 section 7.1).
func (c *nsec3Chain) optedOut(j *judge) {
	for i := range c.wanted {
		w := &c.wanted[i]
		if up := w.up; w.found && up >= 0 && !c.wanted[up].found && !c.wanted[up].must {
			j.fault(c.nameOf(j, int(up)), typeNSEC3, "%s is missing, but a name below it is in the chain", c.wanted[up].hash)
		}
	}
}

// String writes a hash as owner names have it.
func (h hash) String() string { return string(lowered(base32Hex.AppendEncode(nil, h[:]))) }

// owner returns the owner name of the hash's NSEC3 record.
func (h hash) owner(origin []byte) []byte {
	return append(append([]byte{32}, h.String()...), origin...)
}
