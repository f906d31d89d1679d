// Package zone holds the records of a DNS zone: names in canonical order,
// compact and immutable. Build makes a Zone from records; a Signed is a Zone
// with its signatures and its denial of existence. Nothing here reads a clock,
// a file or the network, and nothing here decides what is signed by whom.
package zone

import (
	"bytes"
	"iter"
	"sort"
)

// DNS record types this package has to know (RFC 1035, 4034, 5155, 6672, 7344, 8976).
const (
	TypeNS         = 2
	TypeCNAME      = 5
	TypeSOA        = 6
	TypeDNAME      = 39
	TypeDS         = 43
	TypeRRSIG      = 46
	TypeNSEC       = 47
	TypeDNSKEY     = 48
	TypeNSEC3      = 50
	TypeNSEC3PARAM = 51
	TypeCDS        = 59
	TypeCDNSKEY    = 60
	TypeZONEMD     = 63
)

// Flags say what a name is in its zone. Authority is decided once, in Build,
// and read by everybody else.
type Flags uint8

const (
	// Cut marks a delegation: NS records at a name other than the apex, not
	// itself below another cut. The NS set is not signed; a DS set is.
	Cut Flags = 1 << iota
	// Secure marks a Cut that has a DS set.
	Secure
	// Redirect marks a name that owns a DNAME: what lies below it is not there.
	Redirect
	// BelowCut marks a name below a cut: glue, or data that nobody is asked for.
	BelowCut
	// BelowRedirect marks a name below a DNAME: never answered, never signed.
	BelowRedirect
	// Empty marks an empty non-terminal (RFC 9499): no records of its own, but
	// an authoritative name or a cut below.
	Empty
	// HasWildcard marks a name whose wildcard child exists and is not occluded.
	HasWildcard
)

// Occluded marks names that are loaded but are no part of the signed zone.
const Occluded = BelowCut | BelowRedirect

// Zone is an unsigned zone. It is immutable; versions of a zone share the
// blocks in which they do not differ.
type Zone struct {
	origin []byte // wire form, lower case
	blocks []*Block
	first  index // the first key of each block
	stats  Stats

	// Presigned are the DNSKEY set that the source itself brought, with the
	// RRSIGs over it, for zones whose KSK is kept elsewhere. They are in no
	// block. Nil when the source has no DNSKEY.
	Presigned *Presigned
}

// Presigned is a DNSKEY set signed elsewhere.
type Presigned struct {
	TTL    uint32
	Keys   [][]byte // RDATA of the DNSKEY records, canonical order
	RRSIGs [][]byte // RDATA of the RRSIG records covering DNSKEY
}

// Stats are sums over a zone.
type Stats struct {
	Names   int    // names that own records, occluded ones included
	Records int    // resource records
	Sets    int    // RRsets
	MaxTTL  uint32 // seconds, over all authoritative RRsets
}

// Origin returns the zone's name in wire form, lower case.
func (z *Zone) Origin() []byte { return z.origin }

// Blocks returns the zone's blocks; the first holds only the apex.
func (z *Zone) Blocks() []*Block { return z.blocks }

// Stats returns sums over the zone.
func (z *Zone) Stats() Stats { return z.stats }

// ApexSet returns the apex RRset of a type.
func (z *Zone) ApexSet(typ uint16) (Set, bool) {
	if j := z.blocks[0].FindSet(0, typ); j >= 0 {
		return z.blocks[0].Set(j), true
	}
	return Set{}, false
}

// SOA returns the RDATA of the zone's SOA record and its TTL.
func (z *Zone) SOA() (rdata []byte, ttl uint32) {
	s, _ := z.ApexSet(TypeSOA)
	return s.Data[2:], s.TTL
}

// Pos is the position of a name in a zone: block number and number in the block.
type Pos struct{ Block, Name int }

// Find returns the position of the name with this key (relative to the
// origin), or of its predecessor in canonical order, occluded names and empty
// non-terminals counted. The apex precedes every name in the zone.
func (z *Zone) Find(key []byte) (p Pos, exact bool) {
	if len(key) == 0 {
		return Pos{}, true
	}
	n := z.first.search(key)
	i, exact := z.blocks[n].find(key)
	return Pos{n, i}, exact
}

// Next returns the position after p in canonical order; ok is false after the
// last name.
func (z *Zone) Next(p Pos) (next Pos, ok bool) {
	if p.Name++; p.Name < z.blocks[p.Block].Len() {
		return p, true
	}
	if p.Block++; p.Block < len(z.blocks) {
		return Pos{p.Block, 0}, true
	}
	return Pos{}, false
}

// Prev returns the position before p in canonical order; ok is false before
// the apex.
func (z *Zone) Prev(p Pos) (prev Pos, ok bool) {
	if p.Name > 0 {
		return Pos{p.Block, p.Name - 1}, true
	}
	if p.Block > 0 {
		return Pos{p.Block - 1, z.blocks[p.Block-1].Len() - 1}, true
	}
	return Pos{}, false
}

// At returns the block of a position.
func (z *Zone) At(p Pos) *Block { return z.blocks[p.Block] }

// AppendName appends the wire form, in lower case, of the name at p.
func (z *Zone) AppendName(dst []byte, p Pos) []byte {
	return AppendWire(dst, z.blocks[p.Block].Key(p.Name), z.origin)
}

// Key turns a name in wire form into its key relative to the origin, appended
// to dst; ok is false when the name is not at or below the origin.
func (z *Zone) Key(dst, wire []byte) (key []byte, ok bool) {
	return RelativeKey(dst, wire, z.origin)
}

// RelativeKey is Zone.Key for an origin in wire form, lower case.
func RelativeKey(dst, wire, origin []byte) (key []byte, ok bool) {
	above := len(wire) - len(origin)
	if above < 0 || !equalFold(wire[above:], origin) {
		return dst, false
	}
	off := 0
	for off < above {
		off += int(wire[off]) + 1
	}
	if off != above {
		return dst, false
	}
	var labels [MaxWire + 1]byte // the labels above the origin, closed by a root label
	n := copy(labels[:], wire[:above])
	return AppendKey(dst, labels[:n+1]), true
}

// equalFold compares names in wire form without regard to ASCII case. Length
// octets are below 64 and so have no case.
func equalFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// Record is one resource record in wire form: what verify, transfers and the
// stored copy of a zone read. Its slices are valid until the next record.
type Record struct {
	Owner []byte // wire form, lower case
	Type  uint16
	TTL   uint32 // seconds
	RData []byte // names uncompressed
}

// Records yields the zone's records, SOA first, the rest in canonical order,
// occluded ones included.
func (z *Zone) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		owner := make([]byte, 0, MaxWire)
		for n, b := range z.blocks {
			for i := range b.Len() {
				owner = z.AppendName(owner[:0], Pos{n, i})
				if !b.yieldName(i, owner, yield) {
					return
				}
			}
		}
	}
}

// yieldName yields the records of name i; of the apex the SOA first.
func (b *Block) yieldName(i int, owner []byte, yield func(Record) bool) bool {
	from, to := b.Sets(i)
	soa := b.FindSet(i, TypeSOA)
	if soa >= 0 && !yieldSet(b.Set(soa), owner, yield) {
		return false
	}
	for j := from; j < to; j++ {
		if j != soa && !yieldSet(b.Set(j), owner, yield) {
			return false
		}
	}
	return true
}

func yieldSet(s Set, owner []byte, yield func(Record) bool) bool {
	for rd := range s.RData {
		if !yield(Record{Owner: owner, Type: s.Type, TTL: s.TTL, RData: rd}) {
			return false
		}
	}
	return true
}

// index finds the block of a key: the blocks' first keys, one after the other.
type index struct {
	keys []byte
	end  []uint32
}

func newIndex(blocks []*Block) index {
	x := index{end: make([]uint32, 0, len(blocks))}
	for _, b := range blocks {
		x.keys = append(x.keys, b.Key(0)...)
		x.end = append(x.end, uint32(len(x.keys)))
	}
	return x
}

// search returns the number of the last block whose first key is not after key.
func (x index) search(key []byte) int {
	return sort.Search(len(x.end)-1, func(n int) bool {
		return bytes.Compare(x.keys[x.end[n]:x.end[n+1]], key) > 0
	})
}
