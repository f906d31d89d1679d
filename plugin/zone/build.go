package zone

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// Builder turns records, in any order, into a Zone. It copies what it is given.
type Builder struct {
	origin []byte
	recs   []rec
	keys   []byte // keys of the owners, shared by neighbouring records
	data   []byte // RDATA, one after the other

	owner    []byte // wire form of the last owner
	ownerKey rec    // its key; only key and keyLen are set
	ownerBad bool   // the last owner cannot be in the zone: its records are left out
	unsorted bool

	presigned Presigned
	faults    []error
	notes     notes
	scratch   [2][]byte // canonical RDATA of two records under comparison
}

// rec is a record as it was added: offsets and lengths in Builder.keys and Builder.data.
type rec struct {
	key, data uint32
	ttl       uint32
	keyLen    uint16
	dataLen   uint16
	typ       uint16
}

// maxFaults bounds the faults that one Build reports.
const maxFaults = 10

// NewBuilder returns a builder for the zone with that origin (wire form).
func NewBuilder(origin []byte) *Builder {
	o := bytes.Clone(origin)
	lowerName(o)
	return &Builder{origin: o}
}

// Grow makes room for that many records.
func (b *Builder) Grow(records int) {
	b.recs = slices.Grow(b.recs, records)
	b.keys = slices.Grow(b.keys, records*12)
	b.data = slices.Grow(b.data, records*20)
}

// Add takes one record: owner in wire form, TTL in seconds, RDATA with names
// uncompressed. Records of the types that signing makes are left out; the apex
// DNSKEY set and its RRSIGs are kept apart (Zone.Presigned). What is wrong with
// a record is reported by Build.
func (b *Builder) Add(owner []byte, typ, class uint16, ttl uint32, rdata []byte) {
	if len(b.owner) == 0 || !bytes.Equal(owner, b.owner) {
		b.setOwner(owner)
	}
	switch {
	case b.ownerBad:
	case class != 1:
		b.fault(owner, typ, fmt.Errorf("class %d is not IN", class))
	case ttl > 1<<31-1:
		b.fault(owner, typ, fmt.Errorf("TTL %d is more than 2147483647 (RFC 2181 section 8)", ttl))
	case len(rdata) > 65535:
		b.fault(owner, typ, fmt.Errorf("RDATA of %d octets does not fit a record", len(rdata)))
	case typ == 0 || typ == 41 || typ >= 128 && typ <= 255:
		b.fault(owner, typ, errors.New("not a type of zone data (RFC 6895 section 3.1)"))
	case b.isDNSSEC(typ, ttl, rdata):
	default:
		r := b.ownerKey
		r.data, r.dataLen, r.typ, r.ttl = uint32(len(b.data)), uint16(len(rdata)), typ, ttl
		b.recs = append(b.recs, r)
		b.data = append(b.data, rdata...)
	}
}

// setOwner makes owner the current owner.
func (b *Builder) setOwner(owner []byte) {
	b.owner = append(b.owner[:0], owner...)
	if b.ownerBad = !ValidWire(owner); b.ownerBad {
		b.faults = append(b.faults, fmt.Errorf("malformed owner name %x", owner))
		return
	}
	at := len(b.keys)
	keys, ok := RelativeKey(b.keys, owner, b.origin)
	if b.ownerBad = !ok; b.ownerBad {
		b.faults = append(b.faults, fmt.Errorf("%s is outside the zone", Text(owner)))
		return
	}
	last := b.keyOf(b.ownerKey)
	switch c := bytes.Compare(keys[at:], last); {
	case c == 0 && len(b.recs) > 0: // the same name in other case
		return
	case c < 0:
		b.unsorted = true
	}
	b.keys = keys
	b.ownerKey = rec{key: uint32(at), keyLen: uint16(len(keys) - at)}
}

// isDNSSEC reports whether a record is one that signing makes anew; of those it
// keeps the apex DNSKEY set and its RRSIGs apart.
func (b *Builder) isDNSSEC(typ uint16, ttl uint32, rdata []byte) bool {
	switch typ {
	case TypeDNSKEY:
		if b.ownerKey.keyLen == 0 {
			if len(b.presigned.Keys) == 0 || ttl < b.presigned.TTL {
				b.presigned.TTL = ttl
			}
			b.presigned.Keys = append(b.presigned.Keys, bytes.Clone(rdata))
		}
	case TypeRRSIG:
		covers := len(rdata) > 1 && rdata[0] == 0 && rdata[1] == TypeDNSKEY
		if b.ownerKey.keyLen == 0 && covers {
			b.presigned.RRSIGs = append(b.presigned.RRSIGs, bytes.Clone(rdata))
		}
	case TypeZONEMD:
		b.notes.add(noteZONEMD, b.owner)
	case TypeNSEC, TypeNSEC3, TypeNSEC3PARAM, TypeCDS, TypeCDNSKEY:
	default:
		return false
	}
	return true
}

func (b *Builder) fault(owner []byte, typ uint16, err error) {
	b.faults = append(b.faults, fmt.Errorf("%s %s: %w", Text(owner), TypeText(typ), err))
}

func (b *Builder) keyOf(r rec) []byte { return b.keys[r.key : r.key+uint32(r.keyLen)] }

func (b *Builder) dataOf(r rec) []byte { return b.data[r.data : r.data+uint32(r.dataLen)] }

// Build returns the zone, sharing the blocks in which it equals prev (nil: none).
// The error joins what makes the zone impossible to sign or to serve; each part
// names a record. The builder is used up.
func (b *Builder) Build(prev *Zone) (*Zone, []Warning, error) {
	if b.unsorted {
		slices.SortStableFunc(b.recs, func(x, y rec) int { return bytes.Compare(b.keyOf(x), b.keyOf(y)) })
	}
	a := &assembler{b: b}
	if len(b.recs) == 0 || b.recs[0].keyLen != 0 {
		a.fault(nil, TypeSOA, errors.New("no records at the zone apex"))
	}
	for from := 0; from < len(b.recs) && len(b.faults) < maxFaults; {
		to := from + 1
		key := b.keyOf(b.recs[from])
		for to < len(b.recs) && bytes.Equal(b.keyOf(b.recs[to]), key) {
			to++
		}
		a.name(key, b.recs[from:to])
		from = to
	}
	if len(b.faults) > 0 {
		return nil, nil, joinFaults(b.faults)
	}
	z := &Zone{origin: b.origin, blocks: a.finish(prev), stats: a.stats, Presigned: b.keptDNSKEY()}
	z.first = newIndex(z.blocks)
	return z, b.notes.warnings(), nil
}

func joinFaults(faults []error) error {
	if len(faults) > maxFaults {
		faults = append(faults[:maxFaults:maxFaults], fmt.Errorf("and %d more faults", len(faults)-maxFaults))
	}
	return errors.Join(faults...)
}

// keptDNSKEY returns the DNSKEY set of the source in canonical order.
func (b *Builder) keptDNSKEY() *Presigned {
	if len(b.presigned.Keys) == 0 {
		return nil
	}
	p := b.presigned
	slices.SortFunc(p.Keys, bytes.Compare)
	p.Keys = slices.CompactFunc(p.Keys, bytes.Equal)
	slices.SortFunc(p.RRSIGs, bytes.Compare)
	p.RRSIGs = slices.CompactFunc(p.RRSIGs, bytes.Equal)
	return &p
}

// sortSet puts the records of one RRset in canonical order and removes
// duplicates (RFC 4034 section 6.3). Records that differ only in the case of
// names are duplicates; which one stays does not depend on their order.
func (b *Builder) sortSet(recs []rec) []rec {
	if len(recs) == 1 {
		return recs
	}
	typ := recs[0].typ
	canonical := func(n int, r rec) []byte {
		b.scratch[n] = AppendCanonical(b.scratch[n][:0], typ, b.dataOf(r))
		return b.scratch[n]
	}
	slices.SortFunc(recs, func(x, y rec) int {
		if c := bytes.Compare(canonical(0, x), canonical(1, y)); c != 0 {
			return c
		}
		return bytes.Compare(b.dataOf(x), b.dataOf(y))
	})
	return slices.CompactFunc(recs, func(x, y rec) bool {
		return bytes.Equal(canonical(0, x), canonical(1, y))
	})
}
