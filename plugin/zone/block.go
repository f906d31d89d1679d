package zone

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Block is a run of names in canonical order. The first block of a zone holds
// only the apex, so that a new serial copies one name.
type Block struct {
	keys  []byte // sort keys relative to the origin, one after the other
	names []name
	sets  []set
	data  []byte // per record: length as two octets, RDATA

	// To find a key fast: the octets that all keys of the block begin with, and
	// of each key the eight octets after those as a number.
	shared int
	heads  []uint64
}

// name is what a block knows of a name, in one place: in a large zone every
// look at memory counts.
type name struct {
	key   uint32 // end of the key in Block.keys
	sets  uint32 // end of the RRsets in Block.sets
	flags Flags
}

type set struct {
	typ   uint16
	count uint16
	ttl   uint32 // seconds
	end   uint32 // end of the set's records in Block.data
}

// Set is a view of one RRset. Its records are in canonical order (RFC 4034
// section 6.3) and free of duplicates; names in RDATA keep the source's case.
type Set struct {
	Type  uint16
	TTL   uint32 // seconds
	Count int
	// Data holds, for each record, the length of its RDATA as two octets (big
	// endian) and the RDATA, names uncompressed.
	Data []byte
}

// RData yields the RDATA of each record of the set.
func (s Set) RData(yield func([]byte) bool) {
	for d := s.Data; len(d) >= 2; {
		n := 2 + int(d[0])<<8 + int(d[1])
		if !yield(d[2:n:n]) {
			return
		}
		d = d[n:]
	}
}

// Len returns the number of names in the block.
func (b *Block) Len() int { return len(b.names) }

// Key returns the sort key of name i, relative to the origin.
func (b *Block) Key(i int) []byte {
	from, end := uint32(0), b.names[i].key
	if i > 0 {
		from = b.names[i-1].key
	}
	return b.keys[from:end:end]
}

// Flags returns what name i is.
func (b *Block) Flags(i int) Flags { return b.names[i].flags }

// Sets returns the range of set numbers that name i owns, ordered by type.
func (b *Block) Sets(i int) (from, to int) {
	if i > 0 {
		from = int(b.names[i-1].sets)
	}
	return from, int(b.names[i].sets)
}

// NumSets returns the number of sets in the block.
func (b *Block) NumSets() int { return len(b.sets) }

// Set returns set number j of the block.
func (b *Block) Set(j int) Set {
	s := &b.sets[j]
	from := uint32(0)
	if j > 0 {
		from = b.sets[j-1].end
	}
	return Set{Type: s.typ, TTL: s.ttl, Count: int(s.count), Data: b.data[from:s.end:s.end]}
}

// SetType returns the type of set number j.
func (b *Block) SetType(j int) uint16 { return b.sets[j].typ }

// FindSet returns the number of name i's set of a type, or -1.
func (b *Block) FindSet(i int, typ uint16) int {
	from, to := b.Sets(i)
	for j := from; j < to; j++ {
		if b.sets[j].typ == typ {
			return j
		}
	}
	return -1
}

// equal reports whether two blocks hold the same names, records and flags.
func (b *Block) equal(o *Block) bool {
	return bytes.Equal(b.keys, o.keys) && bytes.Equal(b.data, o.data) &&
		slices.Equal(b.names, o.names) && slices.Equal(b.sets, o.sets)
}

// find returns the number of the name with this key, or of the last name before
// it. The block's first key must not be after key.
func (b *Block) find(key []byte) (i int, exact bool) {
	last := b.Len() - 1
	if len(key) < b.shared || !bytes.Equal(key[:b.shared], b.keys[:b.shared]) {
		return last, false // key is after the block's last name
	}
	h := head(key[b.shared:])
	lo, hi := 0, len(b.heads) // heads before lo are at most h, from hi on greater
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); b.heads[mid] <= h {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if b.heads[lo-1] < h {
		return lo - 1, false
	}
	for lo, hi = 0, lo; lo < hi; { // keys before lo are at most key, from hi on greater
		if mid := int(uint(lo+hi) >> 1); b.heads[mid] < h || bytes.Compare(b.Key(mid), key) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1, bytes.Equal(b.Key(lo-1), key)
}

// index fills in what find needs.
func (b *Block) index() {
	first, last := b.Key(0), b.Key(b.Len()-1)
	for b.shared < len(first) && b.shared < len(last) && first[b.shared] == last[b.shared] {
		b.shared++
	}
	b.heads = make([]uint64, b.Len())
	for i := range b.heads {
		b.heads[i] = head(b.Key(i)[b.shared:])
	}
}

// head returns the first eight octets of a key as a number; a shorter key is
// filled up with zeros.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	h := uint64(0)
	for _, c := range key {
		h = h<<8 | uint64(c)
	}
	return h << (8 * (8 - uint(len(key))))
}

// start returns the beginning of element i in a list of ends.
func start(ends []uint32, i int) uint32 {
	if i == 0 {
		return 0
	}
	return ends[i-1]
}
